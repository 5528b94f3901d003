"""A real Locust with the plugin, and a real HTTP server for it to call, both on 127.0.0.1."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import requests

import chaosdrill
from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.errors import CannotSee
from chaosdrill.load.buckets import BUCKET_S
from tests.waiting import LONG_S, wait_for

PLUGIN = Path(chaosdrill.__file__).with_name("load") / "plugin.py"
REFERENCE = PLUGIN.with_name("reference.py")

TWO_CALLS = """
from locust import HttpUser, constant, task
class Caller(HttpUser):
    wait_time = constant(0.05)
    @task
    def call(self):
        self.client.get("/call", timeout=60)
"""

TWO_CLASSES = """
from locust import HttpUser, constant, task
class Reader(HttpUser):
    wait_time = constant(0.05)
    @task
    def read(self):
        self.client.get("/item/17", name="/item/{id}", timeout=60)
class Writer(HttpUser):
    wait_time = constant(0.05)
    @task
    def write(self):
        self.client.get("/call", timeout=60)
        self.client.post("/call", timeout=60)
class Never(HttpUser):
    weight = 0
"""

TOPOLOGY = """
version: 1
target: lab
accounts: ["123456789012"]
aws: {{endpoint_url: "http://127.0.0.1:1"}}
regions: {{home: ap-northeast-1, standby: ap-northeast-3}}
domain: api.example.com
client: {{instance_id: i-0123456789abcdef0, region: ap-northeast-1, {how}}}
load_balancers: {{ap-northeast-1: {{cidr: 10.100.0.0/16}}, ap-northeast-3: {{cidr: 10.101.0.0/16}}}}
stop_flag: {{tables: {{ap-northeast-1: A, ap-northeast-3: B}}, key: {{PK: stopFlag}}, attribute: value}}
routing:
  controls:
    ap-northeast-1: "arn:aws:route53-recovery-control::123456789012:controlpanel/a/routingcontrol/b"
    ap-northeast-3: "arn:aws:route53-recovery-control::123456789012:controlpanel/a/routingcontrol/c"
  cluster_endpoints: [{{region: us-east-1, url: "http://127.0.0.1:1"}}]
database:
  global_cluster: g
  clusters:
    ap-northeast-1: "arn:aws:rds:ap-northeast-1:123456789012:cluster:a"
    ap-northeast-3: "arn:aws:rds:ap-northeast-3:123456789012:cluster:b"
failover: {{region: ap-northeast-3, failover_prefix: FailoverStateMachine, failback_prefix: FailbackStateMachine}}
"""


def write_topology(path: Path, url: str = "") -> Path:
    """A topology whose load generator is at ``url``; without one the drill starts its own."""
    path.write_text(TOPOLOGY.format(how=f'url: "{url}"' if url else "run: local"))
    return path


class Target(http.server.ThreadingHTTPServer):
    """Answers every request with ``status``, those of one method with 503, and counts the answers.

    :param address: where it listens; all of 127.0.0.0/8 is this machine.
    """

    daemon_threads = True

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Answer)
        self.status = 200
        self.refused_method = ""
        self.regions: dict[str, str] = {}
        """The region that the answers to a method name."""
        self.region_header = "X-Region"
        self.answered = 0
        self.refused = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.server_address)

    def count(self, status: int) -> None:
        with self._lock:
            self.answered += 1
            self.refused += status != 200


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Target
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = 503 if self.command == self.server.refused_method else self.server.status
        self.server.count(status)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        if region := self.server.regions.get(self.command):
            self.send_header(self.server.region_header, region)
        self.end_headers()
        self.wfile.write(b"ok")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def target(address: str = "127.0.0.1") -> Iterator[Target]:
    """A server for the length of the block."""
    server = Target(address)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def processes_with(word: str, parent: int | None = None) -> list[psutil.Process]:
    """The running processes that ``parent`` (this process) has started with the argument ``word``.

    One that has ended and was not waited for yet has no arguments to be read.
    """
    found = []
    for child in psutil.Process(parent).children():
        with suppress(psutil.NoSuchProcess):  # a ZombieProcess is one
            if word in child.cmdline():
                found.append(child)
    return found


def listening() -> socket.socket:
    """A socket that listens on a free port of 127.0.0.1."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen()
    return made


@contextmanager
def process(
    arguments: Sequence[str], log: Path, pass_fds: Sequence[int] = (), **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m locust arguments``, killed at the end of the block."""
    command = [sys.executable, "-m", "locust", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(chaosdrill.__file__).parents[1]), **variables}
    with open(log, "wb") as output:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=pass_fds,
            env=environment,
            cwd=log.parent,
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextmanager
def locust(directory: Path, script: Path, *arguments: str) -> Iterator[LoadGenerator]:
    """A Locust with the plugin and ``script``; its page is on a socket that was opened here."""
    with locust_process(directory, script, *arguments) as (generator, _):
        yield generator


@contextmanager
def locust_process(
    directory: Path, script: Path, *arguments: str
) -> Iterator[tuple[LoadGenerator, subprocess.Popen[bytes]]]:
    """The same, and the process; the rows of its requests are in ``directory / "records"``."""
    with _served(directory, script, *arguments) as (url, started):
        generator = LoadGenerator(url)
        wait_for(lambda: answers(generator) or started.poll() is not None, bool, "Locust to start")
        assert started.poll() is None, (directory / "locust.log").read_text()
        yield generator, started


@contextmanager
def guarded_locust(directory: Path, write: Callable[[Path], Path], base_path: str = "") -> Iterator[str]:
    """The address of a Locust whose page has a login, with the script that ``write`` makes."""
    options = ("--web-login", f"--web-base-path={base_path}")
    with _served(directory, write(directory), *options) as (root, started):
        url = f"{root}{base_path}"
        login = lambda: requests.get(f"{url}/login", timeout=LONG_S).ok  # noqa: E731
        wait_for(lambda: started.poll() is not None or login(), bool, "Locust to start")
        assert started.poll() is None, (directory / "locust.log").read_text()
        yield url


@contextmanager
def _served(directory: Path, script: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with listening() as page:
        # users finish what they do when they are stopped: a request that is cut off is answered but never ends
        options = ["-f", f"{PLUGIN},{script}", "--stop-timeout", "3", *arguments]
        fd = page.fileno()
        variables = {"CHAOSDRILL_LOAD_FD": str(fd), "CHAOSDRILL_LOAD_RECORDS": str(directory / "records")}
        with process(options, directory / "locust.log", [fd], **variables) as started:
            yield f"http://127.0.0.1:{page.getsockname()[1]}", started


def answers(generator: LoadGenerator) -> bool:
    """:returns: whether Locust's page is there."""
    try:
        return generator.state().now_s > 0
    except CannotSee:
        return False


def script(directory: Path, text: str = TWO_CALLS) -> Path:
    """A load script."""
    path = directory / "calls.py"
    path.write_text(text)
    return path


def bucket_of_its_own(generator: LoadGenerator) -> float:
    """A window counts whole buckets of 0.1 s, so wait until one begins that nothing has happened in yet.

    :returns: a moment (load generator's clock) from which a window has everything that happens from now on.
    """
    since_s = generator.state().now_s
    wait_for(generator.state, lambda load: load.now_s > since_s + BUCKET_S, "the next bucket")
    return since_s
