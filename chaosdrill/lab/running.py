"""The lab that runs on this machine, if one does.

A lab is known by a lock that its first process holds: while somebody holds it a lab runs, and when nobody does,
whatever lies in its directory is left over from one that died.
"""

import fcntl
import os
from pathlib import Path
from typing import Any

from chaosdrill.home import home
from chaosdrill.lab import wire
from chaosdrill.lab.plan import LabPlan

# files in its directory; the last one holds the pid of its outermost process
LOCK, PLAN, SOCKET, OUTERMOST = "running.lock", "plan.json", "control.sock", "outer.pid"


def directory() -> Path:
    """:returns: where the lab keeps everything."""
    return home() / "lab"


def try_lock(lab: Path) -> int | None:
    """:returns: a descriptor that holds the lock of the lab in that directory, None when somebody else holds it."""
    lock = os.open(lab / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def is_running() -> bool:
    """:returns: whether a lab runs (or starts, or ends just now)."""
    lab = directory()
    if not (lab / LOCK).exists():
        return False
    lock = try_lock(lab)
    if lock is None:
        return True
    os.close(lock)
    return False


def running_plan() -> LabPlan | None:
    """:returns: what the lab that runs consists of, None when none runs."""
    return LabPlan.load(directory() / PLAN) if is_running() else None


def status() -> dict[str, Any]:
    """:returns: what ``chaosdrill lab status`` shows; ``{"running": False}`` when no lab runs."""
    lab, plan = directory(), running_plan()
    if plan is None:
        return {"running": False, "directory": str(lab)}
    ports = {"aws": plan.aws_port, "dns": plan.dns_port, "load": plan.load_port}
    return {"running": True, "directory": str(lab), "ports": ports, **wire.call(lab / SOCKET, "status")}
