"""The lock of a target, for one drill at a time."""

import fcntl
import hashlib
import os
from pathlib import Path

from chaosdrill.errors import Refused
from chaosdrill.messages import sentence
from chaosdrill.paths import home


def take_lock(topology: Path | None) -> int:
    """Take the target's lock; it is free again when the descriptor is closed or this process ends or is killed.

    :param topology: absolute path of the target's topology file; None: the lab.
    :returns: the lock's file descriptor.
    :raises Refused: when another drill holds it.
    """
    name = "lab" if topology is None else hashlib.sha256(str(topology).encode()).hexdigest()[:16]
    directory = home() / "locks"
    directory.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(directory / f"drill-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 100, 0).decode(errors="replace").strip()
        os.close(lock)
        why = sentence("another drill is going on here (process {holder}): wait until it has ended", holder=holder)
        raise Refused(why, code="drill-going-on") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
