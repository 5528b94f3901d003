"""Admission of requests to the endpoint's port, before they are logged as calls or meet a fault.

A request must name a host of this endpoint (otherwise DNS rebinding would give a web page its origin), must not come
from another origin's page, and must be signed with keys of this lab; the lab's own pages require its token instead.
"""

import hmac
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from chaosdrill.lab.aws import errors, refusals, signatures
from chaosdrill.lab.aws.dispatcher import SERVICE
from chaosdrill.lab.aws.signatures import Refusal
from chaosdrill.lab.plan import LabPlan

ADMITTED = "chaosdrill.admitted"  # set in the environ of an admitted request
PAGES = "/chaosdrill/"
JSON_SERVICES = frozenset({"dynamodb", "ecs", "events", "ssm", "states", "route53-recovery-cluster"})
FORMS = ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded")  # need no CORS preflight
S3_HOSTS = ".amazonaws.com"
LARGEST_BODY, LARGEST_STRANGE_BODY = 256 * 1024 * 1024, 1024 * 1024  # bytes

Environ = dict[str, Any]


class Admission:
    """A WSGI application that admits requests to another.

    :param app: the application for admitted requests.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], plan: LabPlan) -> None:
        self._app = app
        self._token = f"Bearer {plan.access.token}".encode()
        names = ("127.0.0.1", "localhost", plan.services_address)
        self._hosts = frozenset(f"{name}:{plan.aws_port}" for name in names)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            refused = self._refused(environ)
        except Refusal as refusal:
            refused = refusals.refusal(refusal.service, environ, refusal.cause, refusal.detail)
        if refused is None:
            environ[ADMITTED] = True
            return self._app(environ, start_response)
        status, headers, body = refused
        start_response(status, headers)
        return [body]

    def _refused(self, environ: Environ) -> errors.Answer | None:
        is_page = environ["PATH_INFO"].startswith(PAGES)
        host = environ.get("HTTP_HOST", "").lower()
        if host not in self._hosts and (is_page or not host.endswith(S3_HOSTS)):
            text = f"this is not {host!r} but the AWS endpoint of a lab: use http://127.0.0.1 and its port"
            return errors.answer(None, environ, "421 Misdirected Request", "HostNotAllowed", text)
        if is_foreign(environ, host):
            text = "a web page of another origin sent this; the lab serves AWS clients only"
            return errors.answer(None, environ, "403 Forbidden", "OriginNotAllowed", text)
        if is_page:
            given = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace")
            if hmac.compare_digest(given, self._token):
                return None
            text = "the lab's own pages want `Authorization: Bearer $CHAOSDRILL_LAB_TOKEN`: see `chaosdrill lab env`"
            return errors.answer(None, environ, "403 Forbidden", "TokenMissing", text)
        signed = signatures.signer_of(environ)
        body = environ["wsgi.input"].read()
        environ["wsgi.input"].seek(0)
        signatures.check(environ, signed, body)
        if host.endswith(S3_HOSTS) and signed.service != "s3":
            raise Refusal("other-signature", signed.service)
        environ[SERVICE] = signed.service
        return _as_of_a_page(environ, signed.service)


def is_foreign(environ: Environ, host: str) -> bool:
    """Return whether a browser reports that a page of another origin made the request.

    :source: https://www.w3.org/TR/fetch-metadata/
    """
    origin = environ.get("HTTP_ORIGIN")
    return (origin is not None and urlsplit(origin).netloc.lower() != host) or environ.get(
        "HTTP_SEC_FETCH_SITE", "none"
    ) not in ("none", "same-origin")


def _as_of_a_page(environ: Environ, service: str) -> errors.Answer | None:
    """Return the refusal of a request in a form that a web page can post and that is not the service's; else None."""
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    has_form = kind in FORMS and environ["REQUEST_METHOD"] == "POST"
    by_target = service in JSON_SERVICES or (service == "monitoring" and not errors.is_form(environ))
    query_protocol = service in errors.QUERY_SERVICES | {"ec2", "monitoring"} and errors.is_form(environ)
    if (has_form and not query_protocol) or (by_target and "HTTP_X_AMZ_TARGET" not in environ):
        text = f"no request to {service}: its operation stands in X-Amz-Target, never in the query, its body is no form"
        return errors.answer(service, environ, "400 Bad Request", "UnknownOperationException", text)
    return None


def largest_body(environ: Environ) -> int:
    """Return the maximum size of a request's body in bytes, which is small for an unknown access key."""
    try:
        return LARGEST_BODY if signatures.is_known(signatures.signer_of(environ).key) else LARGEST_STRANGE_BODY
    except Refusal:
        return LARGEST_STRANGE_BODY
