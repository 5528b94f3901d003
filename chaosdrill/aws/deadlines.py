"""Deadlines of calls to AWS: retries, connecting and reading end with the deadline of the caller.

Each attempt has a total of its own, too, with or without a deadline (:func:`attempt_s`): what was not sent by then is
never sent, and an abandoned request is not delivered later. The lease guard relies on it (docs/safety.md).

The deadline is kept in a context variable, so that no activity has to pass it on. Other threads do not inherit it (see
:func:`carried`). A call of an action that begins at or near its deadline still has ``LEAST_S``, to find out whether a
    change was applied. A probe changes nothing: its calls have an end (:func:`ending`) that nothing exceeds.

It uses botocore's event system and the connection pools of its HTTP session.
"""

import contextlib
import math
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError
from urllib3 import Timeout
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from chaosdrill.errors import CannotSee

CONNECT_S, READ_S = 3.0, 10.0  # timeouts of one request: to connect, and for the response
REQUEST_S = CONNECT_S + READ_S
LEAST_S = 3.0  # AWS responds within 1 s, also over a new connection to the other side of the world
_ONE_OF_SEVERAL_S = 1.0  # where the next endpoint is tried then
_BARELY_S = 0.1  # a socket's timeout cannot be 0

# Deadlines on the monotonic clock: of the work in this context, and of its present call.
_until: ContextVar[float] = ContextVar("until", default=math.inf)
_call_until: ContextVar[float] = ContextVar("call_until", default=math.inf)
_of_several: ContextVar[bool] = ContextVar("of_several", default=False)
# Nothing exceeds this end, not even a call that begins after its deadline.
_end: ContextVar[float] = ContextVar("end", default=math.inf)
_attempt_until: ContextVar[float] = ContextVar("attempt_until", default=math.inf)  # on the boot clock
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # macOS's monotonic clock runs during sleep, too
_DISCARD = struct.pack("ii", 1, 0)  # SO_LINGER: closing discards what was not delivered

T = TypeVar("T")


class CutShort(CannotSee):
    """The deadline ended a call before AWS responded: whether it was carried out is unknown."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End the calls of the block ``seconds`` from now, replacing an earlier deadline: an action that waits twice has
    twice the time.
    """
    with _set(_until, time.monotonic() + seconds):
        yield


@contextmanager
def by(moment_s: float) -> Iterator[None]:
    """End the calls of the block at a moment of the monotonic clock, or at the present deadline, whichever comes
    first.
    """
    with _set(_until, min(moment_s, _until.get())):
        yield


@contextmanager
def ending(seconds: float) -> Iterator[None]:
    """End all calls of the block ``seconds`` from now, or at the present end, whichever comes first.

    Unlike :func:`within`, this also holds for the last of several calls and for one that begins after the end: for code
    that only reads.
    """
    moment_s = min(time.monotonic() + seconds, _end.get())
    with _set(_end, moment_s), by(moment_s):
        yield


@contextmanager
def extended(seconds: float) -> Iterator[None]:
    """Move the present end to at least ``seconds`` from now: for a command on another host, which has a timeout of
    its own. Without an end it changes nothing.
    """
    with _set(_end, max(_end.get(), time.monotonic() + seconds)):
        yield


@contextmanager
def one_of_several(left: int = 1) -> Iterator[None]:
    """Shorten the calls of the block, to one of several equivalent endpoints: after the deadline the next one is tried
    sooner.

    :param left: how many may still be tried, this one included. They share the time until the end, if there is one.
    """
    now_s = time.monotonic()
    with _set(_of_several, True), _set(_end, now_s + max(0.0, _end.get() - now_s) / left):
        yield


