"""What Locust does not tell about a request: to which address it was sent, and how often again.

The address is taken where a connection is made or taken from the pool: it is not on the response, and after a failure
there is none. ``FastHttpUser`` sends a request again, without a word, when a kept connection was reset; so every
sending is counted. Runs inside Locust only, on the way of every request: it does as little as it can.
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

MOST_SENDINGS = 100  # kept: a greenlet may send what Locust never hears of
LAST = "_chaosdrill_last"
ATTRIBUTE = "_chaosdrill_trace"
"""Where a greenlet has the trace of its requests, and the response of a ``with`` block its own."""


class Trace:
    """What a greenlet has sent since its last request ended."""

    __slots__ = ("address", "sent_ns")

    def __init__(self) -> None:
        self.address = ""
        """Of the server that was tried last."""
        self.sent_ns: deque[int] = deque(maxlen=MOST_SENDINGS)
        """When something went out, on the monotonic clock: once for most requests."""

    def begin_anew(self) -> None:
        """Its request has ended."""
        self.address = ""
        self.sent_ns.clear()


def trace_here() -> Trace:
    """:returns: the trace of the greenlet that runs now."""
    own = getcurrent().__dict__
    try:
        found: Trace = own[ATTRIBUTE]
    except KeyError:
        found = own[ATTRIBUTE] = Trace()
    return found


def install() -> None:
    """Trace every request of ``HttpUser`` and ``FastHttpUser`` in this process; a second time nothing happens.

    :raises AttributeError: when this version of Locust or of a client has no such place to look.
    """
    if hasattr(ConnectionPool, LAST):
        return
    setattr(ConnectionPool, LAST, None)  # the connection that was used last: mostly it is the only one
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
            trace_here().address = address[0]  # also when nobody answers there
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
    except OSError:  # it is broken already
        return ""


def _judged_later(enter: Callable[..., Any]) -> Callable[..., Any]:
    """The request has been sent, but its outcome is known at the end of the block, after others perhaps."""

    def traced(self: Any) -> Any:
        here, own = trace_here(), Trace()
        own.address, own.sent_ns = here.address, here.sent_ns.copy()
        setattr(self.request_meta["response"], ATTRIBUTE, own)  # what the event will hand out
        here.begin_anew()
        return enter(self)

    return traced
