"""S3: moto's own, reached by signature and by presigned URL, by the host that AWS serves a bucket on."""

import http.client
import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chaosdrill.aws import System, system_of
from chaosdrill.client.host import delivery
from tests.contract.activities_rig import Rig
from tests.contract.lab_aws import DIRECTLY, KEYS, LabAws, get, running
from tests.waiting import LONG_S

pytestmark = pytest.mark.long

TOKYO = "ap-northeast-1"
AT = {"Bucket": "some-bucket", "Key": "a/b.bin"}


@pytest.fixture
def system(aws: LabAws) -> System:
    return system_of(Rig(aws).configuration)


@pytest.fixture
def bucket(system: System) -> Iterator[Any]:
    """A client of S3, and a bucket in Tokyo that holds ``first``."""
    s3 = system.client("s3", TOKYO)
    s3.create_bucket(Bucket=AT["Bucket"], CreateBucketConfiguration={"LocationConstraint": TOKYO})
    s3.put_object(**AT, Body=b"first")
    yield s3
    s3.delete_object(**AT)
    s3.delete_bucket(Bucket=AT["Bucket"])


def call(lab: LabAws, url: str, host: str, method: str = "GET", data: bytes | None = None) -> bytes:
    """What the lab answers to a URL of AWS, sent to where the lab is."""
    there = urlsplit(url)._replace(scheme="http", netloc=urlsplit(lab.url).netloc).geturl()
    headers = {"Host": host, **({"Content-Type": "application/octet-stream"} if data else {})}
    with DIRECTLY.open(urllib.request.Request(there, data, headers, method=method), timeout=LONG_S) as answer:
        return bytes(answer.read())


def by_default(**settings: Any) -> str:
    """The URL that boto3 presigns when nobody says otherwise."""
    make: Any = boto3.client
    config = Config(signature_version="s3v4", **settings)
    s3 = make("s3", region_name=TOKYO, endpoint_url=None, config=config, **KEYS)
    return str(s3.generate_presigned_url("get_object", AT))


def test_calls_are_told_apart_in_the_log(aws: LabAws, system: System) -> None:
    s3 = system.client("s3", TOKYO)
    begin = max((one["number"] for one in get(f"{aws.url}/chaosdrill/calls")[1]["calls"]), default=0)
    s3.create_bucket(Bucket="some-bucket", CreateBucketConfiguration={"LocationConstraint": TOKYO})
    with pytest.raises(ClientError, match="404"):
        s3.head_object(**AT)
    s3.put_object(**AT, Body=b"first")
    s3.delete_object(**AT)
    s3.delete_bucket(Bucket="some-bucket")
    calls = [one for one in get(f"{aws.url}/chaosdrill/calls")[1]["calls"] if one["number"] > begin]
    seen = [one["operation"] for one in calls if one["service"] == "s3"]
    assert seen == ["CreateBucket", "HeadObject", "PutObject", "DeleteObject", "DeleteBucket"]


def test_the_global_host_redirects_and_the_regional_one_refuses_what_was_signed_for_it(
    aws: LabAws, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    url = by_default()
    assert urlsplit(url).netloc == "some-bucket.s3.amazonaws.com", "what boto3 does by default"
    status, headers, _ = answered(aws, url, urlsplit(url).netloc)
    assert status == 307
    there = urlsplit(headers["Location"])
    assert there.netloc == f"some-bucket.s3.{TOKYO}.amazonaws.com"
    status, _, body = answered(aws, there.geturl(), there.netloc)
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)
    assert answered(aws, url, urlsplit(url).netloc, "DELETE")[0] == 403, "a URL for GET is none for DELETE"


def answered(lab: LabAws, url: str, host: str, method: str = "GET") -> tuple[int, Mapping[str, str], bytes]:
    """Without following a redirect: status, headers and body."""
    there = urlsplit(url)
    connection = http.client.HTTPConnection(urlsplit(lab.url).netloc, timeout=LONG_S)
    with closing(connection):
        connection.request(method, f"{there.path}?{there.query}", headers={"Host": host})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


def test_a_url_that_is_presigned_for_the_client_host_is_served(aws: LabAws, system: System, bucket: Any) -> None:
    url, host = delivery.presigned(system, "put_object", AT)
    assert host == f"some-bucket.s3.{TOKYO}.amazonaws.com"
    call(aws, url, host, "PUT", b"second")
    url, host = delivery.presigned(system, "get_object", AT)
    assert call(aws, url, host) == b"second"


def test_on_aws_a_presigned_url_names_the_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, aws: LabAws) -> None:
    """Nothing is sent: the URL is made on this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["aws_secret_access_key"])
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    facts = {name: value for name, value in aws.topology.items() if name not in ("aws", "time_scale")}
    (tmp_path / "aws.json").write_text(json.dumps({**facts, "target": "aws"}))
    on_aws = system_of({"topology": str(tmp_path / "aws.json")})
    url, host = delivery.presigned(on_aws, "get_object", AT)
    assert (urlsplit(url).scheme, urlsplit(url).netloc, host) == ("https", f"some-bucket.s3.{TOKYO}.amazonaws.com", "")
    url, _ = delivery.presigned(on_aws, "get_object", {**AT, "Bucket": "a.dotted.bucket"})
    assert urlsplit(url).netloc == f"s3.{TOKYO}.amazonaws.com", "no certificate has a dotted bucket's host"


def test_a_lenient_lab_serves_on_the_global_host(tmp_path: Path) -> None:
    with running(tmp_path, lenient=("s3-global-host",)) as lab:
        s3 = system_of(Rig(lab).configuration).client("s3", TOKYO)
        s3.create_bucket(Bucket=AT["Bucket"], CreateBucketConfiguration={"LocationConstraint": TOKYO})
        s3.put_object(**AT, Body=b"first")
        url = by_default()
        assert call(lab, url, urlsplit(url).netloc) == b"first"
