"""Which processes work in a directory. PostgreSQL's all work in their data directory, orphans included."""

import os
from contextlib import suppress
from pathlib import Path


def working_in(directory: Path, program: str) -> list[int]:
    """Numbers of the living processes of a program whose working directory is ``directory``."""
    wanted = (program, os.path.realpath(directory))
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _identity(entry) == wanted]


def _identity(process: str) -> tuple[str, str] | None:
    try:
        return Path(f"/proc/{process}/comm").read_text().rstrip(), os.readlink(f"/proc/{process}/cwd")
    except OSError:  # it ended meanwhile, is a zombie, or is not ours
        return None


def signal_all(processes: list[int], number: int) -> None:
    """Send a signal to every process that is still there."""
    for process in processes:
        with suppress(ProcessLookupError):  # it ended by itself between the look and the signal
            os.kill(process, number)
