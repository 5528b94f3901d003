"""Parser of raw records (JSON Lines) into columns; works in pieces, so that hours of records need little memory."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from chaosdrill.messages import NOTHING, Name, Sentence, sentence
from chaosdrill.records.rows import END, LOOKUP, OUTCOMES, TEXT, VERSION, WATERMARK, RecordSchema
from chaosdrill.runs.jsonl import values

if TYPE_CHECKING:
    import pyarrow

EMPTY = sentence("it is empty")
PIECE_BYTES = 16 * 2**20
LONGEST_LINE = 2**20  # bytes; a row has about 200
MOST_OTHERS = 1_000_000  # lookups, and silences: a day has 86,400 lookups
SILENT_NS = 5_000_000_000


@dataclass
class Raw:
    """A parsed raw file. Times are by its writer's clock.

    :param header: its first line; empty when it is not a header of this kind.
    :param tables: the rows, in pieces.
    :param lookups: the rows of DNS lookups.
    :param watermark_ns: everything before it is recorded; None without a watermark.
    :param ended_ns: when its writer recorded its end; None when it did not.
    :param told: the number of rows that the end states, per operation or in total; None without one.
    :param silences: start and end of the times without a watermark, each longer than 5 s.
    :param bad: the number of invalid lines.
    :param torn: whether its last line is incomplete.
    """

    header: dict[str, Any] = field(default_factory=dict)
    why_not: Sentence = NOTHING
    tables: "list[pyarrow.Table]" = field(default_factory=list)
    lookups: list[list[Any]] = field(default_factory=list)
    watermark_ns: int | None = None
    ended_ns: int | None = None
    told: Any = None
    silences: list[tuple[int, int]] = field(default_factory=list)
    rows: int = 0
    bad: int = 0
    torn: bool = False


def parse(file: BinaryIO, schema: RecordSchema) -> Raw:
    """Return the rows of a raw file with its header, watermarks and end; invalid lines are counted."""
    raw = Raw()
    first = file.readline(LONGEST_LINE)
    raw.header, raw.why_not = _header(first, schema)
    if raw.why_not:
        raw.torn = bool(first) and not first.endswith(b"\n")
        return raw
    for lines in _pieces(file, raw):
        _take(raw, _rows(lines, raw), schema)
    return raw


def _header(line: bytes, schema: RecordSchema) -> tuple[dict[str, Any], Sentence]:
    if not line:
        return {}, EMPTY
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("chaosdrill") != schema.kind or not line.endswith(b"\n"):
        return {}, sentence("its first line is not the header of {records}", records=Name("sample", schema.kind))
    if found.get("version") != VERSION:
        values = {"version": repr(found.get("version")), "known": VERSION}
        return {}, sentence("it is of version {version}, and only version {known} is known", **values)
    return found, NOTHING


def _pieces(file: BinaryIO, raw: Raw) -> Iterator[list[bytes]]:
    rest = b""
    while piece := file.read(PIECE_BYTES):
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        if len(rest) > LONGEST_LINE:  # too long for a row: the part read so far counts as an invalid line
            lines, rest = [*lines, b""], b""
        yield lines
    raw.torn = bool(rest)


def _rows(lines: Sequence[bytes], raw: Raw) -> list[list[Any]]:
    rows = [row for row in values(lines) if isinstance(row, list) and row and isinstance(row[0], str)]
    raw.bad += len(lines) - len(rows)
    return rows


def _take(raw: Raw, rows: list[list[Any]], schema: RecordSchema) -> None:
    table, bad = _table([row for row in rows if row[0] == schema.row], schema)
    raw.bad += bad
    if table is not None:
        raw.tables.append(table)
        raw.rows += len(table)
    for row in rows:
        if row[0] != schema.row:
            _take_other(raw, row)


def _take_other(raw: Raw, row: list[Any]) -> None:
    kind, moment = row[0], row[1] if len(row) > 1 else None
    full = len(raw.lookups) + len(raw.silences) >= MOST_OTHERS
    if full or kind not in (WATERMARK, END, LOOKUP) or isinstance(moment, bool) or not isinstance(moment, int):
        raw.bad += 1
    elif kind == LOOKUP:
        raw.lookups.append(row)
    else:
        heard_ns = raw.watermark_ns if raw.watermark_ns is not None else raw.header.get("started_ns")
        if isinstance(heard_ns, int) and moment - heard_ns > SILENT_NS:
            raw.silences.append((heard_ns, moment))
        raw.watermark_ns = max(moment, raw.watermark_ns or moment)
        if kind == END:
            raw.ended_ns, raw.told = moment, row[2] if len(row) > 2 else None


def _table(rows: list[list[Any]], schema: RecordSchema) -> "tuple[pyarrow.Table | None, int]":
    import pyarrow

    try:
        return _strict(rows, schema), 0
    except (ValueError, TypeError, OverflowError, pyarrow.ArrowException):
        good = [row for row in rows if _fits(row, schema)]
        return _strict(good, schema), len(rows) - len(good)


def _strict(rows: list[list[Any]], schema: RecordSchema) -> "pyarrow.Table | None":
    import pyarrow

    if not rows:
        return None
    if any(len(row) != 1 + len(schema.columns) for row in rows):
        raise ValueError("a row of another length")
    columns = list(zip(*rows, strict=True))[1:]
    arrays = [_array(column, kind) for column, kind in zip(columns, schema.columns.values(), strict=True)]
    table = pyarrow.table(arrays, names=list(schema.columns))
    if not _plausible(table):
        raise ValueError("a row that cannot be")
    return table


def _array(column: Sequence[Any], kind: str) -> "pyarrow.Array":
    import pyarrow

    if kind == TEXT:
        found = pyarrow.array(column, pyarrow.string()).dictionary_encode()
    else:
        found = pyarrow.array(column, pyarrow.type_for_alias(kind))
    if found.null_count:
        raise ValueError("null")
    return found


def _plausible(table: "pyarrow.Table") -> bool:
    from pyarrow import compute

    outcomes = compute.min_max(table["outcome"]).as_py()
    durations = compute.min(table["duration_us"]).as_py()
    return bool(outcomes["min"] >= OUTCOMES[0] and outcomes["max"] <= OUTCOMES[-1] and durations >= 0)


def _fits(row: list[Any], schema: RecordSchema) -> bool:
    import pyarrow

    try:
        return _strict([row], schema) is not None
    except (ValueError, TypeError, OverflowError, pyarrow.ArrowException):
        return False
