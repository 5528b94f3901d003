"""What a lab could leave behind on the machine, and how to see that it did not.

A namespace lives as long as a process or a mount holds it, so these two tell of namespaces, too.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import LONG_S


@dataclass(frozen=True)
class Traces:
    """What there is on this machine of a lab.

    :param processes: command lines of processes that name the lab's directory, by pid.
    :param shared_memory: SysV segments and files in /dev/shm.
    :param mounts: of this mount namespace.
    """

    processes: tuple[str, ...]
    shared_memory: frozenset[str]
    mounts: frozenset[str]


def traces(home: Path) -> Traces:
    """:returns: what there is now of the lab whose CHAOSDRILL_HOME is ``home``."""
    processes = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (process / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue  # gone meanwhile, or not ours to look at
        if process.name != str(os.getpid()) and str(home) in command + environment:
            processes.append(f"{process.name}: {command}")
    segments = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return Traces(
        tuple(processes),
        frozenset([" ".join(line.split()[:4]) for line in segments] + os.listdir("/dev/shm")),
        frozenset(line.split(" ", 3)[3] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
    )


def wait_until_nothing_is_left(home: Path, before: Traces) -> None:
    """:raises AssertionError: with what is left of the lab after ``LONG_S``."""
    give_up = time.monotonic() + LONG_S
    while True:
        now = traces(home)
        left = {
            "processes": now.processes,
            "shared memory": now.shared_memory - before.shared_memory,
            "mounts": now.mounts - before.mounts,
        }
        if not any(left.values()):
            return
        if time.monotonic() > give_up:
            raise AssertionError(f"left behind after {LONG_S:g} s: {left}")
        time.sleep(0.05)
