"""What the recording plugin costs Locust: requests a second with it over those without any plugin.

    python benchmarks/load_plugin.py [ROUNDS [SECONDS]]

Two Locusts, one with the plugin and one without, make the same requests as fast as they can against a fast server in a
process of its own, by turns: ROUNDS times (default 30) SECONDS each (default 2), so that whatever else the machine does
meets both. Prints, for HttpUser and FastHttpUser, the median of the paired ratios, and the same for requests per second
of processor time, which other processes disturb less.
"""

import asyncio
import contextlib
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests

import chaosdrill

PLUGIN = Path(chaosdrill.__file__).with_name("load") / "plugin.py"
USERS = 10
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Region: ap-northeast-1\r\nContent-Length: 2\r\n\r\nok"
SCRIPT = """
from locust import {user}, constant, task
class Caller({user}):
    wait_time = constant(0)
    @task
    def call(self):
        self.client.get("/call")
"""


class _Answer(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))


def _serve(listener: socket.socket) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(_Answer, sock=listener)
        await server.serve_forever()

    asyncio.run(forever())


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The address of a server that does nothing but answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        process = multiprocessing.Process(target=_serve, args=(listener,), daemon=True)
        process.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        process.kill()


class Locust:
    """One Locust and its page.

    :param files: its locustfiles.
    """

    def __init__(self, directory: Path, files: str, host: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as page:
            port = str(page.getsockname()[1])
        self._url = f"http://127.0.0.1:{port}"
        options = ["-f", files, "--host", host, "--web-host", "127.0.0.1", "--web-port", port]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "locust", *options],
            env={**os.environ, "CHAOSDRILL_LOAD_RECORDS": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=directory,
        )
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self._url}/stats/requests", timeout=5).ok:
                    return
            time.sleep(0.1)
        raise SystemExit("Locust does not start")

    def _cpu_s(self) -> float:
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def round(self, seconds: float) -> tuple[float, float]:
        """:returns: requests a second, and requests per second of processor time."""
        began, cpu_s = time.monotonic(), self._cpu_s()
        requests.post(f"{self._url}/swarm", data={"user_count": USERS, "spawn_rate": 1000}, timeout=10)
        time.sleep(seconds)
        requests.post(f"{self._url}/stop", timeout=10)
        took_s, used_s = time.monotonic() - began, self._cpu_s() - cpu_s
        time.sleep(0.1)
        done = requests.get(f"{self._url}/stats/requests", timeout=10).json()["stats"][-1]["num_requests"]
        return done / took_s, done / used_s


def compare(user: str, rounds: int, seconds: float) -> None:
    """Print the ratios for a class of users."""
    with tempfile.TemporaryDirectory() as made, server() as host:
        directory = Path(made)
        (directory / "calls.py").write_text(SCRIPT.format(user=user))
        script = str(directory / "calls.py")
        pair = [Locust(directory, script, host), Locust(directory, f"{PLUGIN},{script}", host)]
        try:
            found = []
            for number in range(rounds + 1):
                seen = {one: pair[one].round(seconds) for one in random.sample((0, 1), 2)}
                if number:  # the first warms up
                    found.append((*seen[0], *seen[1]))
        finally:
            for one in pair:
                one.process.kill()
                one.process.wait()
    rates = [statistics.median(column) for column in zip(*found, strict=True)]
    wall, cpu = ([one[at + 2] / one[at] for one in found] for at in (0, 1))
    low, high = (statistics.quantiles(wall, n=4)[at] for at in (0, 2))
    print(
        f"{user}: {rates[2]:.0f} requests/s with the plugin, {rates[0]:.0f} without: "
        f"ratio {statistics.median(wall):.3f} (quartiles {low:.3f} to {high:.3f}), "
        f"per second of processor time {statistics.median(cpu):.3f}",
        flush=True,
    )


if __name__ == "__main__":
    for one in ("HttpUser", "FastHttpUser"):
        compare(one, int(sys.argv[1]) if len(sys.argv) > 1 else 30, float(sys.argv[2]) if len(sys.argv) > 2 else 2.0)
