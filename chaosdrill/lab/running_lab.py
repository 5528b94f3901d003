"""The running lab on this machine, if there is one.

A lab's first process holds a lock. While the lock is held, a lab is running; otherwise the contents of its directory
are leftovers of a dead one.
"""

import fcntl
import os
from pathlib import Path
from typing import Any

from chaosdrill.lab import control_socket
from chaosdrill.lab.plan import LabPlan
from chaosdrill.paths import home

# files in its directory; the last one contains the process ID of its outermost process
LOCK, PLAN, SOCKET, OUTERMOST = "running.lock", "plan.json", "control.sock", "outer.pid"


def directory() -> Path:
    """Return the lab's directory."""
    return home() / "lab"


def try_lock(lab: Path) -> int | None:
    """Return a descriptor that holds the lock of the lab in that directory; None when another process holds it."""
    lock = os.open(lab / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def is_running() -> bool:
    """Return whether a lab is running, starting or ending."""
    lab = directory()
    if not (lab / LOCK).exists():
        return False
    lock = try_lock(lab)
    if lock is None:
        return True
    os.close(lock)
    return False


def running_plan() -> LabPlan | None:
    """Return the plan of the running lab; None when none is running."""
    return LabPlan.load(directory() / PLAN) if is_running() else None


def status() -> dict[str, Any]:
    """Return the values that ``chaosdrill lab status`` shows; ``"running"`` is False when no lab is running."""
    lab, plan = directory(), running_plan()
    if plan is None:
        return {"running": False, "directory": str(lab)}
    ports = {"aws": plan.aws_port, "dns": plan.dns_port, "load": plan.load_port}
    return {"running": True, "directory": str(lab), "ports": ports, **control_socket.call(lab / SOCKET, "status")}
