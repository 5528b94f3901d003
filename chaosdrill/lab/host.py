"""The lab from outside: start one, attach to the one that runs, end it.

A lab is known by a lock that its first process holds: while somebody holds it a lab runs, and when nobody does,
whatever lies in its directory is left over from one that died.
"""

import fcntl
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.errors import BadInput, LabError, TimedOut
from chaosdrill.home import home as home_directory
from chaosdrill.lab import doctor, wire
from chaosdrill.lab.environment import clean_environment, client_environment
from chaosdrill.lab.namespaces import enter_bastion_command, new_namespaces_command
from chaosdrill.lab.plan import SMALLEST_SCALE, LabPlan
from chaosdrill.lab.processes import tail
from chaosdrill.lab.sockets import HostSockets, port_of

DEFAULT_SCALE = 0.2
READY_WITHIN_S = 60.0
DOWN_WITHIN_S = 15.0
_KEPT = ("logs", "running.lock")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class LeasedLab:
    """A lab that this process holds a lease on: it lives at least until :meth:`close`.

    :param plan: what the lab consists of.
    :param started_here: whether this call started it (else it ran already).
    """

    plan: LabPlan
    connection: wire.Connection
    started_here: bool

    @property
    def topology_file(self) -> Path:
        """The lab's own topology."""
        return self.plan.topology_file

    @property
    def scale(self) -> float:
        """What the reference's waits are multiplied by."""
        return self.plan.scale

    def close(self) -> None:
        """End the lease. A lab that nobody else uses, and that was not detached, ends: wait until it has."""
        status = self.connection.call("status")
        self.connection.close()
        if not status["detached"] and status["leases"] <= 1:
            wait_until_down()


def directory() -> Path:
    """:returns: where the lab keeps everything."""
    return home_directory() / "lab"


def attach_or_start(
    scale: float = DEFAULT_SCALE, locustfile: str = "", detached: bool = False, tell: Tell = lambda text: None
) -> LeasedLab:
    """Lease the lab that runs, or start one, and wait until it is ready.

    :param scale: multiplies the reference's waits; a running lab must have the same.
    :param locustfile: the Locust script its load generator runs; empty: the reference application's own.
    :param detached: let it stay when its last lease ends.
    :param tell: is told what is being done.
    :raises BadInput: when it cannot be done like that; nothing was started.
    :raises LabError: when the lab does not become ready; it is ended again.
    """
    requested_at = time.monotonic()
    _check(scale, locustfile)
    home = directory()
    home.mkdir(exist_ok=True, mode=0o700)
    lock = _try_lock(home)
    if lock is None:
        tell("a lab runs already: attaching to it")
        lab = LeasedLab(*_attach(home, None), started_here=False)
    else:
        tell(f"starting the lab at scale {scale:g}")
        try:
            doctor.require()
            supervisor = _start(home, scale, locustfile, detached, lock, requested_at)
        finally:
            os.close(lock)  # the lab has its own copy; without one, the lock is free again
        lab = LeasedLab(*_attach(home, supervisor), started_here=True)
    return _agreed(lab, scale, locustfile, detached)


def _check(scale: float, locustfile: str) -> None:
    problems = []
    if not SMALLEST_SCALE - 1e-9 <= scale <= 10:
        problems.append(
            f"scale {scale:g}: from 1/60 = {SMALLEST_SCALE:.4f} (there a DNS TTL of 60 s becomes 1 s, the least "
            "there is) to 10; 1 means the reference's real times"
        )
    if locustfile and not Path(locustfile).is_file():
        problems.append(f"locustfile {locustfile}: there is no such file; give the path of a Locust script")
    if problems:
        raise BadInput(problems)


