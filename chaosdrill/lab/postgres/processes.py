"""Processes by working directory. All of PostgreSQL's processes work in their data directory, orphans included."""

import os
from contextlib import suppress
from pathlib import Path


def working_in(directory: Path, program: str) -> list[int]:
    """Return the IDs of the live processes of a program whose working directory is ``directory``."""
    wanted = (program, os.path.realpath(directory))
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _identity(entry) == wanted]


def _identity(process: str) -> tuple[str, str] | None:
    try:
        return Path(f"/proc/{process}/comm").read_text().rstrip(), os.readlink(f"/proc/{process}/cwd")
    except OSError:  # it has ended, is a zombie, or belongs to another user
        return None


def signal_all(processes: list[int], number: int) -> None:
    """Send a signal to every process that still exists."""
    for process in processes:
        with suppress(ProcessLookupError):  # it ended by itself in the meantime
            os.kill(process, number)
