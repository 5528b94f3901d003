"""Memory use of the lab."""

import shutil
from pathlib import Path


def memory_mb(data: Path) -> float:
    """Return the proportional set size (PSS) of all processes in this PID namespace, plus the files in memory.

    :param data: mount point of the tmpfs with the databases' files.
    :returns: megabytes (10^6 bytes).
    :source: proc(5), smaps_rollup
    """
    processes = sum(_pss_kib(process) for process in Path("/proc").glob("[0-9]*")) * 1024
    files = shutil.disk_usage(data).used if data.is_mount() else 0
    return round((processes + files) / 1e6, 1)


def _pss_kib(process: Path) -> int:
    try:
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        return 0  # the process has ended, or is a zombie without memory
    return 0