def _agreed(lab: LeasedLab, scale: float, locustfile: str, detached: bool) -> LeasedLab:
    """Make a lab that ran already what this caller asked for, where that is possible."""
    if not lab.started_here:
        if abs(lab.scale - scale) > 1e-9:
            lab.connection.close()
            raise BadInput(
                [
                    f"scale {scale:g}: a lab with scale {lab.scale:g} runs already; "
                    f"end it with `chaosdrill lab down`, or use its scale"
                ]
            )
        lab.connection.call("load_generator.start", locustfile=locustfile)
        _wait_for_page(lab.plan.load_port)
    if detached:
        lab.connection.call("detach")
    return lab


def _start(home: Path, scale: float, locustfile: str, detached: bool, lock: int, requested_at: float) -> int:
    _clear(home)
    sockets = HostSockets.open()
    plan = LabPlan(home, scale, port_of(sockets.aws), port_of(sockets.dns_tcp), port_of(sockets.load))
    plan.save(home / "plan.json")
    command = [
        *new_namespaces_command(),
        *(sys.executable, "-m", "chaosdrill.lab.supervisor", str(home / "plan.json")),
        *("--sockets", json.dumps(sockets.fds())),
        *("--requested-at", str(requested_at)),
        *(["--locustfile", str(Path(locustfile).resolve())] if locustfile else []),
        *(["--detached"] if detached else []),
    ]
    with open(home / "logs" / "supervisor.log", "ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=clean_environment(),
            cwd=home,
            pass_fds=[lock, *sockets.fds().values()],
            start_new_session=True,  # a terminal's Ctrl-C is for the drill, not for the lab
        )
    sockets.close()
    (home / "outer.pid").write_text(str(process.pid))
    _children.append(process)
    return process.pid


_children: list["subprocess.Popen[bytes]"] = []  # kept so that they are reaped, and not warned about


def _clear(home: Path) -> None:
    """Remove what a dead lab left: nobody holds its lock, so nobody uses it. Its logs become the previous ones."""
    for entry in home.iterdir():
        if entry.name in _KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    logs = home / "logs"
    previous = home / "logs" / "previous"
    logs.mkdir(exist_ok=True)
    shutil.rmtree(previous, ignore_errors=True)
    previous.mkdir()
    for log in logs.glob("*.log"):
        log.rename(previous / log.name)


def _attach(home: Path, supervisor: int | None) -> tuple[LabPlan, wire.Connection]:
    give_up = time.monotonic() + READY_WITHIN_S
    connection = _connect(home, give_up)
    connection.call("lease")
    try:
        while not (state := connection.call("readiness"))["ready"]:
            if state["failure"]:
                raise LabError(f"the lab did not start: {state['failure']}")
            if time.monotonic() > give_up:
                raise TimedOut(f"the lab is not ready after {READY_WITHIN_S:.0f} s: {', '.join(state['waiting_for'])}")
            time.sleep(0.05)
        plan = LabPlan.load(home / "plan.json")
        _wait_for_page(plan.load_port)
    except BaseException:
        connection.close()
        if supervisor is not None:
            down()
        raise
    return plan, connection


def _connect(home: Path, give_up: float) -> wire.Connection:
    while True:
        try:
            return wire.Connection(home / "control.sock")
        except LabError as error:
            if not is_running():
                raise LabError(f"the lab ended while it started: {tail(home / 'logs' / 'supervisor.log')}") from error
            if time.monotonic() > give_up:
                raise TimedOut(
                    "a lab holds the lock but does not answer: end it with `chaosdrill lab down`, then try again"
                ) from error
        time.sleep(0.02)


def _wait_for_page(port: int, within_s: float = 20.0) -> None:
    """Locust's page is served on this side, so it is looked at from here."""
    give_up = time.monotonic() + within_s
    while True:
        page = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            page.request("GET", "/stats/requests")
            if page.getresponse().status < 500:
                return
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > give_up:
                log = tail(directory() / "logs" / "load.log")
                raise LabError(f"Locust's page on 127.0.0.1:{port} does not answer ({error}): {log}") from error
        finally:
            page.close()
        time.sleep(0.05)


