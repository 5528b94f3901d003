"""Dispatch of all services' requests on one port: to moto's application or the lab's own, by the service in the
signature.

Fixes moto's ``DomainDispatcherApplication``: it lists a directory per request, treats an unknown service as S3, and
responds to an unknown action with an HTML traceback. Here an unknown service is 501 and every error is parseable.
"""

import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask, request
from moto.core.utils import convert_to_flask_response
from moto.moto_server.werkzeug_app import HTTP_METHODS, BackendRequest, create_backend_app

from chaosdrill.lab.aws import errors
from chaosdrill.lab.aws.runtime import logger

# moto's name by the service name in a request's signature
EMULATED = {
    "dynamodb": "dynamodb",
    "ec2": "ec2",
    "ecs": "ecs",
    "elasticloadbalancing": "elbv2",
    "events": "events",
    "fis": "fis",
    "iam": "iam",
    "lambda": "lambda",
    "monitoring": "cloudwatch",
    "rds": "rds",
    "route53": "route53",
    "s3": "s3",
    "ssm": "ssm",
    "states": "stepfunctions",
    "sts": "sts",
}
SERVICE = "chaosdrill.service"  # in a request's environ: the service in its signature, which was checked

Environ = dict[str, Any]
Page = Callable[[Environ], errors.Answer]


class Dispatcher:
    """The endpoint's WSGI application.

    :param own: services that moto lacks: ``BaseResponse`` class by signing name.
    :param pages: the lab's own pages, by path.
    """

    def __init__(self, own: Mapping[str, type[Any]], pages: Mapping[str, Page]) -> None:
        self._own = own
        self._pages = pages
        self._lock = threading.Lock()
        self._apps: dict[str, Flask] = {}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        page = next((page for path, page in self._pages.items() if environ["PATH_INFO"].startswith(path)), None)
        service = environ.get(SERVICE)
        if page is None and (service in self._own or service in EMULATED):
            assert service is not None
            try:
                if (answer := _routed(service, environ)) is None:
                    return self._app(service)(environ, start_response)
                refusal = answer
            except Exception as error:  # noqa: BLE001  the boundary: every error becomes a response
                refusal = _error(service, environ, error)
        else:
            refusal = page(environ) if page else _unknown(service, environ)
        status, headers, body = refusal
        start_response(status, headers)
        return [body]

    def _app(self, service: str) -> Flask:
        with self._lock:
            if service not in self._apps:
                own = self._own.get(service)
                self._apps[service] = _own_app(service, own) if own else _moto_app(service)
            return self._apps[service]


def _routed(service: str, environ: Environ) -> errors.Answer | None:
    if service != "s3":
        return None
    from chaosdrill.lab.aws import s3  # moto's S3 is slow to import, and few labs need it

    return s3.routed(environ)


def _moto_app(service: str) -> Flask:
    name: Any = EMULATED[service]
    app = create_backend_app(name)
    app.register_error_handler(404, _no_route)
    return app


def _no_route(error: Any) -> Any:
    if request.url_rule is None:
        raise NotImplementedError(f"{request.method} {request.path}")
    return error  # one of moto's own


def _own_app(service: str, response: type[Any]) -> Flask:
    app = Flask(f"lab-{service}")
    app.debug = True  # as moto does: exceptions reach the dispatcher
    app.request_class = BackendRequest
    view = convert_to_flask_response(response.dispatch)
    for rule in ("/", "/<path:rest>"):
        app.add_url_rule(rule, endpoint=rule, methods=HTTP_METHODS, view_func=view, strict_slashes=False)
    return app


def _unknown(service: str | None, environ: Environ) -> errors.Answer:
    text = f"the lab does not emulate the AWS service {service!r}, only {', '.join(sorted(EMULATED))} and Route 53 ARC"
    return errors.answer(service, environ, "501 Not Implemented", errors.NOT_EMULATED, text)


def _error(service: str, environ: Environ, error: Exception) -> errors.Answer:
    if isinstance(error, NotImplementedError):
        text = f"the lab does not emulate this of {service}: {error}"
        return errors.answer(service, environ, "501 Not Implemented", errors.NOT_EMULATED, text)
    logger.error("%s failed inside the lab:\n%s", service, traceback.format_exc())
    text = f"the lab's own error, see `chaosdrill lab logs`: {type(error).__name__}: {error}"
    return errors.answer(service, environ, "500 Internal Server Error", errors.INTERNAL, text)
