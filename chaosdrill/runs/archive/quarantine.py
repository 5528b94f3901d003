"""Quarantine of pages in an archive: they may contain scripts, which a browser would run."""

from pathlib import Path

from chaosdrill.errors import BadInput, problem
from chaosdrill.history.run_directory import REPORT
from chaosdrill.runs.naming import safe_name
from chaosdrill.runs.recorded_hashes import QUARANTINED, run_files

# endings of a run's files that browsers and desktops show as text or data
DATA = frozenset({".csv", ".json", ".jsonl", ".log", ".parquet", ".txt", ".yaml", ".yml"})


def quarantine_pages(directory: Path) -> None:
    """Leave no page in an unpacked run that a browser would open.

    ``report.html`` is removed, because the import makes it again from the run. Every other file that is not data, such
    as Locust's report, is renamed to end in ``.quarantined.txt``; its content stays as evidence, and `runs verify`
    still compares it with the history. No command opens it.

    :param directory: the unpacked run directory.
    :raises BadInput: when the archive already holds a file of the new name.
    :raises OSError: when a file cannot be renamed.
    """
    (directory / REPORT).unlink(missing_ok=True)
    for name, path in run_files(directory).plain.items():
        if path.suffix.lower() not in DATA:
            target = path.with_name(path.name + QUARANTINED)
            if target.exists():
                raise BadInput(
                    [problem("archive-name-repeated", f"{safe_name(name)} is in it twice, once in quarantine")]
                )
            path.rename(target)


def quarantined(directory: Path) -> list[str]:
    """Return the names of a run's files in quarantine."""
    return [name for name in run_files(directory).plain if name.endswith(QUARANTINED)]