def _try_lock(home: Path) -> int | None:
    lock = os.open(home / "running.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def is_running() -> bool:
    """:returns: whether a lab runs (or starts, or ends just now)."""
    home = directory()
    if not (home / "running.lock").exists():
        return False
    lock = _try_lock(home)
    if lock is None:
        return True
    os.close(lock)
    return False


def wait_until_down(within_s: float = DOWN_WITHIN_S) -> None:
    """Wait until no lab runs.

    :raises TimedOut: when one still does after ``within_s`` seconds.
    """
    give_up = time.monotonic() + within_s
    while is_running():
        if time.monotonic() > give_up:
            raise TimedOut(f"the lab still runs after {within_s:.0f} s: end it with `chaosdrill lab down`")
        for child in _children:
            child.poll()
        time.sleep(0.02)


def down() -> bool:
    """End the lab, whoever uses it, and wait until nothing of it is left.

    :returns: False when none ran.
    """
    if not is_running():
        return False
    home = directory()
    try:
        wire.call(home / "control.sock", "down", answer_within_s=5)
        wait_until_down()
    except (LabError, TimedOut):
        _kill(home)
        wait_until_down()
    return True


def _kill(home: Path) -> None:
    """End a lab that no longer answers: its outermost process takes everything with it."""
    pid = int((home / "outer.pid").read_text())
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and b"chaosdrill.lab.supervisor" in command.read_bytes():
        os.kill(pid, signal.SIGKILL)


def supervisor_pid(connection: wire.Connection) -> int:
    """:returns: the pid of the lab's first process, as seen from here."""
    credentials = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def status() -> dict[str, Any]:
    """:returns: what ``chaosdrill lab status`` shows; ``{"running": False}`` when no lab runs."""
    home = directory()
    if not is_running():
        return {"running": False, "directory": str(home)}
    plan = LabPlan.load(home / "plan.json")
    ports = {"aws": plan.aws_port, "dns": plan.dns_port, "load": plan.load_port}
    return {"running": True, "directory": str(home), "ports": ports, **wire.call(home / "control.sock", "status")}


def running_scale() -> float | None:
    """:returns: the scale of the lab that runs, or None."""
    return LabPlan.load(directory() / "plan.json").scale if is_running() else None


def client_command(command: list[str]) -> tuple[list[str], dict[str, str]]:
    """What to execute, and in which environment, to run a command on the lab's client host.

    :raises LabError: when no lab runs.
    """
    home = directory()
    with wire.Connection(home / "control.sock") as connection:
        network_fd = connection.call("status")["network_fd"]
        pid = supervisor_pid(connection)
    plan = LabPlan.load(home / "plan.json")
    return [*enter_bastion_command(pid, network_fd, str(home / "home")), *command], client_environment(plan)


def shell_exports() -> list[str]:
    """:returns: lines for a shell's ``eval`` that lead AWS clients and chaosdrill to the lab.

    :raises LabError: when no lab runs.
    """
    if not is_running():
        raise LabError("no lab runs: start one with `chaosdrill lab up --detach`")
    plan = LabPlan.load(directory() / "plan.json")
    exports = {
        "AWS_CONFIG_FILE": str(plan.aws_config_file),
        "AWS_PROFILE": "chaosdrill-lab",
        "AWS_PAGER": "",
        "CHAOSDRILL_TOPOLOGY": str(plan.topology_file),
        "CHAOSDRILL_LAB_DNS_PORT": str(plan.dns_port),
        "CHAOSDRILL_LAB_LOCUST": f"http://127.0.0.1:{plan.load_port}",
    }
    # these would lead past the profile's endpoint, or to somebody else's account
    misleading = sorted(name for name in os.environ if name.startswith("AWS_") and name not in exports)
    return [
        *(f"unset {name}" for name in misleading),
        *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
    ]
