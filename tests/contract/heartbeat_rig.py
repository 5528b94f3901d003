"""A real heartbeat process, and what it speaks to: a small bank with faults, and a name server, all on 127.0.0.x.

The heartbeat runs as it is delivered: out of an archive of its own files, without any installed package.
"""

import asyncio
import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import aiohttp
from aiohttp import web
from dnslib import RCODE, RR, DNSRecord

from chaosdrill.client.host.packing import heartbeat_zipapp
from chaosdrill.page_guard import SECRET_HEADER, SECRET_VARIABLE
from tests.waiting import LONG_S, until

NAME = "api.example.com"
SECRET = "a-secret-of-this-page"  # as whoever starts a heartbeat makes one
UNDER_WAY_S = 5.0  # the heartbeat's timeout_s: younger writes are not read back
ACCOUNT = {"X_ACCOUNT_ID": "{account}"}
READ = {"method": "GET", "path": "/balance", "headers": ACCOUNT}
WRITES = {
    "write": {
        "method": "POST",
        "path": "/transaction/deposit",
        "headers": ACCOUNT,
        "body": {"quantity": "{quantity}"},
        "id": "transactionId",
    },
    "settled": {
        "method": "GET",
        "path": "/transaction/{id}",
        "headers": ACCOUNT,
        "field": "status",
        "settled": ["success"],
        "rolled_back": ["undone"],
        "pending": ["pending"],
    },
    "balance": {**READ, "field": "balance"},
}


