"""A server that misbehaves by path, load scripts that call it, and the rows that Locust has written about it."""

import json
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HANG_S = 30.0
REGION = "ap-northeast-1"

STEADY = """
from locust import HttpUser, constant, task
class Caller(HttpUser):
    wait_time = constant(0.02)
    @task
    def call(self):
        self.client.get("/ok", timeout=60)
"""

EVERYTHING = """
import time
from locust import FastHttpUser, HttpUser, constant

CLOSED = "http://127.0.0.1:{closed}/closed"

def calls(user):
    def call(path, **options):
        return user.client.get(path, name=f"{{user.kind}} {{path.rpartition('/')[2]}}", **user.options, **options)
    call("/ok")
    call("/refused")
    call("/hangs")
    call(CLOSED)
    with call(CLOSED + "-forgiven", catch_response=True) as answer:
        answer.success()
    with call("/blamed", catch_response=True) as answer:
        call("/inner")
        time.sleep(0.3)
        answer.failure("not as it should be")
    call("/ok")  # so that a connection is kept
    call("/resets")
    call("/moved")
    user.environment.events.request.fire(
        request_type="SETTLE", name=f"{{user.kind}} settled", response_time=50.0, response_length=0,
        exception=RuntimeError("rolled back"), context={{}})

class Plain(HttpUser):
    wait_time, tasks = constant(0.05), [calls]
    kind, options = "plain", {{"timeout": 0.5}}

class Fast(FastHttpUser):
    wait_time, tasks = constant(0.05), [calls]
    kind, options = "fast", {{}}
    network_timeout = connection_timeout = 0.5
"""


@dataclass(frozen=True)
class Request:
    """A row of a file."""

    start_ns: int
    duration_us: int
    method: str
    name: str
    outcome: int
    status: int
    error: str
    size: int
    region: str
    address: str
    resends: int


@dataclass(frozen=True)
class Rows:
    """A file."""

    header: dict[str, object]
    requests: tuple[Request, ...]
    until_ns: int
    ended: bool

    def named(self, name: str) -> list[Request]:
        return [one for one in self.requests if one.name == name]


def rows(path: Path) -> Rows:
    """:returns: what is in a file, whose every line must be whole."""
    text = path.read_text()
    assert text.endswith("\n")
    header, *lines = [json.loads(line) for line in text.splitlines()]
    found = tuple(Request(*line[1:]) for line in lines if line[0] == "r")
    untils = [line[1] for line in lines if line[0] == "w"]
    assert untils == sorted(untils)
    ends = [line for line in lines if line[0] == "e"]
    assert all(line[2] == len(found) for line in ends)
    assert ends == lines[-1:] or not ends
    return Rows(header, found, untils[-1], bool(ends))


def files(directory: Path) -> dict[str, Rows]:
    """:returns: every file of a directory, by the source in its header."""
    found = [rows(path) for path in sorted(directory.glob("requests-*.jsonl"))]
    return {str(one.header["source"]): one for one in found}


class Wayward(socketserver.ThreadingTCPServer):
    """Counts requests by path, when they came in full."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.received: Counter[str] = Counter()
        self.answered_ns: list[int] = []
        self.lock = threading.Lock()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.StreamRequestHandler):
    server: Wayward
    disable_nagle_algorithm = True

    def handle(self) -> None:
        first = True
        while path := self._path():
            with self.server.lock:
                self.server.received[path] += 1
            if path == "/hangs":
                self.server.over.wait(HANG_S)
                return
            if path == "/resets" and not first:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            first = False
            self._answer(path)

    def finish(self) -> None:
        self.connection.close()  # without the shutdown that would make a reset an ordinary end

    def _path(self) -> str:
        try:
            line = self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
        except OSError:
            return ""
        return line.split()[1].decode() if line else ""

    def _answer(self, path: str) -> None:
        status = {"/refused": "503 No", "/moved": "302 There\r\nLocation: /ok"}.get(path, "200 OK")
        self.wfile.write(f"HTTP/1.1 {status}\r\nX-Region: {REGION}\r\nContent-Length: 2\r\n\r\nok".encode())
        self.server.answered_ns.append(time.time_ns())


@contextmanager
def wayward() -> Iterator[Wayward]:
    """A server for the length of the block."""
    server = Wayward()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
