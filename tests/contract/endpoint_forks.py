"""Forks AWS endpoints off one process that has imported moto.

Importing moto takes a second of CPU time. A fork begins with what was imported and nothing else: no resource, thread or
connection of another endpoint, so that nothing has to be reset between two files of tests.
"""

import array
import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaosdrill.lab.plan import LabPlan
from tests.waiting import wait_for

MOST_BYTES = 65536
SCALE = 1.0  # each endpoint has its own plan


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
    """The process that forks, started once; it ends, and so do its forks, with the one that started it."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.contract.endpoint_forks", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

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
        """End the process and its forks."""
        self._connection.close()
        self._process.wait()


_forks: list[Forks] = []


def forks() -> Forks:
    """:returns: the one of this process."""
    if not _forks:
        _forks.append(Forks())
        atexit.register(_forks[0].close)
    return _forks[0]


def main() -> None:
    """Be the process that forks."""
    from chaosdrill.lab.aws.__main__ import _prepare_environment

    _prepare_environment(LabPlan(Path(), SCALE, 0, 0, 0))  # moto reads it while it is imported
    from chaosdrill.lab.aws import endpoint  # noqa: F401  imports moto

    gc.freeze()
    connection = socket.socket(fileno=int(sys.argv[1]))
    running: set[int] = set()
    while (received := _receive(connection)) is not None:
        what, fds = received
        if "poll" in what:
            response: Any = _exit_code(what["poll"], running)
        else:
            response = _start(connection, what["start"], fds)
            running.add(response)
        for fd in fds:
            os.close(fd)
        connection.sendall(json.dumps(response).encode())
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    size = 3 * array.array("i").itemsize
    data, ancillary, _, _ = connection.recvmsg(MOST_BYTES, socket.CMSG_SPACE(size))
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


def _start(connection: socket.socket, arguments: list[str], fds: list[int]) -> int:
    if pid := os.fork():
        return pid
    connection.close()
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
