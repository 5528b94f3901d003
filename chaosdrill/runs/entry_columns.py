"""Serialization of catalogue entries by column: ten thousand are written or read in a few hundredths of a second."""

import json
import math
from collections.abc import Iterable
from typing import Any

from chaosdrill.runs.entries import FIGURES, RunEntry

VERSION = 3
Stamp = tuple[int, int, int, int]

_STAMPS = ("changed_ns", "bytes", "summary_ns", "summary_bytes")
_TEXTS = ("run", "experiment", "title", "began", "target", "verdict", "operator", "change_ticket", "source")
_NUMBERS = ("scale", "seconds")
_LISTS = ("broken", "tags")  # most are empty: only the others are written, by index
_NUMBER: set[type] = {float, type(None)}
_INFINITE = {math.inf, -math.inf}


def text_of_entries(entries: Iterable[tuple[Stamp, RunEntry]]) -> str:
    """Return entries with their stamps as JSON."""
    known = list(entries)
    columns: dict[str, Any] = {name: [stamp[place] for stamp, _ in known] for place, name in enumerate(_STAMPS)}
    columns |= {name: [getattr(entry, name) for _, entry in known] for name in (*_TEXTS, *_NUMBERS)}
    columns |= {name: [(entry.figures or {}).get(name) for _, entry in known] for name in FIGURES}
    for name in _LISTS:
        columns[name] = {
            number: list(found) for number, (_, entry) in enumerate(known) if (found := getattr(entry, name))
        }
    return json.dumps({"version": VERSION, "columns": columns}, separators=(",", ":"))


def entries_of_text(text: bytes) -> dict[str, tuple[Stamp, RunEntry]]:
    """Return the entries in a text of :func:`text_of_entries`, by run.

    :raises ValueError: when any part of it is invalid.
    """
    found = json.loads(text, parse_constant=_no_constant)
    if not isinstance(found, dict) or found.get("version") != VERSION or not isinstance(found.get("columns"), dict):
        raise ValueError(f"it is no catalogue of version {VERSION}")
    columns = found["columns"]
    stamps = zip(*_columns(columns, _STAMPS, {int}), strict=True)
    texts = dict(zip(_TEXTS, _columns(columns, _TEXTS, {str}), strict=True))
    numbers = dict(zip(_NUMBERS, _columns(columns, _NUMBERS, _NUMBER), strict=True))
    many = len(texts["run"])
    lists = {name: _lists(columns.get(name), many) for name in _LISTS}
    figures = _figures(_columns(columns, FIGURES, _NUMBER), many)
    given = {**texts, **numbers, **lists, "figures": figures}
    rows = zip(*(given[name] for name in RunEntry._fields), strict=True)
    return {row[0]: (stamp, RunEntry._make(row)) for stamp, row in zip(stamps, rows, strict=True)}


def _columns(columns: dict[str, Any], names: Iterable[str], kinds: set[type]) -> list[list[Any]]:
    found = [columns.get(name) for name in names]
    for name, column in zip(names, found, strict=True):
        if not isinstance(column, list) or not set(map(type, column)) <= kinds or _INFINITE & set(column):
            raise ValueError(f"the column {name} holds something else")
    return [column for column in found if column is not None]


def _lists(column: Any, many: int) -> list[tuple[str, ...]]:
    if not isinstance(column, dict):
        raise ValueError("a column of lists is none")
    lists: list[tuple[str, ...]] = [()] * many
    for number, found in column.items():
        if not isinstance(found, list) or not set(map(type, found)) <= {str} or int(number) not in range(many):
            raise ValueError("a list holds something else")
        lists[int(number)] = tuple(found)
    return lists


def _figures(columns: list[list[Any]], many: int) -> list[dict[str, float]]:
    """Return the figures of each run, filled column by column, which is three times as fast as run by run."""
    figures: list[dict[str, float]] = [{} for _ in range(many)]
    for name, column in zip(FIGURES, columns, strict=True):
        for known, value in zip(figures, column, strict=True):
            if value is not None:
                known[name] = value
    return figures


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no value of JSON")
