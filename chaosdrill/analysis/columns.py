"""Columns of records, independent of the order of the rows: the same rows give the same arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from chaosdrill.analysis.clocks import Offset
from chaosdrill.analysis.records import RecordedOperation

Array = numpy.ndarray[Any, Any]


def texts(codes: Array, names: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """Return a column of texts with sorted texts, so that sources that numbered them differently agree."""
    ordered = sorted(set(names))
    place = {name: number for number, name in enumerate(ordered)}
    numbers = numpy.array([place[name] for name in names] or [0], numpy.int32)
    short = numpy.int16 if len(ordered) < 2**15 else numpy.int32
    return (numbers.astype(short)[codes] if len(codes) else numpy.zeros(0, short)), tuple(ordered)


def operations(
    headers: Sequence[Mapping[str, Any]], columns: Mapping[str, Array], names: Mapping[str, Sequence[str]]
) -> tuple[Array, tuple[RecordedOperation, ...]]:
    """Return for each beat the number of its operation, and all operations.

    Operations of the headers without beats are included. The same operation of another heartbeat is another operation.
    """
    rates = {
        (str(one.get("name")), str(header.get("source"))): _rate(one)
        for header in headers
        for one in header.get("operations") or ()
        if isinstance(one, Mapping)
    }
    operation, source = columns["operation"], columns["source"]
    pairs = numpy.zeros((max(1, len(names["operation"])), max(1, len(names["source"]))), numpy.int32)
    seen = numpy.zeros(pairs.size, bool)
    if len(operation):
        seen = numpy.bincount(operation.astype(numpy.int64) * pairs.shape[1] + source, minlength=pairs.size) > 0
    met = {
        (name, by)
        for row, name in enumerate(names["operation"])
        for column, by in enumerate(names["source"])
        if seen[row * pairs.shape[1] + column]
    }
    known = sorted({*rates, *met})
    for row, name in enumerate(names["operation"]):
        for column, by in enumerate(names["source"]):
            pairs[row, column] = known.index((name, by)) if (name, by) in met else -1
    found = tuple(RecordedOperation(name, rates.get((name, by), 0.0), by) for name, by in known)
    return (pairs[:, 0][operation] if len(names["source"]) == 1 else pairs[operation, source]), found


def _rate(operation: Mapping[str, Any]) -> float:
    rate = operation.get("rate_per_s")
    usable = isinstance(rate, (int, float)) and not isinstance(rate, bool) and 0 < rate < 1e6
    return float(rate) if usable and rate is not None else 0.0


def shifted(times_ns: Array, source: Array, sources: Sequence[str], offsets: Mapping[str, Offset]) -> Array:
    """Convert times by their sources' clocks to times by the recorder's clock."""
    if len(sources) <= 1 or not len(times_ns):
        return numpy.asarray(offsets[sources[0]].to_recorder(times_ns) if sources else times_ns)
    moved = times_ns.copy()
    for number, name in enumerate(sources):
        mine = source == number
        moved[mine] = offsets[name].to_recorder(times_ns[mine])
    return moved


def narrow(column: Array, most: int = 2**31 - 1) -> Array:
    """Return a copy in a half or a quarter of the memory; greater values become ``most``."""
    return numpy.clip(column, -most, most).astype(numpy.int16 if most < 2**15 else numpy.int32)


def any_of(codes: Array | None, names: Sequence[str], wanted: Sequence[str]) -> Array | None:
    """Return for each row whether its text is one of ``wanted``; None when no text is."""
    if codes is None or not any(name in wanted for name in names):
        return None
    found: Array = numpy.array([name in wanted for name in names])[codes]
    return found


def once(rows: Mapping[str, Array | None], keys: int, worst: Sequence[str] = ()) -> dict[str, Any]:
    """Sort rows by their columns and remove duplicates.

    :param rows: the columns; rows are sorted by the first one, the time, first. None: left out.
    :param keys: rows are duplicates if they agree in that many of the first columns.
    :param worst: of duplicates, the row with the greatest values in these columns is kept.
    :returns: the columns.
    """
    full = {name: column for name, column in rows.items() if column is not None}
    columns = list(full.values())
    time = columns[0]
    sort = [*columns[:keys], *(-full[name].astype(numpy.int64) for name in worst), *columns[keys:]]
    order = None if _is_strictly_sorted(time) else _order(time, sort)
    if order is None:
        return {**rows, **full}
    same = numpy.zeros(len(order), bool)
    in_order = time[order]
    same[1:] = in_order[1:] == in_order[:-1]
    if same.any():
        at = numpy.flatnonzero(same)
        for column in columns[1:keys]:
            at = at[column[order[at]] == column[order[at - 1]]]
        same[:] = False
        same[at] = True
        order = order[~same]
    return {**rows, **{name: column[order] for name, column in full.items()}}


def _is_strictly_sorted(time: Array) -> bool:
    return bool((time[1:] > time[:-1]).all())


def _order(time: Array, columns: Sequence[Array]) -> Array:
    """Return the order by time; only equal times are sorted by the other columns, which is slow and rarely needed."""
    order = numpy.argsort(time)
    in_order = time[order]
    tied = numpy.zeros(len(order), bool)
    equal = in_order[1:] == in_order[:-1]
    tied[1:] |= equal
    tied[:-1] |= equal
    places = numpy.flatnonzero(tied)
    if len(places):
        rows = order[places]
        order[places] = rows[numpy.lexsort([column[rows] for column in reversed(columns)])]
    return order
