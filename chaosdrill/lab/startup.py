"""Start of a new lab: remove a dead lab's leftovers, open the sockets, start the supervisor."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaosdrill.client.page_secrets import keep_page_secret
from chaosdrill.lab.environment import clean_environment
from chaosdrill.lab.namespaces import new_namespaces_command
from chaosdrill.lab.plan import LabPlan
from chaosdrill.lab.running_lab import LOCK, OUTERMOST, PLAN
from chaosdrill.lab.sockets import HostSockets, port_of
from chaosdrill.load.test_state import UNPOLLED_VARIABLE
from chaosdrill.page_guard import SECRET_VARIABLE, new_secret

_KEPT = ("logs", LOCK)
_children: list["subprocess.Popen[bytes]"] = []  # referenced so that they are reaped without a warning


def start(
    home: Path,
    scale: float,
    locustfile: str,
    detached: bool,
    starts_in: str,
    lock: int,
    requested_at: float,
    breaks: Sequence[Mapping[str, Any]] = (),
    lenient: tuple[str, ...] = (),
    resync_s: float | None = None,
) -> None:
    """Start the supervisor, without waiting until it is ready.

    :param home: the lab's directory.
    :param scale: factor of the reference system's wait times.
    :param locustfile: the Locust script of its load generator; empty: the reference application's.
    :param detached: keep running when no lease is held.
    :param starts_in: the region that serves first; if no region of the lab has that name: home.
    :param lock: descriptor that holds the lab's lock; the lab gets a copy.
    :param requested_at: when the lab was requested, on the machine's monotonic clock, in seconds.
    :param breaks: what to break on purpose, as ``{"name", "options"}``.
    :param lenient: ways in which it is more lenient than AWS: names of ``strictness``.
    :param resync_s: how long the database's old primary is rebuilt after an unplanned failover, in the reference
        system's seconds; None: the default.
    """
    _clear(home)
    sockets = HostSockets.open()
    ports = (port_of(sockets.aws), port_of(sockets.dns_tcp), port_of(sockets.load))
    plan = LabPlan(home, scale, *ports, lenient=lenient)
    if starts_in in {region.name for region in plan.regions}:
        plan = replace(plan, starts_in=starts_in)
    if resync_s is not None:
        plan = replace(plan, resync_reference_s=resync_s)
    plan.save(home / PLAN)
    keep_page_secret(f"http://127.0.0.1:{plan.load_port}", secret := new_secret())
    command = [
        *new_namespaces_command(),
        *(sys.executable, "-m", "chaosdrill.lab.supervisor", str(home / PLAN)),
        *("--sockets", json.dumps(sockets.fds())),
        *("--requested-at", str(requested_at)),
        *(["--locustfile", str(Path(locustfile).resolve())] if locustfile else []),
        *(["--breaks", json.dumps(list(breaks))] if breaks else []),
        *(["--detached"] if detached else []),
    ]
    with open(home / "logs" / "supervisor.log", "ab", opener=_private) as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=clean_environment({SECRET_VARIABLE: secret, **_unpolled()}),
            cwd=home,
            pass_fds=[lock, *sockets.fds().values()],
            start_new_session=True,  # a terminal's Ctrl-C must reach the drill, not the lab
        )
    sockets.close()
    with open(home / OUTERMOST, "w", opener=_private) as file:
        file.write(str(process.pid))
    _children.append(process)


def _unpolled() -> dict[str, str]:
    return {UNPOLLED_VARIABLE: value} if (value := os.environ.get(UNPOLLED_VARIABLE)) else {}


def _private(path: str, flags: int) -> int:
    """Open a file that is created for this user only."""
    return os.open(path, flags, 0o600)


def reap() -> None:
    """Reap ended labs that this process started."""
    for child in _children:
        child.poll()


def _clear(home: Path) -> None:
    """Remove a dead lab's leftovers: its lock is free, so they are not in use. Its logs become the previous logs."""
    for entry in home.iterdir():
        if entry.name in _KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    logs = home / "logs"
    previous = logs / "previous"
    logs.mkdir(mode=0o700, exist_ok=True)
    shutil.rmtree(previous, ignore_errors=True)
    previous.mkdir(mode=0o700)
    for log in logs.glob("*.log"):
        log.rename(previous / log.name)
