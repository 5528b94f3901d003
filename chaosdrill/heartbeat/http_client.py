"""An HTTP client that uses a new connection for each request, and reports every possible outcome."""

import asyncio
import errno
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from chaosdrill.heartbeat.clock import SteadyClock
from chaosdrill.heartbeat.http_answer import AnswerParser, BadAnswer
from chaosdrill.heartbeat.plain_socket import PlainSocket
from chaosdrill.heartbeat.resolver import LookupFailed, SharedResolver
from chaosdrill.heartbeat.target import BeatTarget

NOT_SENT = "not-sent"
GIVEN_UP = "given-up"  # the heartbeat itself ended
LINGER_S = 1.0
# this host has no sockets, ports or memory left, which shows nothing about the application
_OWN_TROUBLE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}


@dataclass(frozen=True, slots=True)
class Exchange:
    """The outcome of one request.

    :param status: 0 without a complete response.
    :param error: a short class; empty with a complete response.
    :param sent: whether any part of the request may have left this host.
    :param ended_ns: when the response was complete, or the request was given up.
    """

    ended_ns: int
    status: int = 0
    error: str = ""
    timed_out: bool = False
    sent: bool = False
    region: str = ""
    address: str = ""
    body: bytes = b""


class _Connection(asyncio.Protocol):
    """A connection that sends the request as soon as it is connected; ``done`` when the response is complete, or
    never will be.
    """

    def __init__(self, request: bytes, timeout_s: float, now_ns: Callable[[], int]) -> None:
        self._request = request
        self._now_ns = now_ns
        self._loop = asyncio.get_running_loop()
        self.gives_up_at = self._loop.time() + timeout_s
        self._timer = self._loop.call_at(self.gives_up_at, self._fail, TimeoutError())
        self.transport: asyncio.BaseTransport | None = None
        self.parser = AnswerParser(to_head=request.startswith(b"HEAD "))
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.stage = "lookup"
        self.sent = False
        self.ended_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.stage = "answer"
        self.sent = True
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.ended_ns:
            return
        try:
            if self.parser.feed(data):
                self._finish()
        except BadAnswer as error:
            self._fail(error)

    def eof_received(self) -> None:
        if self.parser.end():
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        self._timer.cancel()
        self._fail(error or EOFError())

    def _finish(self) -> None:
        if not self.ended_ns:
            self.ended_ns = self._now_ns()
        if not self.done.done():
            self.done.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # marks the exception as retrieved: there may be no waiter any more

    def leave(self) -> None:
        """Let the other side close a finished connection first, so that ports are not used up on this one."""
        self._timer.cancel()
        if not isinstance(self.transport, asyncio.WriteTransport) or self.transport.is_closing():
            return
        if self.parser.complete:
            self._timer = self._loop.call_later(LINGER_S, self.transport.abort)
        else:
            self.transport.abort()


class HttpClient:
    """Sends requests to one target, each on a new connection and to an address whose TTL has not passed.

    :param timeout_s: after how long an exchange is given up, counted from its beginning.
    :param region_header: the header of a response that names the region.
    """

    def __init__(
        self, target: BeatTarget, resolver: SharedResolver, timeout_s: float, region_header: str, clock: SteadyClock
    ) -> None:
        self.target = target
        self._resolver = resolver
        self._timeout_s = timeout_s
        self._region_header = region_header.lower()
        self._clock = clock
        self._tls = ssl.create_default_context() if target.tls else None

    async def exchange(self, request: bytes, turn: int = 0) -> Exchange:
        """Send ``request`` and wait for its complete response.

        :param turn: selects one of several addresses.
        """
        connection = _Connection(request, self._timeout_s, self._clock.now_ns)
        address = self._resolver.known(turn)
        try:
            if not address:
                async with asyncio.timeout_at(connection.gives_up_at):
                    address = await self._resolver.address(turn)
            connection.stage = "connect"
            if self._tls is None:
                connection.transport = PlainSocket(connection, address, self.target.port)
            else:
                await self._connect_tls(self._tls, connection, address)
            await connection.done
        except (OSError, EOFError, LookupFailed, BadAnswer) as error:
            if not connection.parser.complete:  # the response may have arrived while this process was stalled
                return self._failed(error, connection, address)
        finally:
            connection.leave()
        return self._answered(connection, address)

    async def _connect_tls(self, tls: ssl.SSLContext, connection: _Connection, address: str) -> None:
        async with asyncio.timeout_at(connection.gives_up_at):
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                address,
                self.target.port,
                ssl=tls,
                server_hostname=self.target.host,
                ssl_shutdown_timeout=LINGER_S,
            )

    def _answered(self, connection: _Connection, address: str) -> Exchange:
        parser = connection.parser
        region = parser.headers.get(self._region_header, "")
        return Exchange(connection.ended_ns, parser.status, sent=True, region=region, address=address, body=parser.body)

    def _failed(self, error: Exception, connection: _Connection, address: str) -> Exchange:
        # the kernel's own ETIMEDOUT is a TimeoutError, too: there was no response in time either way
        timed_out = isinstance(error, TimeoutError)
        return Exchange(
            self._clock.now_ns(),
            error=f"timeout-{connection.stage}" if timed_out else _name(error, connection),
            timed_out=timed_out,
            sent=connection.sent,
            address=address,
        )


def _name(error: Exception, connection: _Connection) -> str:
    """Return a short class of error, the same for the same cause."""
    if isinstance(error, LookupFailed):
        return str(error)
    if isinstance(error, EOFError):
        return "incomplete-answer" if connection.parser.begun else "closed-without-answer"
    if isinstance(error, OSError) and error.errno in _OWN_TROUBLE and not connection.sent:
        return NOT_SENT
    if type(error) is OSError:
        return f"OSError-{errno.errorcode.get(error.errno or 0, error.errno)}"
    return type(error).__name__
