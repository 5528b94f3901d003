"""A resolver of one name that follows the TTL exactly: no address is used after its TTL has passed."""

import asyncio
import ipaddress
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chaosdrill.heartbeat.clock import SteadyClock
from chaosdrill.heartbeat.dns_message import BadMessage, DnsAnswer, answer, question

RESOLV_CONF = Path("/etc/resolv.conf")
FIRST_TRY_S = 0.5  # the cost of a lost packet; each further try waits twice as long
NameServer = tuple[str, int]


class LookupFailed(Exception):
    """The name could not be resolved; the text is a short class of error."""


@dataclass(frozen=True)
class LookupResult:
    """The result of one lookup.

    :param error: a short class; empty: there are addresses.
    """

    at_ns: int
    addresses: tuple[str, ...]
    ttl_s: int
    error: str


class SharedResolver:
    """The addresses of one name. Concurrent callers share one lookup and its result.

    :param nameservers: queried in turn.
    :param give_up_s: how long one lookup may take, in seconds.
    :param on_lookup: called with each lookup.
    """

    def __init__(
        self,
        name: str,
        nameservers: list[NameServer],
        give_up_s: float,
        clock: SteadyClock,
        on_lookup: Callable[[LookupResult], None],
    ) -> None:
        self._name = name
        self._nameservers = nameservers
        self._give_up_s = give_up_s
        self._clock = clock
        self._on_lookup = on_lookup
        self._fixed = name if _is_address(name) else {"localhost": "127.0.0.1"}.get(name, "")  # RFC 6761: no lookup
        self._addresses: tuple[str, ...] = ()
        self._until_ns = 0
        self._under_way: asyncio.Task[LookupResult] | None = None

    async def address(self, turn: int) -> str:
        """Return one of the addresses; another for each ``turn``.

        :raises LookupFailed: when the lookup that this call waited for has failed.
        """
        if known := self.known(turn):
            return known
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._look_up())
        found = await asyncio.shield(self._under_way)  # a caller that gives up does not end it for the others
        if found.error:
            raise LookupFailed(found.error)
        return found.addresses[turn % len(found.addresses)]

    def known(self, turn: int) -> str:
        """Return the result of :meth:`address` if that needs no lookup; else an empty text."""
        if self._fixed or self._clock.now_ns() >= self._until_ns:
            return self._fixed
        return self._addresses[turn % len(self._addresses)]

    async def _look_up(self) -> LookupResult:
        try:
            try:
                async with asyncio.timeout(self._give_up_s):
                    said = await self._ask_in_turn()
                found = LookupResult(self._clock.now_ns(), said.addresses, said.ttl_s, "")
            except TimeoutError:
                found = LookupResult(self._clock.now_ns(), (), 0, "lookup-timeout")
            except LookupFailed as error:
                found = LookupResult(self._clock.now_ns(), (), 0, str(error))
            self._addresses = found.addresses
            self._until_ns = found.at_ns + found.ttl_s * 1_000_000_000
            self._on_lookup(found)
            return found
        finally:
            self._under_way = None

    async def _ask_in_turn(self) -> DnsAnswer:
        """Query the servers until one answers; fail when every server has reported an error."""
        pause_s, why = FIRST_TRY_S, "lookup-no-nameserver"
        while True:
            silent = False
            for server in self._nameservers:
                try:
                    async with asyncio.timeout(pause_s):
                        said = await _ask(self._name, server)
                except TimeoutError:
                    silent = True
                    continue
                except (OSError, EOFError, BadMessage) as error:
                    why = f"lookup-{type(error).__name__}"
                    continue
                if not said.trouble:
                    return said
                why = f"lookup-{said.trouble}"
                if said.trouble in ("nxdomain", "no-address"):  # these are final answers
                    raise LookupFailed(why)
            if not silent:
                raise LookupFailed(why)
            pause_s *= 2


async def _ask(name: str, server: NameServer) -> DnsAnswer:
    """Send one query over UDP, and over TCP when the answer does not fit."""
    asked = question(name, random.getrandbits(16))
    loop = asyncio.get_running_loop()
    transport, waiting = await loop.create_datagram_endpoint(lambda: _Waiting(asked), remote_addr=server)
    try:
        transport.sendto(asked)
        said = await waiting.said
    finally:
        transport.close()
    return await _ask_over_tcp(asked, server) if said.truncated else said


async def _ask_over_tcp(asked: bytes, server: NameServer) -> DnsAnswer:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(struct.pack(">H", len(asked)) + asked)
        (size,) = struct.unpack(">H", await reader.readexactly(2))
        return answer(await reader.readexactly(size), asked)
    finally:
        writer.close()


class _Waiting(asyncio.DatagramProtocol):
    """Waits for the answer to one query; other packets are ignored."""

    def __init__(self, asked: bytes) -> None:
        self._asked = asked
        self.said: asyncio.Future[DnsAnswer] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        try:
            said = answer(data, self._asked)
        except BadMessage:
            return
        if not self.said.done():
            self.said.set_result(said)

    def error_received(self, exc: Exception) -> None:
        if not self.said.done():
            self.said.set_exception(exc)


def system_nameservers(path: Path = RESOLV_CONF) -> list[NameServer]:
    """Return the name servers of this host's configuration; this host itself, as in a resolver, if none is named."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [(address, 53) for address in named if _is_address(address.partition("%")[0])] or [("127.0.0.1", 53)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
