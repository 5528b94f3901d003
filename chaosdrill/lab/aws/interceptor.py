"""A layer before the dispatcher that logs every call, applies the faults of ``faults``, and authorizes the call."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from chaosdrill.lab.aws import authorization, errors
from chaosdrill.lab.aws.calls import CALLS, LoggedRequest, call_of, presigned_call_of
from chaosdrill.lab.aws.faults import FAULTS, AwsFault

Environ = dict[str, Any]
NO_ANSWER = 0


class Reset(Exception):
    """The connection has to be reset instead of a response; the server does it."""


class RequestGate:
    """A WSGI application around another.

    :param app: the dispatcher.
    :raises Reset: when no response must be sent.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        call = call_of(environ)
        if call is None:
            return self._presigned(environ, start_response)
        began_s = time.time()
        call = replace(call, permissions=authorization.permissions_of(call, environ))
        fault = FAULTS.take(call)
        seen: list[str] = []

        def answer(status: str, headers: Any, problem: Any = None) -> Any:
            seen.append(status)
            return start_response(status, headers)

        try:
            return list(self._answered(call, fault, environ, answer))
        finally:
            status = int(seen[0].split(" ", 1)[0]) if seen and not _is_lost(fault) else NO_ANSWER
            CALLS.add(call, began_s, status, fault.kind if fault else "")

    def _answered(
        self, call: LoggedRequest, fault: AwsFault | None, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if fault is None:
            return self._authorised(call, environ, start_response)
        if fault.kind in ("timeout", "slow"):
            fault.removed.wait(fault.seconds)
        if fault.kind in ("slow", "lost-answer"):
            body = list(self._authorised(call, environ, start_response))
            if fault.kind == "slow":
                return body
        if fault.kind in ("timeout", "reset", "lost-answer"):
            raise Reset
        if fault.kind == "ignored":
            start_response("200 OK", [("Content-Type", "application/x-amz-json-1.0")])
            return [b"{}"]
        status, headers, error = errors.answer(call.service, environ, *fault.error())
        start_response(status, headers)
        return [error]

    def _presigned(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Respond to a request that is neither logged nor affected by faults: the lab's own pages, and presigned
        URLs.
        """
        call = presigned_call_of(environ)
        if call is None:
            return self._app(environ, start_response)
        call = replace(call, permissions=authorization.permissions_of(call, environ))
        return self._authorised(call, environ, start_response)

    def _authorised(self, call: LoggedRequest, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        refused = authorization.refused(call, environ)
        if refused is None:
            return self._app(environ, start_response)
        status, headers, body = refused
        start_response(status, headers)
        return [body]


def _is_lost(fault: AwsFault | None) -> bool:
    return fault is not None and fault.kind in ("timeout", "reset", "lost-answer")
