"""Verification of AWS Signature Version 4: the signer, the time, and the integrity of a request.

moto 5.2.5 checks no signature. Here botocore's own signer computes the expected signature, over the headers that the
request lists as signed.

:source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
:source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html (times)
"""

import hashlib
import hmac
import re
import time
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from chaosdrill.lab.aws.runtime import plan

SKEW_S = {"s3": 900, "ec2": 900}
USUAL_SKEW_S = 300
LONGEST_PRESIGNED_S = 7 * 86_400
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_TIME = "%Y%m%dT%H%M%SZ"
_SCOPE = r"(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[A-Za-z0-9-]+)/aws4_request"
_HEADER = re.compile(
    rf"AWS4-HMAC-SHA256 +Credential={_SCOPE} *, *SignedHeaders=(?P<headers>[a-z0-9;._-]+) *, *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_QUERY = re.compile(_SCOPE)
_DECLARED = re.compile(r"[0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-[A-Z0-9-]+")
_IN_QUERY = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")

Environ = dict[str, Any]


class Refusal(Exception):
    """A request does not have a valid signature.

    :param cause: a name for which ``errors.refusal`` has each service's message.
    :param detail: for the message.
    """

    def __init__(self, cause: str, service: str | None = None, detail: str = "") -> None:
        super().__init__(cause)
        self.cause, self.service, self.detail = cause, service, detail


@dataclass(frozen=True)
class RequestSignature:
    """The signature in a request.

    :param expires_s: validity of a presigned URL from ``timestamp``, in seconds; None: the allowed clock skew.
    """

    key: str
    region: str
    service: str
    timestamp: str
    headers: tuple[str, ...]
    signature: str = field(repr=False)
    token: str | None = field(repr=False)
    expires_s: int | None = None


def signer_of(environ: Environ) -> RequestSignature:
    """Read the signature of a request, without verifying it.

    :raises Refusal: ``missing`` or ``incomplete``.
    """
    if header := environ.get("HTTP_AUTHORIZATION"):
        if (found := _HEADER.fullmatch(header.strip())) is None:
            raise Refusal("incomplete")
        timestamp, token, expires_s = environ.get("HTTP_X_AMZ_DATE", ""), environ.get("HTTP_X_AMZ_SECURITY_TOKEN"), None
        headers, signature = found["headers"], found["signature"]
    else:
        query = _query_of(environ)
        if (found := _QUERY.fullmatch(query["X-Amz-Credential"])) is None:
            raise Refusal("incomplete")
        timestamp, token = query["X-Amz-Date"], query.get("X-Amz-Security-Token")
        headers, signature = query["X-Amz-SignedHeaders"], query["X-Amz-Signature"]
        expires_s = int(query["X-Amz-Expires"]) if query.get("X-Amz-Expires", "").isdigit() else 0
    service = found["service"].lower()
    names = tuple(headers.split(";"))
    if not timestamp.startswith(found["date"]) or "host" not in names:
        raise Refusal("incomplete", service)
    return RequestSignature(found["key"], found["region"], service, timestamp, names, signature, token, expires_s)


def _query_of(environ: Environ) -> Mapping[str, str]:
    pairs = [pair for pair in parse_qsl(environ.get("QUERY_STRING", "")) if pair[0].startswith("X-Amz-")]
    query = dict(pairs)
    if "X-Amz-Signature" not in query:
        raise Refusal("missing")
    if len(query) != len(pairs) or not all(query.get(name) for name in _IN_QUERY):
        raise Refusal("incomplete")
    return query


def is_known(key: str) -> bool:
    """Return whether there is an access key with that ID."""
    return _secret_of(key) is not None


def _secret_of(key: str) -> str | None:
    access = plan().access
    for pair in (access.user, access.parts):
        if pair.id == key:
            return pair.secret
    for account in list(iam_backends.values()):
        if found := account["aws"].access_keys.get(key):
            return str(found.secret_access_key) if found.status == "Active" else None
    return None


def check(environ: Environ, signed: RequestSignature, body: bytes) -> None:
    """Verify a request's signature, time, session and body.

    :param signed: the result of :func:`signer_of`.
    :raises Refusal: naming the cause.
    """
    secret = _secret_of(signed.key)
    if secret is None:
        raise Refusal("unknown-key", signed.service)
    _check_session(signed)
    _check_time(signed)
    payload = _payload(environ, signed, body)
    if not hmac.compare_digest(_signature(environ, signed, secret, payload), signed.signature):
        raise Refusal("other-signature", signed.service)


def _check_session(signed: RequestSignature) -> None:
    sessions = (one for account in list(sts_backends.values()) for one in account["aws"].assumed_roles)
    session = next((one for one in sessions if one.access_key_id == signed.key), None)
    if (signed.token or "") != (session.session_token if session else ""):
        raise Refusal("unknown-key", signed.service)
    if session and session.expiration.timestamp() < time.time():
        raise Refusal("expired-session", signed.service)


def _check_time(signed: RequestSignature) -> None:
    try:
        signed_at, now = timegm(time.strptime(signed.timestamp, _TIME)), time.time()
    except ValueError as error:
        raise Refusal("incomplete", signed.service) from error
    skew_s = SKEW_S.get(signed.service, USUAL_SKEW_S)
    lasts_s = skew_s if signed.expires_s is None else signed.expires_s
    limit, minutes = time.strftime(_TIME, time.gmtime(now)), skew_s // 60
    if now > signed_at + lasts_s or lasts_s > LONGEST_PRESIGNED_S:
        cause = "skewed" if signed.expires_s is None else "expired-url"
        raise Refusal(cause, signed.service, f"Signature expired: {signed.timestamp}; now {limit} (- {minutes} min.)")
    if signed_at > now + skew_s:
        text = f"Signature not yet current: {signed.timestamp} is still later than {limit} (+ {minutes} min.)"
        raise Refusal("skewed", signed.service, text)


def _payload(environ: Environ, signed: RequestSignature, body: bytes) -> str:
    """Return the body's hash, or the value that S3 accepts instead."""
    actual = hashlib.sha256(body).hexdigest()
    declared = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
    if signed.service == "s3":
        if signed.expires_s is not None and not declared:
            return UNSIGNED_PAYLOAD
        if not _DECLARED.fullmatch(declared):
            raise Refusal("incomplete", signed.service)
        if declared[0].isupper():
            return str(declared)
    if declared not in ("", actual):
        raise Refusal("other-body", signed.service)
    return actual


def _signature(environ: Environ, signed: RequestSignature, secret: str, payload: str) -> str:
    path, _, query = str(environ["RAW_URI"]).partition("?")
    query = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
    # the path as received; for an absolute URL in the request line, its host is in HTTP_HOST
    path = re.sub(r"^https?://[^/]*", "", path) or "/"
    request = AWSRequest(method=environ["REQUEST_METHOD"], url=f"http://lab{path}?{query}")
    request.headers["X-Amz-Content-SHA256"] = payload
    request.context["timestamp"] = signed.timestamp
    kind = _S3 if signed.service == "s3" else _Other
    signer = kind(Credentials(signed.key, secret), signed.service, signed.region)
    signer.received = {name: _header(environ, name) for name in signed.headers}
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def _header(environ: Environ, name: str) -> str:
    variable = name.upper().replace("-", "_")
    prefix = "" if name in ("content-type", "content-length") else "HTTP_"
    return str(environ.get(prefix + variable, ""))


class _Received:
    """A signer mixin that signs the received headers listed as signed, instead of the headers to be sent."""

    received: Mapping[str, str]

    def headers_to_sign(self, request: Any) -> Any:
        """Return the received headers."""
        headers: Any = HTTPHeaders()
        for name, value in self.received.items():
            headers[name] = value
        return headers


class _Other(_Received, SigV4Auth):
    pass


class _S3(_Received, S3SigV4Auth):
    pass
