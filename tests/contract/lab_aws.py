"""Starts the lab's AWS endpoint for real, outside namespaces, with a real control socket at the process boundary."""

import asyncio
import json
import os
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config

from chaosdrill.errors import LabError
from chaosdrill.lab import control_socket
from chaosdrill.lab.access import Access, KeyPair
from chaosdrill.lab.plan import EXECUTION_LAG_REFERENCE_S, HOME, STANDBY, LabPlan
from tests.contract.endpoint_forks import Fork, forks
from tests.loops import end_everything
from tests.waiting import LONG_S, wait_for

SCALE = 1 / 60
RESYNC_S = 1.0  # real seconds

# urllib keeps the proxies of the first call for good, and asks each time which hosts go without: tests change both
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
NO_LOAD_PORT = 9  # nobody answers there: Locust is not part of this rig, and a lab beside it may have its own port
# the same in all endpoints of tests, so that a test can write them into a file of its own; a lab's own are random
ACCESS = Access(KeyPair("AKIATESTTESTTESTTEST", "test-secret"), KeyPair("AKIAPARTPARTPARTPART", "parts"), "test-token")
KEYS = {"aws_access_key_id": ACCESS.user.id, "aws_secret_access_key": ACCESS.user.secret}


class Supervisor:
    """Answers what the endpoint asks of the lab, and remembers it: the operations of the real control socket."""

    def __init__(self, path: Path) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuse: dict[str, str] = {}
        self.swap_s = 0.3
        self._may_end = threading.Event()
        self._may_end.set()
        self._may_connect = threading.Event()
        self._may_connect.set()
        self.lag_s: float | None = 0.02
        self.latencies_s: dict[str, float | None] = {HOME.name: 0.5, STANDBY.name: None}  # of the main table
        self.writer = HOME.name
        self._at_once = self.most_at_once = 0  # commands on the client host
        programs = pythons(path.parent)
        self._qdisc = programs / "qdisc"  # what `tc qdisc show` prints on the client host
        self._qdisc.touch()
        write_program(programs / "tc", f"cat {self._qdisc}")
        write_program(programs / "modprobe", "exit 0")
        self.shows_rules = True  # whether `tc` lists a fault that was injected
        self.path = f"{programs}{os.pathsep}{os.environ['PATH']}"  # of commands on the client host
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            control_socket.serve(path, self._operations()), self._loop
        ).result(LONG_S)

    def _operations(self) -> dict[str, control_socket.Operation]:
        async def switchover(to_region: str) -> Any:
            return await self._swap("database.switchover", to_region)

        async def failover(to_region: str) -> Any:
            return await self._swap("database.failover", to_region)

        async def rejoined() -> dict[str, float]:  # asked again and again, so not remembered
            while not self._may_connect.is_set():
                await asyncio.sleep(0.02)
            return {"seconds": 0.0}

        async def lag() -> dict[str, Any]:  # asked once a minute, so not remembered
            if self.lag_s is None:
                raise LabError("the standby does not follow")
            regions = {HOME.name: STANDBY.name, STANDBY.name: HOME.name}
            return {"region": regions[self.writer], "source_region": self.writer, "lag_s": self.lag_s}

        async def inject(id: str, percent: float, sources: list[str], traffic_type: str, duration_s: float) -> None:
            facts = {"id": id, "percent": percent, "sources": sources, "traffic_type": traffic_type}
            self._remember("packet_loss.inject", **facts, duration_s=duration_s)
            if self.shows_rules:
                self._qdisc.write_text(f"qdisc netem 8001: dev ifb0 root limit 1000 loss {percent:g}%\n")

        async def heal(id: str) -> None:
            self._remember("packet_loss.heal", id=id)
            self._qdisc.write_text("")

        async def application(region: str, running: bool) -> dict[str, bool]:
            self._remember("application.run", region=region, running=running)
            return {"running": running}

        async def isolate(id: str, networks: list[str], duration_s: float) -> None:
            self._remember("network.isolate", id=id, networks=networks, duration_s=duration_s)

        async def reconnect(id: str) -> None:
            self._remember("network.reconnect", id=id)

        async def pause(id: str, after_s: float, duration_s: float) -> None:
            self._remember("main_table.pause", id=id, after_s=after_s, duration_s=duration_s)

        async def resume(id: str) -> None:
            self._remember("main_table.resume", id=id)

        async def latencies() -> dict[str, float | None]:  # asked once a minute, so not remembered
            return self.latencies_s

        async def run(command: str, timeout_s: float) -> dict[str, Any]:
            self._remember("client.run", command=command, timeout_s=timeout_s)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            environment = {**os.environ, "PATH": self.path}
            shell = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", command, stdout=-1, stderr=-1, env=environment
            )
            stdout, stderr = await shell.communicate()
            self._at_once -= 1
            return {"exit_code": shell.returncode, "stdout": stdout.decode(), "stderr": stderr.decode()}

        return {
            "database.switchover": switchover,
            "database.failover": failover,
            "database.rejoined": rejoined,
            "database.lag": lag,
            "packet_loss.inject": inject,
            "packet_loss.heal": heal,
            "client.run": run,
            "application.run": application,
            "network.isolate": isolate,
            "network.reconnect": reconnect,
            "main_table.pause": pause,
            "main_table.resume": resume,
            "main_table.latencies": latencies,
        }

    async def _swap(self, op: str, to_region: str) -> dict[str, float]:
        self._remember(op, to_region=to_region)
        await asyncio.sleep(self.swap_s)
        while not self._may_end.is_set():
            await asyncio.sleep(0.02)
        self.writer = to_region
        return {"seconds": self.swap_s}

    @contextmanager
    def writer_held(self) -> Iterator[None]:
        """For the length of the block no move of the writer comes to its end."""
        self._may_end.clear()
        try:
            yield
        finally:
            self._may_end.set()

    @contextmanager
    def resync_held(self) -> Iterator[None]:
        """For the length of the block an old primary that is rebuilt is not connected."""
        self._may_connect.clear()
        try:
            yield
        finally:
            self.connect()

    def connect(self) -> None:
        """End :meth:`resync_held` early."""
        self._may_connect.set()

    def _remember(self, op: str, **arguments: Any) -> None:
        self.calls.append((op, arguments))
        if op in self.refuse:
            raise LabError(self.refuse[op])

    def asked(self, op: str) -> list[dict[str, Any]]:
        """The arguments of every call of ``op`` so far."""
        return [arguments for name, arguments in self.calls if name == op]

    def close(self) -> None:
        """Answer nobody any more."""
        asyncio.run_coroutine_threadsafe(end_everything(self._server), self._loop).result(LONG_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LONG_S)
        self._loop.close()


