"""S3: moto's own, reached by signature and by presigned URL, and told apart in the log of calls."""

import urllib.request

import pytest
from botocore.exceptions import ClientError

from chaosdrill.aws import system_of
from tests.contract.activities_rig import Rig
from tests.contract.lab_aws import LabAws, get
from tests.waiting import LONG_S

TOKYO = "ap-northeast-1"


def test_objects_are_put_fetched_by_a_presigned_url_and_deleted(aws: LabAws) -> None:
    s3, at = system_of(Rig(aws).configuration).client("s3", TOKYO), {"Bucket": "some-bucket", "Key": "a/b.bin"}
    begin = max((one["number"] for one in get(f"{aws.url}/chaosdrill/calls")[1]["calls"]), default=0)
    s3.create_bucket(Bucket="some-bucket", CreateBucketConfiguration={"LocationConstraint": TOKYO})
    with pytest.raises(ClientError, match="404"):
        s3.head_object(**at)
    s3.put_object(**at, Body=b"first")
    url, kind = s3.generate_presigned_url("put_object", at), {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, b"second", kind, method="PUT")
    with urllib.request.urlopen(request, timeout=LONG_S) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", at), timeout=LONG_S) as answer:
        assert answer.read() == b"second"
    s3.delete_object(**at)
    s3.delete_bucket(Bucket="some-bucket")
    calls = [one for one in get(f"{aws.url}/chaosdrill/calls")[1]["calls"] if one["number"] > begin]
    seen = [one["operation"] for one in calls if one["service"] == "s3"]
    assert seen == ["CreateBucket", "HeadObject", "PutObject", "DeleteObject", "DeleteBucket"]
