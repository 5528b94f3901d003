"""The two kinds of tabular records: their rows in raw files, and their columns in Parquet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NS = 1_000_000_000
VERSION = 1  # version of the raw records
TEXT = "text"


@dataclass(frozen=True)
class Shape:
    """One kind of records.

    :param kind: its name in the header, and of the Parquet file.
    :param row: the first element of its rows.
    :param columns: the elements after that, each with ``int64``, ``int16``, ``int8`` or ``text`` (stored as codes).
    :param time: the column by which stored records are sorted.
    """

    kind: str
    row: str
    columns: Mapping[str, str]
    time: str
    unread: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that are stored as codes into a list of texts."""
        return tuple(name for name, kind in self.columns.items() if kind == TEXT)


BEATS = Shape(
    "beats",
    "b",
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
REQUESTS = Shape(
    "requests",
    "r",
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
SHAPES = (BEATS, REQUESTS)
OUTCOMES = (0, 1, 2, 3)

Header = Mapping[str, Any]
