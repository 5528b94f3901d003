"""Beats, requests and lookups: their columns, the types of their rows, and their outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERSION = 1
BEAT, REQUEST, LOOKUP, WATERMARK, END = "b", "r", "d", "w", "e"

OK, REFUSED, TIMED_OUT, ERROR = OUTCOMES = (0, 1, 2, 3)
"""Outcomes of a beat or a request: as expected; a response, but not as expected; no response in time; no response."""

TEXT = "text"


@dataclass(frozen=True)
class RecordSchema:
    """The rows of one kind of records.

    :param kind: its name in the header, and of the Parquet file.
    :param row: the first element of its rows.
    :param columns: the elements after that, each with ``int64``, ``int16``, ``int8`` or ``text`` (stored as codes).
    :param time: the column by which stored records are sorted.
    :param not_judged: columns that the judgement does not read.
    """

    kind: str
    row: str
    columns: Mapping[str, str]
    time: str
    not_judged: tuple[str, ...] = ()

    @property
    def stored(self) -> Mapping[str, str]:
        """The columns of stored records: the writer's name first, and the operation of a beat by name."""
        named = {"operation": TEXT} if "operation" in self.columns else {}
        return {"source": TEXT, **self.columns, **named}

    @property
    def texts(self) -> tuple[str, ...]:
        """The stored columns that are codes into a list of texts."""
        return tuple(name for name, kind in self.stored.items() if kind == TEXT)

    def place(self, column: str) -> int:
        """Return the index of a column in a row.

        :raises ValueError: when there is no such column.
        """
        return 1 + list(self.columns).index(column)


BEATS = RecordSchema(
    "beats",
    BEAT,
    {
        "seq": "int64",
        "operation": "int64",
        "due_ns": "int64",
        "late_us": "int64",
        "duration_us": "int64",
        "outcome": "int8",
        "status": "int16",
        "error": TEXT,
        "region": TEXT,
        "address": TEXT,
    },
    "due_ns",
)
REQUESTS = RecordSchema(
    "requests",
    REQUEST,
    {
        "start_ns": "int64",
        "duration_us": "int64",
        "method": TEXT,
        "name": TEXT,
        "outcome": "int8",
        "status": "int16",
        "error": TEXT,
        "size": "int64",
        "region": TEXT,
        "address": TEXT,
        "resends": "int64",
    },
    "start_ns",
    ("method", "error", "size", "address"),
)
SCHEMAS = (BEATS, REQUESTS)


def header(kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first line of a file of records."""
    return {"chaosdrill": kind, "version": VERSION, **facts}


def is_row(line: bytes, *types: str) -> bool:
    """Tell whether a line of a file is a row of one of these types, without parsing it."""
    return line.startswith(tuple(f'["{one}",'.encode() for one in types))
