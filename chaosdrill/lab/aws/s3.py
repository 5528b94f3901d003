"""S3 by host name: which host serves a bucket, and for which host a URL was presigned.

Fixes: moto 5.2.5 serves every bucket on every host and checks no signature. On AWS the global host
(``BUCKET.s3.amazonaws.com``) redirects to the region's own while the bucket is new, and a URL presigned for one host is
refused by another. Here a bucket outside us-east-1 stays new.

:source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingRouting.html ("Temporary request redirection")
:source: https://repost.aws/knowledge-center/s3-presigned-url-signature-mismatch
"""

import re
from urllib.parse import quote
from xml.sax.saxutils import escape

from moto.s3.models import s3_backends

from chaosdrill.lab.aws import errors
from chaosdrill.lab.aws.runtime import plan, strict

HOST = re.compile(r"(?:(?P<bucket>[a-z0-9][a-z0-9.-]*)\.)?s3(?:\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com")
GLOBAL_REGION = "us-east-1"  # region of the buckets that the global host serves itself
REDIRECT = (
    "<Error><Code>TemporaryRedirect</Code><Message>Please re-send this request to the specified temporary endpoint. "
    "Continue to use the original request endpoint for future requests.</Message>"
    "<Endpoint>{host}</Endpoint><Bucket>{bucket}</Bucket></Error>"
)


def routed(environ: dict[str, object]) -> errors.Answer | None:
    """Rewrite a request to one of AWS's S3 hosts into one to this endpoint.

    :returns: a redirect as the response; None: the request continues.
    """
    host = str(environ.get("HTTP_HOST", ""))
    if (found := HOST.fullmatch(host)) is None:
        return None
    path = str(environ["PATH_INFO"])
    bucket = found["bucket"] or path.strip("/").partition("/")[0]
    region = _region_of(bucket)
    if found["region"] is None and region != GLOBAL_REGION and strict("s3-global-host"):
        return _redirect(environ, bucket, region)
    if found["bucket"]:
        for name in ("PATH_INFO", "RAW_URI", "REQUEST_URI"):  # moto reads all of them
            environ[name] = f"/{bucket}{environ[name]}"
    environ["HTTP_HOST"] = plan().aws_url_on_host.partition("//")[2]
    return None


def _region_of(bucket: str) -> str:
    known = s3_backends[plan().account]["aws"].buckets.get(bucket)
    return str(known.region_name) if known else GLOBAL_REGION


def _redirect(environ: dict[str, object], bucket: str, region: str) -> errors.Answer:
    host = f"{bucket}.s3.{region}.amazonaws.com"
    query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
    location = f"https://{host}{quote(str(environ['PATH_INFO']))}{query}"
    body = REDIRECT.format(host=host, bucket=escape(bucket)).encode()
    return "307 Temporary Redirect", [("Content-Type", "application/xml"), ("Location", location)], body
