"""All runs of a directory, known at once: a cache of what stands in each, made anew wherever something has changed."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosdrill.history.run_directory import SUMMARY, write_whole
from chaosdrill.runs.documents import json_document
from chaosdrill.runs.entries import Entry, entry_of, entry_of_json
from chaosdrill.runs.finding import names_of_runs

CATALOGUE, VERSION = ".catalogue.json", 2
Stamp = list[list[int]]


def catalogue(runs: Path) -> list[Entry]:
    """:returns: every run in a directory, oldest first.

    What was read once is kept in ``.catalogue.json`` there. That file can be removed at any time; where it cannot be
    written, every run is read each time.
    """
    kept = _kept(runs)
    entries: dict[str, tuple[Stamp, Entry]] = {}
    changed = False
    for name in names_of_runs(runs):
        stamp = _stamp(f"{runs}/{name}")
        known = kept.get(name)
        if known is not None and known[0] == stamp:
            entries[name] = known
        else:
            entries[name] = stamp, entry_of(runs / name)
            changed = True
    if changed or len(kept) != len(entries):
        _keep(runs, entries)
    return [entry for _, (_, entry) in sorted(entries.items())]


def _stamp(directory: str) -> Stamp:
    """When a file was added, replaced or removed, and when the summary was changed in its place."""
    return [_times(directory), _times(f"{directory}/{SUMMARY}")]


def _times(path: str) -> list[int]:
    try:
        seen = os.stat(path)
    except OSError:
        return []
    return [seen.st_mtime_ns, seen.st_size]


def _kept(runs: Path) -> Mapping[str, tuple[Stamp, Entry]]:
    read = json_document(runs / CATALOGUE)
    if read.get("version") != VERSION or not isinstance(read.get("entries"), list):
        return {}
    found = {}
    for one in read["entries"]:
        try:
            found[str(one["entry"]["run"])] = one["stamp"], entry_of_json(one["entry"])
        except (KeyError, TypeError):
            continue  # written by something else: that run is read again
    return found


def _keep(runs: Path, entries: Mapping[str, tuple[Stamp, Entry]]) -> None:
    rows: list[dict[str, Any]] = [{"stamp": stamp, "entry": entry.as_json()} for stamp, entry in entries.values()]
    try:
        write_whole(runs / CATALOGUE, json.dumps({"version": VERSION, "entries": rows}))
    except OSError:
        return  # a store that is only read: the next one reads everything again
