"""Removal of runs: the selection, and a removal that leaves either a whole run or none after a crash."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chaosdrill.history.run_directory import HISTORY
from chaosdrill.runs.entries import RunEntry, entry_of, opened_of
from chaosdrill.runs.liveness import lock_dead_run
from chaosdrill.runs.lookup import names_of_runs
from chaosdrill.runs.summaries import read_summary

IMPORTING = ".importing-"  # a directory with this prefix is not a run yet
REMOVING = ".removing-"  # a directory with this prefix is no longer a run


@dataclass(frozen=True)
class Choice:
    """The runs of a store to remove.

    :param remove: the runs, oldest first.
    :param spared: the runs that matched and stay: the run, and why.
    """

    remove: tuple[RunEntry, ...]
    spared: tuple[tuple[str, str], ...]


def choose(
    runs: Path,
    wanted: Callable[[RunEntry], bool],
    keep: int = 0,
    older_than_days: float | None = None,
    tagged: bool = False,
) -> Choice:
    """Select the runs to remove. Every run is read, because the catalogue is only a cache and might be wrong.

    :param runs: the store.
    :param wanted: whether a run matches.
    :param keep: this many of the newest matching runs of each experiment stay.
    :param older_than_days: only runs that began longer ago; a run without a recorded beginning stays.
    :param tagged: also runs with tags.
    :returns: the selection; a run that has a tag or still runs, or is not a run directory, is spared.
    :raises BadInput: when the store cannot be read.
    """
    entries = [entry_of(runs / name) for name in sorted(names_of_runs(runs))]
    meant = [entry for entry in entries if wanted(entry)]
    meant = [entry for entry in meant if older_than_days is None or _began_before(entry, older_than_days)]
    spared = {entry.run: f"it has tags: {', '.join(entry.tags)}" for entry in meant if entry.tags and not tagged}
    seen: Counter[str] = Counter()
    remove = []
    for entry in reversed(meant):
        if entry.run in spared:
            continue
        seen[entry.experiment] += 1
        if seen[entry.experiment] <= keep:
            continue
        if why := why_not(runs / entry.run):
            spared[entry.run] = why
        else:
            remove.append(entry)
    return Choice(tuple(reversed(remove)), tuple(sorted(spared.items())))


def why_not(directory: Path) -> str:
    """Return why a directory must not be removed; empty when it may be."""
    if directory.is_symlink():
        return "it is a symbolic link"
    if not directory.is_dir():
        return "it no longer exists"
    if not opened_of(directory) and not read_summary(directory).said:
        return "not recognizable as a run: remove it by hand"
    if os.path.exists(directory / HISTORY):
        with lock_dead_run(directory) as left:
            return "" if left else "its drill still goes on"
    return ""


def remove(directory: Path) -> None:
    """Remove a run. It is first renamed to a name that no command reads, so that a partial run never counts as one.

    :raises OSError: when it cannot be removed; the next :func:`remove_leftovers` removes the rest.
    """
    hidden = directory.with_name(REMOVING + directory.name)
    if hidden.exists():
        shutil.rmtree(hidden)
    directory.rename(hidden)
    shutil.rmtree(hidden)


def remove_leftovers(runs: Path) -> None:
    """Remove the remains of interrupted removals, and of imports that began at least a day ago.

    :raises OSError: when they cannot be removed.
    """
    old_s = time.time() - 86_400
    imports = [path for path in runs.glob(f"{IMPORTING}*") if path.lstat().st_mtime < old_s]
    for path in (*runs.glob(f"{REMOVING}*"), *imports):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def _began_before(entry: RunEntry, days: float) -> bool:
    try:
        began = datetime.fromisoformat(entry.began)
        return began.astimezone(UTC) < datetime.now(UTC) - timedelta(days=days)
    except (ValueError, OverflowError):
        return False
