"""Forks AWS endpoints off one process that has imported moto.

Importing moto takes a second of CPU time, and reading the services' models another one, so all processes of a run of
the tests share the one that forks. A fork begins with what was imported and read and nothing else: no resource, thread
or connection of another endpoint, so that nothing has to be reset between two files of tests.
"""

import array
import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaosdrill.lab.plan import LabPlan
from tests.waiting import wait_for

MOST_BYTES = 65536
BACKLOG = 100  # processes of the tests
NOBODY_S = 60.0  # until the process ends if nobody comes
SCALE = 1.0  # each endpoint has its own plan
SERVICES = (  # whose models nearly every file's endpoint reads
    *("cloudwatch", "dynamodb", "ec2", "ecs", "elbv2", "events", "fis", "iam", "lambda", "rds", "route53", "s3", "ssm"),
    *("route53-recovery-cluster", "route53-recovery-control-config", "stepfunctions", "sts"),
)


class Fork:
    """An endpoint's process.

    :param pid: its number, of a child of the process that forks.
    """

    def __init__(self, forks: "Forks", pid: int) -> None:
        self._forks = forks
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """:returns: its exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._forks.request({"poll": self.pid})
        return self.returncode

    def wait(self) -> int | None:
        """:returns: its exit code, when it has ended."""
        return wait_for(self.poll, lambda code: code is not None, f"process {self.pid} to end")

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class Forks:
    """A connection to the process that forks; the forks that it asked for end with it.

    :param name: of the process's socket; the first that asks starts the process, and it ends after its last connection.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._connection = wait_for(self._connected, what="the process that forks AWS endpoints")

    def _connected(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(_address(self._name))
            connection.sendall(b"{}")
            if connection.recv(MOST_BYTES):
                return connection
        except OSError:  # nobody is there, or it ends just now
            _start_process(self._name)
        connection.close()
        return None

    def start(self, arguments: Sequence[str], fds: Sequence[int]) -> Fork:
        """Start an endpoint.

        :param arguments: of ``python -m chaosdrill.lab.aws``, with ``{0}``, ``{1}`` for the numbers of ``fds`` there.
        """
        return Fork(self, self.request({"start": list(arguments)}, fds))

    def request(self, what: dict[str, Any], fds: Sequence[int] = ()) -> Any:
        """Send one request and read its response."""
        socket.send_fds(self._connection, [json.dumps(what).encode()], fds)
        response = self._connection.recv(MOST_BYTES)
        assert response, "the process that forks AWS endpoints has ended"
        return json.loads(response)

    def close(self) -> None:
        """End its forks."""
        self._connection.shutdown(socket.SHUT_WR)
        self._connection.recv(MOST_BYTES)
        self._connection.close()


def _address(name: str) -> str:
    return f"\0{name}"  # nothing of it is left in any directory


def _start_process(name: str) -> None:
    """Start the process that forks, unless another one is there by now; one listens when this returns."""
    command = [sys.executable, "-m", "tests.contract.endpoint_forks", name]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    _started.append(process)  # it ends by itself, and perhaps after this process
    assert process.stdout is not None
    with process.stdout as listens:
        listens.read()


_started: list["subprocess.Popen[bytes]"] = []
_forks: list[Forks] = []


def forks() -> Forks:
    """:returns: the connection of this process."""
    if not _forks:
        run_of_tests = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
        _forks.append(Forks(f"chaosdrill-endpoint-forks-{run_of_tests}"))
        atexit.register(_forks[0].close)
    return _forks[0]


def main() -> None:
    """Be the process that forks."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(_address(sys.argv[1]))
    except OSError:  # another process was first
        return
    listener.listen(BACKLOG)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())  # which says that this listens
    from chaosdrill.lab.aws.__main__ import _prepare_environment

    _prepare_environment(LabPlan(Path(), SCALE, 0, 0, 0))  # moto reads it while it is imported
    from chaosdrill.lab.aws import endpoint  # noqa: F401  imports moto

    _read_models()
    gc.freeze()
    _serve(listener)


def _serve(listener: socket.socket) -> None:
    """Respond to requests until the last connection ends, or nobody comes."""
    running: dict[socket.socket, set[int]] = {}  # the forks of each connection
    while True:
        ready, _, _ = select.select([listener, *running], [], [], None if running else NOBODY_S)
        if not ready:
            return
        for one in ready:
            if one is listener:
                running[listener.accept()[0]] = set()
            elif (received := _receive(one)) is not None:
                _respond(one, *received, (listener, *running), running[one])
            else:
                _end(running.pop(one))
                one.close()
                if not running:
                    return


def _respond(
    connection: socket.socket, what: dict[str, Any], fds: list[int], ours: Sequence[socket.socket], running: set[int]
) -> None:
    response: Any = None
    if "poll" in what:
        response = _exit_code(what["poll"], running)
    elif "start" in what:
        response = _start(ours, what["start"], fds)
        running.add(response)
    for fd in fds:
        os.close(fd)
    with suppress(OSError):  # it has gone: the next read says so
        connection.sendall(json.dumps(response).encode())


def _end(pids: set[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)


def _read_models() -> None:
    """Fill the caches of moto, botocore and ANTLR that say nothing about any endpoint."""
    from moto.core.routing import get_service_router
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
    from werkzeug.exceptions import NotFound

    from chaosdrill.lab.aws.fast_imports import SESSION
    from chaosdrill.lab.aws.machines import Initiator, Move, MoveRegion
    from chaosdrill.lab.aws.stepfunctions import grammar

    grammar.install()
    make: Any = SESSION.client
    for service in SERVICES:
        made = make(service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
        facts = made.meta.service_model.metadata
        for protocol in facts.get("protocols", [facts["protocol"]]):
            with suppress(NotFound):  # one that moto has no router for
                get_service_router(service)._get_router(protocol)
        made.close()
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:one"
    side, endpoints = (
        MoveRegion("us-east-1", "table", arn, arn),
        [{"Region": "us-east-1", "Endpoint": "http://127.0.0.1:1/v1"}],
    )
    for machine in (
        Move(side, side, arn, endpoints, "cluster"),
        Initiator(arn, arn, arn, {"home": "a", "standby": "b"}),
    ):
        AmazonStateLanguageParser.parse(machine.definition())


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    size = 3 * array.array("i").itemsize
    try:
        data, ancillary, _, _ = connection.recvmsg(MOST_BYTES, socket.CMSG_SPACE(size))
    except OSError:  # its process was killed
        return None
    fds = array.array("i")
    for _, _, sent in ancillary:
        fds.frombytes(sent)
    return (json.loads(data), list(fds)) if data else None


def _exit_code(pid: int, running: set[int]) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        return None
    running.discard(pid)
    return os.waitstatus_to_exitcode(status)


def _start(ours: Sequence[socket.socket], arguments: list[str], fds: list[int]) -> int:
    if pid := os.fork():
        return pid
    for one in ours:
        one.close()
    code = 1
    try:
        from chaosdrill.lab.aws.__main__ import main

        code = main([argument.format(*fds) for argument in arguments])
    except BaseException:  # noqa: BLE001  a fork must not go on as the process that forks
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
