"""The lab's parts, with their start and their health checks, as the supervisor manages them."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import dns.asyncquery
import dns.exception
import dns.message

from chaosdrill.errors import LabError
from chaosdrill.lab import network
from chaosdrill.lab.environment import clean_environment
from chaosdrill.lab.plan import LabPlan, RegionPlan
from chaosdrill.lab.processes import Process

HEALTHY_WITHIN_S = 30.0
ANSWER_WITHIN_S = 2.0


class LabPart:
    """One part of the lab.

    :param name: its name in ``chaosdrill lab status``.
    :param start: starts it.
    :param check: raises when it is not healthy.
    :param stop: ends it; None: it cannot be stopped separately.
    :param ended: raises when it has ended permanently.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Awaitable[Any]],
        check: Callable[[], Awaitable[Any]],
        stop: Callable[[], Awaitable[Any]] | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self._start = start
        self._check = check
        self._stop = stop
        self._ended = ended
        self._stopped = ""
        self._started_at = 0.0
        self._healthy_s: float | None = None
        self.trouble = "not started"

    @property
    def healthy(self) -> bool:
        """Whether the last check passed."""
        return not self.trouble

    @property
    def stopped(self) -> bool:
        """Whether it was stopped on purpose."""
        return bool(self._stopped)

    async def start(self) -> None:
        """Start it."""
        self._started_at = time.monotonic()
        self._stopped, self.trouble = "", "starting"
        await self._start()

    async def stop(self, why: str) -> None:
        """Stop it on purpose, until the next :meth:`start`.

        :param why: reason, shown as its trouble.
        """
        assert self._stop is not None
        self._stopped = self.trouble = why
        await self._stop()

    async def look(self) -> None:
        """Check its health."""
        if self._stopped:
            return
        try:
            await self._check()
        except (LabError, OSError, TimeoutError, dns.exception.DNSException) as error:
            self.trouble = str(error) or type(error).__name__
        else:
            self.trouble = ""
            self._healthy_s = self._healthy_s or time.monotonic() - self._started_at

    def why_ended(self) -> str:
        """Return why it has ended; empty while it has not."""
        try:
            self._ended()
        except LabError as error:
            return str(error)
        return ""

    async def wait_until_healthy(self) -> None:
        """Wait until it is healthy.

        :raises LabError: when it is not healthy within ``HEALTHY_WITHIN_S`` seconds.
        """
        give_up = time.monotonic() + HEALTHY_WITHIN_S
        while not self.healthy:
            await self.look()
            if not self.healthy:
                if time.monotonic() > give_up or "ended with exit code" in self.trouble:
                    raise LabError(f"{self.name}: {self.trouble}")
                await asyncio.sleep(0.05)

    def describe(self) -> dict[str, Any]:
        """Return its state: ``{"healthy": bool, "trouble": text, "seconds": how long its start took or None}``."""
        seconds = None if self._healthy_s is None else round(self._healthy_s, 2)
        return {"healthy": self.healthy, "trouble": self.trouble, "seconds": seconds}


class ServiceParts:
    """The parts that are separate processes in the cloud."""

    def __init__(self, plan: LabPlan) -> None:
        self._plan = plan
        self._file = plan.directory / "plan.json"

    def aws(self, aws_fd: int, dns_udp_fd: int, dns_tcp_fd: int) -> LabPart:
        """Return the AWS endpoint, which also serves DNS."""
        fds = {"--aws-fd": aws_fd, "--dns-udp-fd": dns_udp_fd, "--dns-tcp-fd": dns_tcp_fd}
        arguments = [text for option, fd in fds.items() for text in (option, str(fd))]
        process = self._process("aws", "chaosdrill.lab.aws", *arguments)

        async def start() -> None:
            await process.start(pass_fds=list(fds.values()))
            self._watching = asyncio.create_task(_refuse_after(process, (aws_fd, dns_tcp_fd)))

        async def check() -> None:
            process.check()
            token = {"Authorization": f"Bearer {self._plan.access.token}"}
            await _get(self._plan.services_address, self._plan.aws_port, "/chaosdrill/health", token)

        return LabPart("aws", start, check, ended=process.check)

    def dns(self) -> LabPart:
        """Return DNS, which is checked by a query as from the client host."""
        question = dns.message.make_query(self._plan.domain, "A")

        async def check() -> None:
            answer = await dns.asyncquery.udp(question, self._plan.services_address, timeout=1)
            if not answer.answer:
                raise LabError(f"no address for {self._plan.domain}")

        return LabPart("dns", _nothing, check)

    def application(self, region: RegionPlan) -> LabPart:
        """Return one region's application server."""
        name = f"application-{region.city}"
        process = self._process(name, "chaosdrill.lab.application", region.name)

        async def check() -> None:
            process.check()
            for address in region.load_balancer_addresses:
                await _get(address, 80, "/health")

        return LabPart(name, process.start, check, process.stop)

    def _process(self, name: str, module: str, *arguments: str) -> Process:
        command = [sys.executable, "-m", module, str(self._file), *arguments]
        return Process(name, command, self._plan.directory / "logs" / f"{name}.log", clean_environment())


async def _refuse_after(process: Process, listening: Sequence[int]) -> None:
    """Refuse connections once the process has ended: this process keeps the sockets open, so callers would wait
    otherwise.
    """
    await process.ended()
    for fd in listening:
        with socket.socket(fileno=os.dup(fd)) as copy:
            copy.shutdown(socket.SHUT_RDWR)  # acts on the socket itself, for all processes that have it open


async def _nothing() -> None:
    """Start nothing: the AWS part serves DNS."""


async def _get(address: str, port: int, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
    """Send a GET request.

    :raises LabError: when the response is not 200.
    """
    if not await network.answers(address, port):
        raise LabError(f"{address}:{port} does not respond")
    lines = [
        f"{name}: {value}" for name, value in {"Host": f"{address}:{port}", "Connection": "close", **headers}.items()
    ]
    async with asyncio.timeout(ANSWER_WITHIN_S):
        reader, writer = await asyncio.open_connection(address, port)
        writer.write("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
        status = (await reader.readline()).decode(errors="replace").strip()
        writer.close()
    if " 200 " not in f"{status} ":
        raise LabError(f"{address}:{port}{path} answered {status!r}")