@contextmanager
def _set(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def carried(function: Callable[..., T]) -> Callable[..., T]:
    """Make a function run with the deadlines of this thread in any thread, also in several at the same time."""
    here = copy_context()
    return lambda *args, **kwargs: here.copy().run(function, *args, **kwargs)


def over() -> bool:
    """Return whether the deadline of this context has passed."""
    return time.monotonic() >= min(_until.get(), _end.get())


def cut() -> bool:
    """Return whether the deadline of this context has passed, or that of its last call, which may be earlier."""
    return over() or time.monotonic() >= _call_until.get()


def ends_s() -> float:
    """Return the moment of the monotonic clock by which a call that begins now must end; infinite without a
    deadline.
    """
    least_s = min(LEAST_S, _ONE_OF_SEVERAL_S) if _of_several.get() else LEAST_S
    return min(max(_until.get(), time.monotonic() + least_s), _end.get())


def retry_after(pause_s: float) -> float | bool:
    """Return what a handler of botocore's ``needs-retry`` returns for another attempt after ``pause_s`` seconds:
    these seconds, or False when the call's deadline comes first.
    """
    if pause_s < _left_s():
        return pause_s
    _call_until.set(time.monotonic())  # so that the call counts as cut short
    return False


def boot_s() -> float:
    """Read the clock that runs on while the machine is suspended (CLOCK_BOOTTIME), in seconds."""
    return time.clock_gettime(_BOOT_CLOCK)


def attempt_s(client: Any) -> float:
    """Return the longest time that one attempt of a client may take, to connect and to get a response, in seconds."""
    config = client.meta.config
    return float(config.connect_timeout) + float(config.read_timeout)


def begin_attempt(client: Any) -> None:
    """Set the end of the attempt that this thread is about to send to :func:`attempt_s` from now, on the boot clock.

    Uploads to S3 have no such end: their duration depends on their size.
    """
    uploads = client.meta.service_model.service_name == "s3"
    _attempt_until.set(math.inf if uploads else boot_s() + attempt_s(client))


def install_deadline(client: Any) -> None:
    """Make the calls of ``client`` end with the deadline of the caller.

    Register it after all other handlers: requests that those send before a call have deadlines of their own, and their
    record of a failed call comes first.
    """
    meta = client.meta
    service = meta.service_model.service_id.hyphenize()
    meta.events.register_first(f"before-send.{service}", lambda **_: begin_attempt(client))
    client._endpoint.http_session._pool_classes_by_scheme.update(_POOLS)
    meta.events.register_last(f"before-call.{service}", _begin)
    meta.events.register_last(f"after-call-error.{service}", _say_cut_short)


def _begin(**_: Any) -> None:
    _call_until.set(ends_s())


def _say_cut_short(exception: Exception, event_name: str, **_: Any) -> None:
    """Replace the error of a call that its deadline ended.

    :raises CutShort: when there was no response and the deadline has passed.
    """
    if _left_s() <= _BARELY_S and isinstance(exception, (HTTPClientError, NoConnection)):
        call = " ".join(event_name.split(".")[1:])
        why = f"{call} got no response before its deadline: {exception}"
        raise CutShort(why, code="call-timed-out") from exception


def _left_s() -> float:
    return _call_until.get() - time.monotonic()


def _attempt_left_s() -> float:
    """Return the seconds left for the attempt, which ends with its call at the latest; infinite without either end."""
    return min(_left_s(), _attempt_until.get() - boot_s())


class _Connecting:
    """A connection that sends nothing once its attempt has ended.

    Resolving a name has no timeout, a TLS handshake has one per message, and urllib3 gives each address of a name the
    full time to connect. The process may also have been stopped meanwhile.
    """

    host: str
    port: int
    timeout: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._refuse_late()

    def send(self, data: Any) -> Any:
        self._refuse_late()
        return super().send(data)  # type: ignore[misc]

    def _refuse_late(self) -> None:
        if boot_s() >= _attempt_until.get():
            raise ConnectTimeoutError(self, f"the attempt to send a request to {self.host} was over before it was sent")

    def _new_conn(self) -> Any:
        if math.isinf(_attempt_left_s()):
            return super()._new_conn()  # type: ignore[misc]
        name, whole_s = self.host, self.timeout
        try:
            return self._to_one_of(_addresses(name, self.port) or [name], whole_s)
        finally:
            self.host, self.timeout = name, whole_s

    def _to_one_of(self, addresses: Sequence[str], whole_s: float) -> Any:
        for number, address in enumerate(addresses, start=1):
            self.host, self.timeout = address, min(whole_s, max(_BARELY_S, _attempt_left_s()))
            try:
                return super()._new_conn()  # type: ignore[misc]
            except (ConnectTimeoutError, NewConnectionError):
                if number == len(addresses) or _attempt_left_s() <= 0:
                    raise
        raise AssertionError("there is one address at least")


def _addresses(name: str, port: int) -> list[str]:
    """Return the addresses of a name; none when it cannot be resolved, which connecting will report."""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(name, port, allowed_gai_family(), socket.SOCK_STREAM)
        return list(dict.fromkeys(str(one[4][0]) for one in found))
    return []


class _Asking:
    """A connection pool whose requests end with the deadline of the call or the attempt."""

    timeout: Timeout

    def urlopen(self, *args: Any, timeout: Any = None, **kwargs: Any) -> Any:
        usual = timeout if isinstance(timeout, Timeout) else self.timeout
        left_s = _attempt_left_s()
        if not math.isinf(left_s):
            left_s = max(_BARELY_S, left_s)
            usual = Timeout(total=left_s, connect=usual.connect_timeout, read=usual.read_timeout)
        return super().urlopen(*args, timeout=usual, **kwargs)  # type: ignore[misc]

    def _make_request(self, conn: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super()._make_request(conn, *args, **kwargs)  # type: ignore[misc]
        except BaseException:
            _discard_unsent(conn)
            raise


def _discard_unsent(conn: Any) -> None:
    """Make closing a connection discard what the kernel has not delivered.

    Otherwise the kernel goes on trying for minutes after the connection was closed, and a request that was abandoned
    during a network outage would arrive once the network is back.
    """
    with contextlib.suppress(OSError, AttributeError):  # the socket is closed, or it is TLS within TLS
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)


class _Connection(_Connecting, AWSHTTPConnection):
    pass


class _SecureConnection(_Connecting, AWSHTTPSConnection):
    pass


class _Pool(_Asking, AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(_Asking, AWSHTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Mapping[str, Any] = {"http": _Pool, "https": _SecurePool}