class Bank:
    """Accepts deposits and settles them after ``settles_in_s``. ``fault`` is what it does instead of answering:
    silent, reset, half, 503, slow, chunked, moved. The sets hold numbers of deposits, counted from 0 as they arrive.
    """

    def __init__(self) -> None:
        self.fault = ""
        self.settles_in_s = 0.1
        self.serial_s: float | None = None  # instead: one after the other, each takes so long
        self._free_s = 0.0
        self.requests = 0
        self.deposits = 0
        self.pending_refused = 0
        self.lost: set[int] = set()  # answered with 200, and forgotten
        self.stuck: set[int] = set()  # pending for ever
        self.undone: set[int] = set()  # rolled back
        self.twice: set[int] = set()  # executed twice
        self.refused_and_done: set[int] = set()  # answered with 503, and executed
        self.unanswered: set[int] = set()  # executed, and the connection is cut
        self.failed: set[int] = set()  # answered with 500, not executed
        self.hidden_until: dict[int, float] = {}
        self.stale_until: dict[str, float] = {}
        self.balances: dict[str, int] = {}
        self.ids: dict[int, str] = {}
        self.arrived_s: dict[int, float] = {}
        self._by_id: dict[str, tuple[int, str]] = {}
        self._state: dict[str, str] = {}
        self._pending: set[str] = set()

    def has_old(self, number: int) -> bool:
        """:returns: whether that deposit came so long ago that no heartbeat takes it for one under way."""
        return number in self.arrived_s and time.monotonic() > self.arrived_s[number] + UNDER_WAY_S

    async def balance(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.fault:
            return await self._faulty(request)
        account = request.headers["X_ACCOUNT_ID"]
        stale = time.monotonic() < self.stale_until.get(account, 0.0)
        return web.json_response(
            {"balance": 0 if stale else self.balances.get(account, 0)}, headers=self._region(request)
        )

    async def _faulty(self, request: web.Request) -> web.StreamResponse:
        transport, region = request.transport, self._region(request)
        assert transport
        if self.fault == "silent":
            while self.fault == "silent" and not transport.is_closing():
                await asyncio.sleep(0.05)
        elif self.fault == "reset":
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            transport.abort()
        elif self.fault == "half":
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            transport.close()
        elif self.fault == "slow":
            await asyncio.sleep(0.25)
        elif self.fault == "chunked":
            answer = web.StreamResponse(headers=region)
            await answer.prepare(request)
            for piece in (b'{"bal', b'ance": ', b"0}"):
                await answer.write(piece)
            return answer
        return web.Response(status=503 if self.fault == "503" else 200, headers=region)

    async def deposit(self, request: web.Request) -> web.StreamResponse:
        account, quantity = request.headers["X_ACCOUNT_ID"], (await request.json())["quantity"]
        if account in self._pending:
            self.pending_refused += 1
            return web.Response(status=429)
        number, identity = self.deposits, str(uuid.uuid4())
        self.deposits += 1
        if number in self.failed:
            return web.Response(status=500)
        self.ids[number] = identity
        self.arrived_s[number] = time.monotonic()
        self._by_id[identity] = (number, account)
        self._state[identity] = "pending"
        if number in self.refused_and_done | self.unanswered:
            self._execute(account, quantity, identity, number)
        else:
            self._pending.add(account)
            asyncio.get_running_loop().call_later(
                self._settles_in_s(), self._execute, account, quantity, identity, number
            )
        if number in self.refused_and_done:
            return web.Response(status=503)
        if number in self.unanswered:
            assert request.transport
            request.transport.abort()
        return web.json_response({"transactionId": identity}, headers=self._region(request))

    def _settles_in_s(self) -> float:
        if self.serial_s is None:
            return self.settles_in_s
        now_s = time.monotonic()
        self._free_s = max(now_s, self._free_s) + self.serial_s
        return self._free_s - now_s

    def _execute(self, account: str, quantity: int, identity: str, number: int) -> None:
        if number in self.stuck:
            return
        self._pending.discard(account)
        times = 0 if number in self.lost | self.undone else 2 if number in self.twice else 1
        self.balances[account] = self.balances.get(account, 0) + times * quantity
        self._state[identity] = "undone" if number in self.undone else "success"

    async def transaction(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        number, account = self._by_id.get(identity, (-1, ""))
        gone = number in self.lost or time.monotonic() < self.hidden_until.get(number, 0.0)
        if gone or account != request.headers["X_ACCOUNT_ID"]:
            return web.Response(status=404)
        return web.json_response({"status": self._state[identity]}, headers=self._region(request))

    def _region(self, request: web.Request) -> dict[str, str]:
        """The address that was connected to stands for the region."""
        assert request.transport
        return {"X-Region": request.transport.get_extra_info("sockname")[0]}

    def application(self) -> web.Application:
        made = web.Application()
        made.add_routes(
            [
                web.get("/balance", self.balance),
                web.post("/transaction/deposit", self.deposit),
                web.get("/transaction/{id}", self.transaction),
            ]
        )
        return made


@asynccontextmanager
async def bank(ssl: Any = None) -> AsyncIterator[tuple[Bank, int]]:
    """A bank on a port of 127.0.0.1 and 127.0.0.2."""
    made = Bank()
    runner = web.AppRunner(made.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    first = socket.create_server(("127.0.0.1", 0))
    port = first.getsockname()[1]
    await web.SockSite(runner, first, ssl_context=ssl).start()
    await web.SockSite(runner, socket.create_server(("127.0.0.2", port)), ssl_context=ssl).start()
    try:
        yield made, port
    finally:
        made.fault = ""
        await runner.cleanup()


class NameServer(asyncio.DatagramProtocol):
    """Answers with ``addresses`` over UDP, or, when ``truncated``, over TCP only; or not at all."""

    def __init__(self) -> None:
        self.addresses = ["127.0.0.1"]
        self.ttl_s = 1
        self.silent = False
        self.truncated = False
        self.rcode = "NOERROR"
        self.asked: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked.append(time.monotonic())
        if not self.silent:
            self._transport.sendto(self._reply(data, self.truncated), addr)

    async def over_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        reply = self._reply(asked, False)
        writer.write(len(reply).to_bytes(2, "big") + reply)
        writer.close()
        await writer.wait_closed()

    def _reply(self, data: bytes, truncated: bool) -> bytes:
        asked = DNSRecord.parse(data)
        reply = asked.reply()
        reply.header.tc = int(truncated)
        reply.header.rcode = getattr(RCODE, self.rcode)
        if not truncated and self.rcode == "NOERROR":
            for address in self.addresses:
                reply.add_answer(*RR.fromZone(f"{asked.q.qname} {self.ttl_s} A {address}"))
        packed: bytes = reply.pack()
        return packed


@asynccontextmanager
async def name_server() -> AsyncIterator[tuple[NameServer, str]]:
    """A name server and where it is."""
    made, loop = NameServer(), asyncio.get_running_loop()
    # TCP first: of its ports many are taken, by connections that others have; of UDP's hardly any
    tcp = await asyncio.start_server(made.over_tcp, "127.0.0.1", 0)
    port = tcp.sockets[0].getsockname()[1]
    udp, _ = await loop.create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", port))
    try:
        yield made, f"127.0.0.1:{port}"
    finally:
        udp.close()
        tcp.close()
        await tcp.wait_closed()


class Process:
    """A heartbeat that runs."""

    def __init__(self, directory: Path, page: str, lifeline: IO[bytes], process: asyncio.subprocess.Process) -> None:
        self.directory = directory
        self.lifeline = lifeline
        self.process = process
        self._page = page
        own = {SECRET_HEADER: SECRET}
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LONG_S), headers=own)

    async def get(self, path: str) -> Any:
        async with self._http.get(self._page + path) as answer:
            return await (answer.json() if answer.content_type.endswith("json") else answer.text())

    async def post(self, path: str) -> Any:
        async with self._http.post(self._page + path) as answer:
            return await answer.json()

    async def close(self) -> None:
        await self._http.close()
        await asyncio.sleep(0)

    async def passed(self, seconds: float = 0.0) -> int:
        """Wait until everything that is due up to ``seconds`` from now is recorded; that moment."""
        at_ns = (await self.get("/clock"))["now_ns"] + round(seconds * 1e9)
        await until(lambda: self.watermark_ns() >= at_ns)
        return at_ns

    async def read_back(self, label: str, within_s: float) -> dict[str, Any]:
        """Read back and wait for the end."""
        summary = await self.post(f"/read-back?label={label}&within_s={within_s}")
        give_up = time.monotonic() + within_s + LONG_S
        while summary["state"] == "running":
            assert time.monotonic() < give_up, summary
            await asyncio.sleep(0.05)
            summary = await self.get(f"/read-back?label={label}")
        return dict(summary)

    def rows(self, kind: str = "", file: str = "beats.jsonl") -> list[Any]:
        """The rows of a kind, as they are in the file; a line that is not whole is left out."""
        text = (self.directory / file).read_text()
        rows = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [row for row in rows if isinstance(row, list) and row[0] == kind] if kind else rows

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows(file="ledger.jsonl") if row.get("row") == kind]

    def beats(self, operation: int = 0, since_ns: int = 0, until_ns: int = 2**63) -> list[Any]:
        """Beats in the order in which they were due: kind, seq, operation, due_ns, late_us, duration_us, outcome..."""
        rows = [row for row in self.rows("b") if row[2] == operation and since_ns <= row[3] < until_ns]
        return sorted(rows, key=lambda row: row[1])

    def watermark_ns(self) -> int:
        return max((row[1] for row in self.rows("w")), default=0)


