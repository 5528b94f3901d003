"""Removing runs: which, and so that a crash leaves either a whole run or none."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chaosdrill.history.run_directory import HISTORY
from chaosdrill.runs.entries import Entry, entry_of, opened_of
from chaosdrill.runs.finding import names_of_runs
from chaosdrill.runs.going_on import left_behind
from chaosdrill.runs.summaries import read_summary

IMPORTING = ".importing-"  # what is named like this is no run yet
REMOVING = ".removing-"  # what is named like this is no run any more


@dataclass(frozen=True)
class Choice:
    """What is to be removed of a store.

    :param remove: the runs, oldest first.
    :param spared: those that stay although they were meant: the run, and why.
    """

    remove: tuple[Entry, ...]
    spared: tuple[tuple[str, str], ...]


def choose(
    runs: Path,
    wanted: Callable[[Entry], bool],
    keep: int = 0,
    older_than_days: float | None = None,
    tagged: bool = False,
) -> Choice:
    """Choose what may be removed. Every run is read for it: the catalogue is only a cache, and might be wrong.

    :param runs: the store.
    :param wanted: whether a run is meant at all.
    :param keep: so many of each experiment, the newest of those that are meant, stay.
    :param older_than_days: only what began longer ago than this; a run that does not say when it began stays.
    :param tagged: also those that have tags.
    :returns: the choice; what has a tag, goes on, or is no run directory is spared.
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
    """:returns: why a directory must not be removed; empty when it may be."""
    if directory.is_symlink():
        return "it is a symbolic link"
    if not directory.is_dir():
        return "it is there no more"
    if not opened_of(directory) and not read_summary(directory).said:
        return "nothing in it says that it is a run: remove it by hand"
    if os.path.exists(directory / HISTORY):
        with left_behind(directory) as left:
            return "" if left else "its drill still goes on"
    return ""


def remove(directory: Path) -> None:
    """Remove a run. First it gets a name that no command sees, so that half of a run is never taken for one.

    :raises OSError: when it cannot be removed; what is left of it is removed by the next :func:`remove_leftovers`.
    """
    hidden = directory.with_name(REMOVING + directory.name)
    if hidden.exists():
        shutil.rmtree(hidden)
    directory.rename(hidden)
    shutil.rmtree(hidden)


def remove_leftovers(runs: Path) -> None:
    """Remove what a removal that was interrupted has left, or an import, when that began a day ago or earlier.

    :raises OSError: when it cannot be removed.
    """
    old_s = time.time() - 86_400
    imports = [path for path in runs.glob(f"{IMPORTING}*") if path.lstat().st_mtime < old_s]
    for path in (*runs.glob(f"{REMOVING}*"), *imports):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def _began_before(entry: Entry, days: float) -> bool:
    try:
        began = datetime.fromisoformat(entry.began)
        return began.astimezone(UTC) < datetime.now(UTC) - timedelta(days=days)
    except (ValueError, OverflowError):
        return False
