"""The process that holds a lease, and whether it is dead, which only a process of the same machine can determine."""

import contextlib
import os
import socket
from getpass import getuser
from pathlib import Path

from chaosdrill.coordination.interface import Holder


def this_process() -> Holder:
    """Describe this process as the holder of a lease."""
    return Holder(
        boot_id=_boot_id(),
        pid_namespace=_namespace("pid"),
        pid=os.getpid(),
        started=_started(os.getpid()) or 0.0,
        user=user_name(),
        host=socket.gethostname(),
        time_namespace=_namespace("time"),
    )


def is_proven_dead(holder: Holder) -> bool:
    """Return whether a holder was a process of this machine that has ended. False when that is unknown.

    Containers of one machine share its boot id, so process ids are compared within the same PID namespace only, and
    start times within the same time namespace: another namespace shows the same process with another start time.

    :source: https://man7.org/linux/man-pages/man7/time_namespaces.7.html
    """
    here = (_boot_id(), _namespace("pid"))
    if not all(here) or here != (holder.boot_id, holder.pid_namespace) or not holder.started:
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's process, which /proc may hide
        pass
    is_comparable = holder.time_namespace == _namespace("time")
    return is_comparable and _started(holder.pid) not in (None, holder.started)


def user_name() -> str:
    """Return the name of this user, or the uid where it has none."""
    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _namespace(kind: str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/self/ns/{kind}")
    return ""


def _started(pid: int) -> float | None:
    """Return when a process started, in clock ticks since boot; None when that cannot be read.

    A zombie process has 0.

    :source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    with contextlib.suppress(OSError):
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return 0.0 if state in ("Z", "X") else float(fields[18])
    return None
