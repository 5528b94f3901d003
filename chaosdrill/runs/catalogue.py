"""All runs of a directory, known at once: a cache of what stands in each, made anew wherever something has changed."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from chaosdrill.history.run_directory import SUMMARY
from chaosdrill.history.whole_files import write_whole
from chaosdrill.runs.columns import Stamp, entries_of_text, text_of_entries
from chaosdrill.runs.documents import read_regular
from chaosdrill.runs.entries import Entry, entry_of
from chaosdrill.runs.finding import names_of_runs

CATALOGUE = ".catalogue.json"
_NOTHING = (0, 0)

Kept = Mapping[str, tuple[Stamp, Entry]]


def catalogue(runs: Path) -> list[Entry]:
    """:returns: every run in a directory, oldest first.

    What was read once is kept in ``.catalogue.json`` there. That file can be removed at any time; where it cannot be
    written, every run is read each time.

    :raises BadInput: when the directory cannot be read.
    """
    kept = _kept(runs)
    names = sorted(names_of_runs(runs))
    stamps = _stamps(runs, names)
    entries = {name: known for name in names if (known := kept.get(name)) is not None and known[0] == stamps[name]}
    changed = len(entries) != len(kept)
    for name in names:
        if name not in entries:
            entries[name], changed = (stamps[name], entry_of(runs / name)), True
    if changed:
        _keep(runs, entries)
    return [entries[name][1] for name in names]


def _stamps(runs: Path, names: Iterable[str]) -> dict[str, Stamp]:
    """Of each run when a file was added, replaced or removed, and when the summary was changed in its place."""
    try:
        store = os.open(runs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return {name: (*_NOTHING, *_NOTHING) for name in names}
    try:
        return {name: (*_times(store, name), *_times(store, f"{name}/{SUMMARY}")) for name in names}
    finally:
        os.close(store)


def _times(store: int, path: str) -> tuple[int, int]:
    """A path from the store on is found in half the time of a whole one."""
    try:
        seen = os.stat(path, dir_fd=store)
    except OSError:
        return _NOTHING
    return seen.st_mtime_ns, seen.st_size


def _kept(runs: Path) -> Kept:
    try:
        return entries_of_text(read_regular(runs / CATALOGUE))
    except (OSError, ValueError, RecursionError):
        return {}  # nobody has written one, or something else did: every run is read again


def _keep(runs: Path, entries: Kept) -> None:
    try:
        write_whole(runs / CATALOGUE, text_of_entries(entries.values()))
    except OSError:
        return  # a store that is only read: the next one reads everything again
