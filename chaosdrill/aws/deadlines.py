"""How long a call to AWS may take: its tries, their connecting and their reading end with the deadline of what asks.

Each attempt has a total of its own, too, with or without a deadline (:func:`attempt_s`): what was not sent by then is
not sent any more, and what was given up is not delivered later. The lease guard counts on it (docs/safety.md).

The deadline is kept in a context variable, so that no activity has to pass it on. Other threads do not inherit it (see
:func:`carried`). A call of an action that begins when the time is up, or nearly so, still has ``LEAST_S``: it finds out
what is half done. A probe leaves nothing half done: its calls have an end (:func:`ending`) that nothing goes beyond.

It hangs in botocore's own event chain and in the connection pools of its HTTP session.
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

CONNECT_S, READ_S = 3.0, 10.0  # what one request to AWS has to connect, and to be answered
REQUEST_S = CONNECT_S + READ_S
LEAST_S = 3.0  # AWS answers in less than one, over a new connection to the other side of the world, too
_ONE_OF_SEVERAL_S = 1.0  # where the next one is asked then
_BARELY_S = 0.1  # a socket's timeout cannot be 0

# moments on the steady clock: of what goes on in this context, and of the call that it makes now
_until: ContextVar[float] = ContextVar("until", default=math.inf)
_call_until: ContextVar[float] = ContextVar("call_until", default=math.inf)
_of_several: ContextVar[bool] = ContextVar("of_several", default=False)
# nothing goes beyond it, not even a call that begins when the time is up
_end: ContextVar[float] = ContextVar("end", default=math.inf)
_attempt_until: ContextVar[float] = ContextVar("attempt_until", default=math.inf)  # of the boot clock
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # macOS's monotonic clock runs in its sleep, too
_DISCARD = struct.pack("ii", 1, 0)  # SO_LINGER: closing discards what was not delivered

T = TypeVar("T")


class CutShort(CannotSee):
    """AWS had not answered a call when the time was up: whether it was carried out is open."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Calls within it end ``seconds`` from now, whatever the deadline was so far: an action that waits twice has twice
    the time.
    """
    with _set(_until, time.monotonic() + seconds):
        yield


@contextmanager
def by(moment_s: float) -> Iterator[None]:
    """Calls within it end at a moment of the steady clock, or at the deadline that there is, whichever comes first."""
    with _set(_until, min(moment_s, _until.get())):
        yield


@contextmanager
def ending(seconds: float) -> Iterator[None]:
    """End all calls within it ``seconds`` from now, or at the end that there is, whichever comes first.

    That holds for the last of several calls, too, and for one that begins only then: for what only reads.
    """
    moment_s = min(time.monotonic() + seconds, _end.get())
    with _set(_end, moment_s), by(moment_s):
        yield


@contextmanager
def extended(seconds: float) -> Iterator[None]:
    """Give what is within it ``seconds`` from now at least, where it has an end: a command on another host, which has a
    time of its own. Without an end it changes nothing.
    """
    with _set(_end, max(_end.get(), time.monotonic() + seconds)):
        yield


@contextmanager
def one_of_several(left: int = 1) -> Iterator[None]:
    """A call within it, to one of several that may answer, has less when the time is up: the next one is asked then.

    :param left: how many may still be asked, this one included. They share the time until the end, where there is one.
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
    """Make a function run with the deadlines of this thread in any thread, in several at the same time, too."""
    here = copy_context()
    return lambda *args, **kwargs: here.copy().run(function, *args, **kwargs)


def over() -> bool:
    """:returns: whether the time of what goes on here is up."""
    return time.monotonic() >= min(_until.get(), _end.get())


def cut() -> bool:
    """:returns: whether the time of what goes on here is up, or that of its last call, which may end before."""
    return over() or time.monotonic() >= _call_until.get()


def ends_s() -> float:
    """:returns: the moment of the steady clock by which what begins now has to end; infinite without a deadline."""
    least_s = min(LEAST_S, _ONE_OF_SEVERAL_S) if _of_several.get() else LEAST_S
    return min(max(_until.get(), time.monotonic() + least_s), _end.get())


def retry_after(pause_s: float) -> float | bool:
    """:returns: what a handler of botocore's ``needs-retry`` answers that would try again after ``pause_s`` seconds:
    these seconds, or False when the call's time is up by then.
    """
    if pause_s < _left_s():
        return pause_s
    _call_until.set(time.monotonic())  # it ends now
    return False


def boot_s() -> float:
    """Read the clock that runs on while the machine is suspended (CLOCK_BOOTTIME), in seconds."""
    return time.clock_gettime(_BOOT_CLOCK)


def attempt_s(client: Any) -> float:
    """Return the most that one attempt of a client may take: to connect and to be answered, in seconds."""
    config = client.meta.config
    return float(config.connect_timeout) + float(config.read_timeout)


def begin_attempt(client: Any) -> None:
    """Let the attempt that this thread is about to send end after :func:`attempt_s`, on the boot clock.

    Uploads to S3 have no such end: they take as long as their size needs.
    """
    uploads = client.meta.service_model.service_name == "s3"
    _attempt_until.set(math.inf if uploads else boot_s() + attempt_s(client))


def keep(client: Any) -> None:
    """Let the calls of ``client`` end with the deadline of what makes them. Registered after everything else: what that
    asks before a call has its own time, and what it writes about a failed call comes first.
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
    """:raises CutShort: when there was no answer and its time is up."""
    if _left_s() <= _BARELY_S and isinstance(exception, (HTTPClientError, NoConnection)):
        call = " ".join(event_name.split(".")[1:])
        why = f"{call} was not answered when its time was up: {exception}"
        raise CutShort(why, code="call-timed-out") from exception


def _left_s() -> float:
    return _call_until.get() - time.monotonic()


def _attempt_left_s() -> float:
    """Return what is left of the attempt, which ends with its call at the latest; infinite without either."""
    return min(_left_s(), _attempt_until.get() - boot_s())


class _Connecting:
    """A connection that sends nothing when its attempt is over.

    Resolving a name has no timeout, a TLS handshake one per message, and urllib3 gives each address of a name the whole
    time to connect. The process may have been stopped, too.
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
    """:returns: those of a name; none when it cannot be resolved, which whoever connects will say."""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(name, port, allowed_gai_family(), socket.SOCK_STREAM)
        return list(dict.fromkeys(str(one[4][0]) for one in found))
    return []


class _Asking:
    """A connection pool whose requests are cut when the time of the call, or of the attempt, is up."""

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
    """Let closing a connection discard what the kernel has not delivered.

    Otherwise it goes on trying for minutes after the connection was closed, and a request that was given up while the
    network was away would arrive once it is back.
    """
    with contextlib.suppress(OSError, AttributeError):  # closed, or TLS within TLS
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