def packed(directory: Path) -> Path:
    """What is delivered to a client host."""
    path = directory / "heartbeat.zip"
    path.write_bytes(heartbeat_zipapp().data)
    return path


@contextmanager
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Two ends. As files, because closing a file twice does no harm: a descriptor's number may be another's by then."""
    theirs, ours = os.pipe()
    with open(theirs, "rb", buffering=0) as reading, open(ours, "wb", buffering=0) as writing:
        yield reading, writing


@asynccontextmanager
async def heartbeat(
    directory: Path,
    url: str,
    writes: bool = False,
    ended: bool = False,
    variables: Mapping[str, str] = MappingProxyType({}),
    **settings: Any,
) -> AsyncIterator[Process]:
    """A heartbeat with a page, from its first to its last moment; ``ended``: the test itself ends it."""
    records = directory / f"records-{uuid.uuid4().hex[:6]}"
    records.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as page, pipe() as (theirs, ours):
        config = {"run": "test", "url": url, "directory": str(records), "read": READ, "timeout_s": 20, "max_s": 600}
        config |= {"accounts": [f"synthetic-{number}" for number in range(200)]} | (WRITES if writes else {})
        config |= {"page_fd": page.fileno(), "lifeline_fd": theirs.fileno()} | settings
        own = {SECRET_VARIABLE: SECRET, **variables}
        path = records / "config.json"
        path.write_text(json.dumps(config))
        with (records / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-S", "-m", "chaosdrill.heartbeat", str(path)),
                env={**os.environ, "PYTHONPATH": str(packed(records)), "PYTHONDONTWRITEBYTECODE": "1", **own},
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=[page.fileno(), theirs.fileno()],
                cwd=records,
            )
        theirs.close()
        made = Process(records, f"http://127.0.0.1:{page.getsockname()[1]}", ours, process)
        try:
            began = lambda: (records / "beats.jsonl").exists() and bool(made.beats())  # noqa: E731
            await until(lambda: began() or process.returncode is not None)
            assert process.returncode is None, (records / "log").read_text()
            yield made
            assert ended or (process.returncode is None and not (await made.get("/state"))["trouble"])
        finally:
            await made.close()
            if process.returncode is None:
                process.kill()
            await process.wait()


@contextmanager
def bank_beside() -> Iterator[tuple[Bank, str]]:
    """A bank that runs beside the test, and its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = bank()
    one, port = asyncio.run_coroutine_threadsafe(made.__aenter__(), loop).result(LONG_S)
    try:
        yield one, f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(made.__aexit__(None, None, None), loop).result(LONG_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LONG_S)
        loop.close()
