"""The catalogue of all runs in a directory: a cache of their entries, updated for each run that has changed."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from chaosdrill.history.run_directory import SUMMARY
from chaosdrill.history.whole_files import write_whole
from chaosdrill.runs.documents import read_regular
from chaosdrill.runs.entries import RunEntry, entry_of
from chaosdrill.runs.entry_columns import Stamp, entries_of_text, text_of_entries
from chaosdrill.runs.lookup import names_of_runs

CATALOGUE = ".catalogue.json"
_NOTHING = (0, 0)

Kept = Mapping[str, tuple[Stamp, RunEntry]]


def catalogue(runs: Path) -> list[RunEntry]:
    """Return the entry of every run in a directory, oldest first.

    Entries are cached in ``.catalogue.json`` in that directory. The file can be removed at any time; if it cannot be
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
    """Return the times and sizes of each run's directory and summary, which show added, removed and changed files."""
    try:
        store = os.open(runs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return {name: (*_NOTHING, *_NOTHING) for name in names}
    try:
        return {name: (*_times(store, name), *_times(store, f"{name}/{SUMMARY}")) for name in names}
    finally:
        os.close(store)


def _times(store: int, path: str) -> tuple[int, int]:
    """Return time and size of a path relative to the store, which the system resolves in half the time."""
    try:
        seen = os.stat(path, dir_fd=store)
    except OSError:
        return _NOTHING
    return seen.st_mtime_ns, seen.st_size


def _kept(runs: Path) -> Kept:
    try:
        return entries_of_text(read_regular(runs / CATALOGUE))
    except (OSError, ValueError, RecursionError):
        return {}  # missing or invalid: every run is read again


def _keep(runs: Path, entries: Kept) -> None:
    try:
        write_whole(runs / CATALOGUE, text_of_entries(entries.values()))
    except OSError:
        return  # a read-only store: the next command reads everything again
