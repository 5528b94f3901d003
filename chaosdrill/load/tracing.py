"""Traces of requests: facts that Locust does not report, the address to which a request was sent, and resends.

The address is recorded where a connection is made or taken from the pool: it is not in the response, and after a
failure there is no response. ``FastHttpUser`` silently resends a request when a kept connection was reset, so every
send is counted. Runs inside Locust only, in the path of every request, so it does as little as possible.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import urllib3.connection
from gevent import getcurrent
from gevent.socket import SOCK_STREAM, socket
from geventhttpclient.connectionpool import ConnectionPool
from locust.clients import ResponseContextManager
from locust.contrib.fasthttp import ResponseContextManager as FastResponseContextManager

MOST_SENDINGS = 100  # limit: a greenlet may send requests that Locust never reports
LAST = "_chaosdrill_last"
ATTRIBUTE = "_chaosdrill_trace"
"""Where a greenlet has the trace of its requests, and the response of a ``with`` block its own."""


class Trace:
    """The sends of a greenlet since its last request ended."""

    __slots__ = ("address", "sent_ns")

    def __init__(self) -> None:
        self.address = ""
        """Of the server that was tried last."""
        self.sent_ns: deque[int] = deque(maxlen=MOST_SENDINGS)
        """When something went out, on the monotonic clock: once for most requests."""

    def begin_anew(self) -> None:
        """Clear the trace after its request has ended."""
        self.address = ""
        self.sent_ns.clear()


def trace_here() -> Trace:
    """Return the trace of the present greenlet."""
    own = getcurrent().__dict__
    try:
        found: Trace = own[ATTRIBUTE]
    except KeyError:
        found = own[ATTRIBUTE] = Trace()
    return found


def install() -> None:
    """Trace every request of ``HttpUser`` and ``FastHttpUser`` in this process; a second call does nothing.

    :raises AttributeError: when this version of Locust or of a client lacks a traced function.
    """
    if hasattr(ConnectionPool, LAST):
        return
    setattr(ConnectionPool, LAST, None)  # the connection that was used last, which usually is the only one
    _wrap(ConnectionPool, "get_socket", _sent_by_geventhttpclient)
    _wrap(urllib3.connection.HTTPConnection, "request", _sent_by_urllib3)
    _wrap(socket, "connect", _connecting)
    for response in (ResponseContextManager, FastResponseContextManager):
        _wrap(response, "__enter__", _judged_later)


def _wrap(owner: Any, name: str, made: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    setattr(owner, name, made(getattr(owner, name)))


def _connecting(connect: Callable[..., Any]) -> Callable[..., Any]:
    def traced(self: Any, address: Any) -> Any:
        if isinstance(address, tuple) and self.type == SOCK_STREAM:
            trace_here().address = address[0]  # also when the connection fails
        return connect(self, address)

    return traced


def _sent_by_geventhttpclient(get_socket: Callable[..., Any]) -> Callable[..., Any]:
    def traced(self: Any) -> Any:
        connection = get_socket(self)
        trace = trace_here()
        trace.sent_ns.append(monotonic_ns())
        if self._chaosdrill_last is not connection:
            self._chaosdrill_last, self._chaosdrill_address = connection, _peer(connection) or trace.address
        trace.address = self._chaosdrill_address
        return connection

    return traced


def _sent_by_urllib3(request: Callable[..., Any]) -> Callable[..., Any]:
    def traced(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return request(self, *args, **options)
        finally:
            if self.sock is not None:
                trace = trace_here()
                trace.sent_ns.append(monotonic_ns())
                trace.address = _peer(self.sock) or trace.address

    return traced


def _peer(connection: Any) -> str:
    try:
        return str(connection.getpeername()[0])
    except OSError:  # the connection is already broken
        return ""


def _judged_later(enter: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the trace of a request in a ``with`` block: its outcome is known at the end of the block, perhaps after
    others.
    """

    def traced(self: Any) -> Any:
        here, own = trace_here(), Trace()
        own.address, own.sent_ns = here.address, here.sent_ns.copy()
        setattr(self.request_meta["response"], ATTRIBUTE, own)  # the event will contain this response
        here.begin_anew()
        return enter(self)

    return traced
