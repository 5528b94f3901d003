"""S3 by its host names: which host serves a bucket, and for which host a URL was presigned.

Mends: moto 5.2.5 serves every bucket on every host and looks at no signature. On AWS the global host
(``BUCKET.s3.amazonaws.com``) redirects to the region's own while the bucket is young, and a URL that was presigned for
one host is refused by another. Here a bucket outside us-east-1 stays young.

:source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingRouting.html ("Temporary request redirection")
:source: https://repost.aws/knowledge-center/s3-presigned-url-signature-mismatch
"""

import re
from urllib.parse import parse_qs, quote, urlencode
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.s3.models import s3_backends

from chaosdrill.lab.aws import errors
from chaosdrill.lab.aws.runtime import plan, strict

HOST = re.compile(r"(?:(?P<bucket>[a-z0-9][a-z0-9.-]*)\.)?s3(?:\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com")
GLOBAL_REGION = "us-east-1"  # of the buckets that the global host serves itself
SECRETS = {"test": "test"}  # of the lab's users; other keys are taken for what they say
REDIRECT = (
    "<Error><Code>TemporaryRedirect</Code><Message>Please re-send this request to the specified temporary endpoint. "
    "Continue to use the original request endpoint for future requests.</Message>"
    "<Endpoint>{host}</Endpoint><Bucket>{bucket}</Bucket></Error>"
)


def routed(environ: dict[str, object]) -> errors.Answer | None:
    """Make of a request to one of AWS's S3 hosts one to this endpoint.

    :returns: what to answer instead: a redirect, or that the signature does not match; None: the request goes on.
    """
    host = str(environ.get("HTTP_HOST", ""))
    if (found := HOST.fullmatch(host)) is None:
        return None
    if _has_other_signature(environ, host):
        text = "The request signature we calculated does not match the signature you provided."
        return errors.answer("s3", environ, "403 Forbidden", "SignatureDoesNotMatch", text)
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


def _has_other_signature(environ: dict[str, object], host: str) -> bool:
    """Whether a presigned request was signed for something else: another host, method, path or query."""
    query = {name: values[0] for name, values in parse_qs(str(environ.get("QUERY_STRING", ""))).items()}
    given = query.pop("X-Amz-Signature", None)
    key, *scope = query.get("X-Amz-Credential", "").split("/")
    if given is None or key not in SECRETS:
        return False
    url = f"https://{host}{quote(str(environ['PATH_INFO']))}?{urlencode(query, quote_via=quote, safe='')}"
    request = AWSRequest(method=str(environ["REQUEST_METHOD"]), url=url)
    request.context["timestamp"] = query["X-Amz-Date"]
    signer = S3SigV4QueryAuth(Credentials(key, SECRETS[key]), "s3", scope[1])
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return bool(signer.signature(text, request) != given)
