"""The slots of an operation: every beat that was due, missing ones included, as served, unserved or unknown."""

from dataclasses import dataclass
from typing import Any

import numpy

from chaosdrill.analysis.records import Beats, is_served
from chaosdrill.records.rows import OK, REFUSED, TIMED_OUT

Array = numpy.ndarray[Any, Any]
Span = tuple[int, int]

NS = 1_000_000_000
SERVED, UNSERVED, UNKNOWN = 0, 1, 2
LATE_SHARE = 0.25  # of the deadline: a beat that was sent later than this does not show what a punctual one would have
MOST_MISSING = 10_000  # slots filled into one gap; longer gaps get sparser slots
ENOUGH_MISSING = 4  # slots in each gap of a record that consists mostly of gaps
LEAST_INTERVAL_NS = 1000
MOST_US = 2**31 - 1


@dataclass(frozen=True)
class Slots:
    """The beats of one operation that were due, in order.

    :param state: SERVED, UNSERVED, or UNKNOWN (missing, not sent, or sent too late to tell) for each beat.
    :param latency_us: from the due time to the end of the response; -1 without the expected response.
    :param late_us: how late each beat was sent.
    :param interval_ns: the time between two beats.
    :param refused: for each beat whether a server gave another response than the expected one, such as status 503.
    """

    name: str
    due_ns: Array
    state: Array
    latency_us: Array
    late_us: Array
    interval_ns: int
    refused: Array

    def part(self, since_ns: int, until_ns: int) -> "Slots":
        """Return the slots that were due at ``since_ns`` or later, and before ``until_ns``."""
        begin, end = numpy.searchsorted(self.due_ns, (since_ns, until_ns))
        part = slice(begin, end)
        columns = self.due_ns[part], self.state[part], self.latency_us[part], self.late_us[part]
        return Slots(self.name, *columns, self.interval_ns, self.refused[part])


def states(beats: Beats) -> Array:
    """Return for each beat SERVED, UNSERVED or UNKNOWN."""
    deadline_us = beats.deadline_s * 1e6
    found = numpy.where(is_served(beats), SERVED, UNSERVED).astype(numpy.int8)
    # given up before the deadline; or sent so late that it measured another time than its due time
    blind = (beats.outcome == TIMED_OUT) & (beats.duration_us < deadline_us)
    blind |= beats.late_us > deadline_us * LATE_SHARE
    if beats.silent is not None:
        blind |= beats.silent
    found[blind] = UNKNOWN
    return found


def span_of(beats: Beats) -> Span | None:
    """Return the due times of the first beat, missing ones included, and of the last beat; None without beats."""
    if not len(beats.due_ns):
        return None
    begins = [int(beats.due_ns[0])]
    for number, operation in enumerate(beats.operations):
        first = numpy.flatnonzero(beats.operation == number)[:1]
        if len(first) and operation.rate_per_s > 0 and 0 < beats.seq[first[0]] < MOST_MISSING:
            begins.append(int(beats.due_ns[first[0]]) - round(int(beats.seq[first[0]]) * NS / operation.rate_per_s))
    return min(begins), int(beats.due_ns[-1])


def slots_of(beats: Beats, span_ns: Span) -> tuple[Slots, ...]:
    """Return for each operation the beats that were due in the span, both ends included."""
    found = states(beats)
    begin, end = numpy.searchsorted(beats.due_ns, (span_ns[0], span_ns[1] + 1))
    inside = slice(begin, end)
    made = []
    for number, operation in enumerate(beats.operations):
        mine = numpy.flatnonzero(beats.operation[inside] == number) + begin
        due_ns = beats.due_ns[mine]
        interval_ns = _interval_ns(operation.rate_per_s, due_ns)
        latency_us = numpy.where(beats.outcome[mine] == OK, numpy.minimum(beats.duration_us[mine], MOST_US), -1)
        late_us = numpy.clip(beats.late_us[mine], 0, MOST_US)
        present = Slots(
            operation.name,
            due_ns,
            found[mine],
            latency_us.astype(numpy.int32),
            late_us.astype(numpy.int32),
            interval_ns,
            (found[mine] == UNSERVED) & (beats.outcome[mine] == REFUSED),
        )
        made.append(_with_missing(present, beats.seq[mine], span_ns))
    return tuple(made)


def _interval_ns(rate_per_s: float, due_ns: Array) -> int:
    if rate_per_s > 0:
        return max(LEAST_INTERVAL_NS, round(NS / rate_per_s))
    return max(LEAST_INTERVAL_NS, int(numpy.median(numpy.diff(due_ns)))) if len(due_ns) > 1 else NS


def _with_missing(present: Slots, seq: Array, span_ns: Span) -> Slots:
    interval_ns, due_ns = present.interval_ns, present.due_ns
    if not len(due_ns):
        filled = _spread(span_ns[0] - interval_ns, span_ns[1] + 1, (span_ns[1] - span_ns[0]) // interval_ns + 1)
        return _merged(present, filled, numpy.zeros(len(filled), numpy.int64))
    before = max(0, int(due_ns[0]) - span_ns[0]) // interval_ns
    after = max(0, span_ns[1] - int(due_ns[-1])) // interval_ns
    missing = numpy.maximum(numpy.diff(seq) - 1, (numpy.diff(due_ns) + interval_ns // 2) // interval_ns - 1)
    gaps = numpy.flatnonzero(missing > 0)
    if not (before or after or len(gaps)):
        return present
    first, last = int(due_ns[0]), int(due_ns[-1])
    most = max(ENOUGH_MISSING, (10 * MOST_MISSING + len(due_ns)) // max(1, len(gaps)))
    missing = numpy.minimum(missing, most)
    parts = [_spread(first - (before + 1) * interval_ns, first, before)]
    parts += [_spread(int(due_ns[gap]), int(due_ns[gap + 1]), int(missing[gap])) for gap in gaps]
    parts.append(_spread(last, last + (after + 1) * interval_ns, after))
    places = [0, *(gaps + 1).tolist(), len(due_ns)]
    at = numpy.repeat(places, [len(part) for part in parts])
    return _merged(present, numpy.concatenate(parts), at)


def _spread(after_ns: int, before_ns: int, count: int) -> Array:
    """Return that many evenly spaced moments between the two."""
    count = max(0, min(count, MOST_MISSING))
    step = (before_ns - after_ns) / (count + 1)
    moments: Array = after_ns + numpy.rint(numpy.arange(1, count + 1) * step).astype(numpy.int64)
    return moments


def _merged(present: Slots, due_ns: Array, at: Array) -> Slots:
    return Slots(
        present.name,
        numpy.insert(present.due_ns, at, due_ns),
        numpy.insert(present.state, at, UNKNOWN),
        numpy.insert(present.latency_us, at, -1),
        numpy.insert(present.late_us, at, 0),
        present.interval_ns,
        numpy.insert(present.refused, at, False),
    )
