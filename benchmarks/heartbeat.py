"""What a heartbeat at 200 beats a second costs, and how punctual it is, beside a load that keeps the server busy.

    python benchmarks/heartbeat.py [SECONDS] [RATE_PER_S] [CLIENTS]

On this machine: a server, a load of CLIENTS (default 20) closed-loop clients for it in a process of its own, and for
SECONDS (default 20) a heartbeat that reads RATE_PER_S (default 200) times a second. Prints the heartbeat's share of one
core (user and system time of its process), how late beats were sent, and how busy the machine was meanwhile. The same
without load, and with half of the beats writing, each write followed until it has settled. As root the heartbeat runs
with real-time priority, as it does on a client host that is reached through SSM.
"""

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACCOUNTS = 500
STARTED_S, BALANCES_S = 1.5, 5.0  # it reads 125 balances a second before it writes to their accounts
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ACCOUNT = {"X_ACCOUNT_ID": "{account}"}
READ = {"method": "GET", "path": "/balance", "headers": ACCOUNT}
WRITES = {
    "write": {"method": "POST", "path": "/deposit", "headers": ACCOUNT, "body": {"n": "{quantity}"}, "id": "id"},
    "settled": {"method": "GET", "path": "/{id}", "headers": ACCOUNT, "field": "status", "settled": ["done"]},
    "balance": {**READ, "field": "balance"},
}
ANSWER = b'{"balance": 0, "id": "4b2c", "status": "done"}'


class Server(asyncio.Protocol):
    """Answers every request, and says goodbye."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
        self.transport.write(head.encode() + ANSWER)
        self.transport.close()


def serve(port: Any) -> None:
    """Be the server; its port is put into ``port``."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=1000)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    asyncio.run(run())


def load(port: int, clients: int, answered: Any) -> None:
    """Be so many clients, each of which asks again as soon as it was answered."""

    async def client() -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /balance HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            await reader.read()
            writer.close()
            answered.value += 1

    async def run() -> None:
        await asyncio.gather(*(client() for _ in range(clients)))

    asyncio.run(run())


@dataclass(frozen=True)
class Found:
    """What one heartbeat did."""

    cpu_ratio: float
    late_ms: list[float]
    failed: int


def heartbeat(port: int, seconds: float, rate_per_s: float, writes: bool) -> Found:
    """:returns: what a heartbeat of that length did; its start, and reading the first balances, does not count."""
    with tempfile.TemporaryDirectory() as directory:
        config = {"run": "benchmark", "url": f"http://127.0.0.1:{port}", "directory": directory, "read": READ}
        accounts = [f"synthetic-{number}" for number in range(ACCOUNTS)]
        settings = {**config, "rate_per_s": rate_per_s, "accounts": accounts, **(WRITES if writes else {})}
        path = Path(directory) / "config.json"
        path.write_text(json.dumps(settings))
        command = [sys.executable, "-m", "chaosdrill.heartbeat", str(path)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(STARTED_S + (BALANCES_S if writes else 0.0))
        used_s, began = _cpu_s(process.pid), time.monotonic()
        time.sleep(seconds)
        cpu_ratio = (_cpu_s(process.pid) - used_s) / (time.monotonic() - began)
        process.send_signal(signal.SIGTERM)
        process.wait()
        rows = [json.loads(line) for line in (Path(directory) / "beats.jsonl").read_text().splitlines()[1:]]
    beats = [row for row in rows if row[0] == "b"]
    return Found(cpu_ratio, sorted(row[4] / 1000 for row in beats), sum(row[6] != 0 for row in beats))


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS_PER_S


def _busy_s() -> float:
    """:returns: CPU time that this machine has used, in seconds, all cores together."""
    user, nice, system, _, _, *others = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + sum(others)) / TICKS_PER_S


def report(name: str, port: int, seconds: float, rate_per_s: float, writes: bool = False) -> None:
    """Run one heartbeat and print a line."""
    busy_s, began = _busy_s(), time.monotonic()
    found = heartbeat(port, seconds, rate_per_s, writes)
    busy = (_busy_s() - busy_s) / (time.monotonic() - began) / (os.cpu_count() or 1)
    late = found.late_ms
    p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
    print(
        f"{name:<28} {found.cpu_ratio:6.1%} of one core; sent late by p50 {p50:.2f} ms, p99 {p99:.2f} ms, "
        f"most {late[-1]:.2f} ms; {len(late)} beats, {found.failed} not answered; machine {busy:.0%} busy",
        flush=True,
    )


def main(seconds: float, rate_per_s: float, clients: int) -> None:
    """Print a line for each of the three."""
    port, answered = multiprocessing.Value("i"), multiprocessing.Value("q")
    server = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.01)
    report(f"{rate_per_s:g}/s, no load", port.value, seconds, rate_per_s)
    loading = multiprocessing.Process(target=load, args=(port.value, clients, answered), daemon=True)
    loading.start()
    began = time.monotonic()
    report(f"{rate_per_s:g}/s, under load", port.value, seconds, rate_per_s)
    report(f"{rate_per_s:g}/s, half of it writes", port.value, seconds, rate_per_s / 2, writes=True)
    print(f"the load: {clients} clients, {answered.value / (time.monotonic() - began):.0f} requests/s")
    loading.kill()
    server.kill()


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    seconds, rate_per_s, clients = given + [20.0, 200.0, 20.0][len(given) :]
    main(seconds, rate_per_s, int(clients))
