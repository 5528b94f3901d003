"""How much memory the lab takes."""

from pathlib import Path


def memory_mb(proc: Path = Path("/proc")) -> float:
    """Proportional set size (PSS) of every process in this PID namespace, pages shared with others counted by share.

    :returns: megabytes (10^6 bytes).
    :source: proc(5), smaps_rollup
    """
    return round(sum(_pss_kib(process) for process in proc.glob("[0-9]*")) * 1024 / 1e6, 1)


def _pss_kib(process: Path) -> int:
    try:
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        return 0  # it has ended meanwhile, or is a zombie: no memory
    return 0