def pythons(directory: Path, python: Path = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")) -> Path:
    """:returns: a directory with nothing but one Python, which is the one that packs the client host's programs unless
    another is given: a link to it runs it without what is installed here.
    """
    found = directory / "pythons"
    found.mkdir()
    for name in ("python3", python.name):
        (found / name).symlink_to(python)
    return found


def write_program(path: Path, script: str) -> None:
    """Write a shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def without_pythons(directory: Path) -> Path:
    """:returns: a directory with all programs of this machine but Pythons."""
    found = directory / "programs"
    found.mkdir()
    for program in (one for where in ("/usr/bin", "/bin") for one in Path(where).iterdir()):
        if not program.name.startswith("python") and not (found / program.name).exists():
            (found / program.name).symlink_to(program)
    return found


@dataclass
class LabAws:
    """A running endpoint."""

    plan: LabPlan
    process: Fork
    supervisor: Supervisor
    clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    impaired: set[str] = field(default_factory=set)
    """The cluster endpoints that :meth:`Rig.impair` has impaired."""

    @property
    def url(self) -> str:
        """The endpoint."""
        return self.plan.aws_url_on_host

    @property
    def topology(self) -> dict[str, Any]:
        """What it wrote."""
        facts: dict[str, Any] = json.loads(self._topology)
        return facts

    @cached_property
    def _topology(self) -> str:
        return json.dumps(yaml.safe_load(self.plan.topology_file.read_text()))

    def client(self, service: str, region: str = "ap-northeast-3", url: str | None = None) -> Any:
        """A boto3 client."""
        key = (service, region, url or self.url)
        if key not in self.clients:
            config = Config(retries={"total_max_attempts": 1})
            make: Any = boto3.client
            self.clients[key] = make(service, region_name=region, endpoint_url=key[2], config=config, **KEYS)
        return self.clients[key]

    def machine(self, prefix: str) -> str:
        """The ARN of the state machine whose name begins with ``prefix``."""
        listed = self.client("stepfunctions").list_state_machines()["stateMachines"]
        return next(str(one["stateMachineArn"]) for one in listed if one["name"].startswith(f"{prefix}-"))

    def run_machine(self, prefix: str) -> dict[str, Any]:
        """Start it and wait until it ends."""
        sfn = self.client("stepfunctions")
        arn = sfn.start_execution(stateMachineArn=self.machine(prefix))["executionArn"]
        return self.ended(arn)

    def become_consistent(self) -> None:
        """Until every reader of Step Functions shows what was changed by now: a moment, by this machine's clock."""
        time.sleep(EXECUTION_LAG_REFERENCE_S[1] * self.plan.scale)

    def ended(self, execution_arn: str) -> dict[str, Any]:
        """The execution, when it no longer runs."""
        sfn = self.client("stepfunctions")

        def look() -> Any:
            try:
                execution = sfn.describe_execution(executionArn=execution_arn)
            except sfn.exceptions.ExecutionDoesNotExist:  # not yet
                return None
            return execution if execution["status"] != "RUNNING" else None

        execution: dict[str, Any] = wait_for(look)
        return execution


@contextmanager
def running(
    directory: Path,
    scale: float = SCALE,
    lenient: tuple[str, ...] = (),
    throttled: bool = False,
    private_zone: bool = False,
) -> Iterator[LabAws]:
    """An endpoint with sockets of its own, until the end of the block.

    :param throttled: with Step Functions' quotas; tests poll much faster than a drill does.
    :param private_zone: whether the domain's zone is; by default it resolves here, where nobody is in the client VPC.
    """
    lenient = lenient if throttled else (*lenient, "step-functions-quotas")
    lenient = lenient if private_zone else (*lenient, "public-zone")
    aws, dns_tcp = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    dns_udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns_udp.bind(dns_tcp.getsockname())
    ports = (aws.getsockname()[1], dns_tcp.getsockname()[1], NO_LOAD_PORT)
    plan = LabPlan(directory, scale, *ports, resync_reference_s=RESYNC_S / scale, lenient=lenient, access=ACCESS)
    plan.save(directory / "plan.json")
    supervisor = Supervisor(plan.control_socket)
    sockets = {"--aws-fd": aws, "--dns-udp-fd": dns_udp, "--dns-tcp-fd": dns_tcp}
    options = [part for number, name in enumerate(sockets) for part in (name, f"{{{number}}}")]
    arguments = [str(directory / "plan.json"), "--outside", *options]
    process = forks().start(arguments, [one.fileno() for one in sockets.values()])
    for one in sockets.values():
        one.close()
    lab = LabAws(plan, process, supervisor)
    try:
        wait_for(lambda: _is_ready(lab), what="the endpoint to be ready")
        yield lab
    finally:
        for client in lab.clients.values():
            client.close()
        process.kill()  # how it ends in order is seen in tests of the whole lab
        process.wait()
        supervisor.close()


def _is_ready(lab: LabAws) -> bool:
    assert lab.process.poll() is None, "the endpoint ended"
    try:
        return bool(get(f"{lab.url}/chaosdrill/health")[0] == 200)
    except OSError:  # not ready, or on a busy machine not there within one request's time: its socket listens already
        return False


def get(url: str, body: Any = None, method: str = "GET", token: str = ACCESS.token) -> tuple[int, Any]:
    """An HTTP request that is none of AWS's.

    :param token: of the endpoint's own pages; others ignore it.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"}, method=method)
    with DIRECTLY.open(request, timeout=LONG_S) as answer:
        return answer.status, json.loads(answer.read())
