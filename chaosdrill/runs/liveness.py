"""Liveness of a drill: the writer of a history holds a lock on it, which ends with its process."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaosdrill.analysis.untrusted_json import mapping
from chaosdrill.history.log import claimed
from chaosdrill.history.run_directory import HISTORY
from chaosdrill.runs.documents import open_regular
from chaosdrill.runs.entries import LONGEST_LINE, opened_of

ELSEWHERE_S = 600.0  # a drill writes its clocks every 30 s


def goes_on(directory: Path) -> bool:
    """Return whether the drill of a run directory still runs; True also when that is unknown."""
    with lock_dead_run(directory) as left:
        return not left and os.path.exists(directory / HISTORY)


@contextmanager
def lock_dead_run(directory: Path) -> Iterator[bool]:
    """Yield whether a run has a history that no process writes any more; within the block none can begin to.

    The lock of a process on another machine may be invisible here, because not every network file system shares locks.
    A history that was written on another machine a short time ago therefore counts as being written.
    """
    path = directory / HISTORY
    with claimed(path) as ours:
        yield ours and not _written_elsewhere(directory, path)


def _written_elsewhere(directory: Path, path: Path) -> bool:
    host = mapping(opened_of(directory).get("origin")).get("host")
    recent = time.time() - os.stat(path).st_mtime < ELSEWHERE_S
    return host not in (None, socket.gethostname()) and recent and not _has_ended(path)


def _has_ended(path: Path) -> bool:
    """Return whether the history has an end: a run that was copied from another machine is as recent as its copy."""
    with open_regular(path) as history:
        history.seek(max(0, os.fstat(history.fileno()).st_size - LONGEST_LINE))
        last = history.read().rstrip(b"\n").rpartition(b"\n")[2]
    return b'"event": "drill-closed"' in last
