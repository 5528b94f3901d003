"""Detection of outages: sequences of beats without an expected response within the deadline.

An outage began between the last served beat and the first unserved one, and ended between the last unserved beat and
the next served one: each edge is the midpoint, with its uncertainty. Time without usable beats (missing, or sent too
late) counts neither as service nor as outage. An outage that touches such time has a shortest and a longest duration.
An outage whose beginning or end was not observed lasted at least as long as it was observed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import numpy

from chaosdrill.analysis.expected_beats import NS, SERVED, UNKNOWN, UNSERVED, Slots, slots_of, span_of
from chaosdrill.analysis.outage_threshold import LEAST_BEATS, InjectedLoss, Rows, rows_of
from chaosdrill.analysis.outages import ANY, Outage, Unavailability, UnknownSpan
from chaosdrill.analysis.records import Beats
from chaosdrill.analysis.spans import Span, union, without

Array = numpy.ndarray[Any, Any]
ENOUGH = 1 - 1e-6  # weights are sums of fractions


def unavailability(
    beats: Beats, span_ns: Span | None = None, losses: Sequence[InjectedLoss] = (), least_beats: int = LEAST_BEATS
) -> Unavailability:
    """Find all times without service.

    :param span_ns: the time that should have been measured: beats missing at its ends are unknown. Default: from the
        first to the last beat.
    :param losses: the times of injected packet loss: beats then fail one by one, so an outage needs a longer sequence.
    :param least_beats: at other times a sequence of that many unserved beats is an outage.
    :returns: the outages of each operation and of all operations together.
    """
    span = span_ns or span_of(beats)
    if span is None:
        return Unavailability((0, 0), {one.name: () for one in beats.operations}, (), (), (), beats.deadline_s)
    slots = slots_of(beats, span)
    rule = rows_of(losses, least_beats, sum(NS / one.interval_ns for one in slots), beats.deadline_s)
    by_operation: dict[str, tuple[Outage, ...]] = {}
    unknown: list[UnknownSpan] = []
    for one in slots:
        outages, blind = _of_operation(one, rule, span, beats.deadline_s)
        by_operation[one.name] = tuple(_ordered([*by_operation.get(one.name, ()), *outages]))
        unknown += blind
    overall = tuple(_together([outage for outages in by_operation.values() for outage in outages]))
    return Unavailability(span, by_operation, overall, tuple(unknown), slots, beats.deadline_s)


def _of_operation(slots: Slots, rule: Rows, span: Span, deadline_s: float) -> tuple[list[Outage], list[UnknownSpan]]:
    """Find the outages and the unknown times of one operation: each gap between two served beats holds one, or none."""
    is_served = slots.state == SERVED
    weights = numpy.where(is_served, 0.0, rule.weights(slots.due_ns, slots.refused))
    served = numpy.flatnonzero(is_served)
    rows = _rows(slots, weights)
    numbers, begins = numpy.unique(numpy.searchsorted(served, rows[:, 0]), return_index=True)
    outages = [
        _outage(slots, rule, _ends(served, number), rows[begin:end], deadline_s)
        for number, (begin, end) in zip(numbers.tolist(), pairwise([*begins.tolist(), len(rows)]), strict=True)
    ]
    unknown = []
    for number in numpy.setdiff1d(_blind_stretches(slots, weights, served), numbers).tolist():
        before, after = _ends(served, number)
        since_ns = span[0] if before is None else int(slots.due_ns[before])
        until_ns = span[1] if after is None else int(slots.due_ns[after])
        unknown.append(UnknownSpan(slots.name, since_ns, until_ns, before is None or after is None))
    return outages, unknown


def _rows(slots: Slots, weights: Array) -> Array:
    """Return first and last beat of each sequence of unserved beats that is too long to be chance."""
    unserved = slots.state == UNSERVED
    if not unserved.any():
        return numpy.zeros((0, 2), numpy.int64)
    steps = numpy.diff(unserved.astype(numpy.int8), prepend=0, append=0)
    begins, ends = numpy.flatnonzero(steps == 1), numpy.flatnonzero(steps == -1)
    heavy = numpy.add.reduceat(numpy.where(unserved, weights, 0.0), begins) >= ENOUGH
    return numpy.stack((begins[heavy], ends[heavy] - 1), axis=1)


def _blind_stretches(slots: Slots, weights: Array, served: Array) -> Array:
    """Return the gaps that may hide an outage, each as the number of served beats before it."""
    blind = numpy.flatnonzero(slots.state == UNKNOWN)
    numbers = numpy.unique(numpy.searchsorted(served, blind))
    if not len(numbers):
        return numbers
    sums = numpy.concatenate(([0.0], numpy.cumsum(weights)))
    begins, ends = numpy.concatenate(([0], served + 1)), numpy.concatenate((served, [len(weights)]))
    found: Array = numbers[sums[ends[numbers]] - sums[begins[numbers]] >= ENOUGH]
    return found


def _ends(served: Array, number: int) -> tuple[int | None, int | None]:
    """Return the served beats before and after a gap."""
    before = int(served[number - 1]) if number > 0 else None
    return before, int(served[number]) if number < len(served) else None


def _outage(slots: Slots, rule: Rows, ends: tuple[int | None, int | None], rows: Array, deadline_s: float) -> Outage:
    due_ns, (before, after) = slots.due_ns, ends
    first, last = int(rows[0, 0]), int(rows[-1, 1])
    early, late = _by_chance(slots, rule, rows)
    since_ns, since_off_ns = _edge(slots, before, first, -1)
    until_ns, until_off_ns = _edge(slots, after, last, 1)
    return Outage(
        slots.name,
        since_ns,
        until_ns,
        since_off_ns + early * slots.interval_ns,
        until_off_ns + late * slots.interval_ns,
        tuple(_sure(due_ns, rows, early, late)),
        (None if before is None else int(due_ns[before]), None if after is None else int(due_ns[after])),
        int((slots.state[first : last + 1] == UNSERVED).sum()),
        tuple((int(due_ns[end]), int(due_ns[begin])) for (_, end), (begin, _) in pairwise(rows.tolist())),
        _resolution_ns(slots, first, last),
        deadline_s,
    )


def _resolution_ns(slots: Slots, first: int, last: int) -> int:
    """Return the time between two beats at the edges of the outage.

    It differs from the interval at rest, because more beats are sent around a transition.
    """
    edges = [slots.due_ns[max(0, at - 1) : at + 2] for at in (first, last)]
    apart = [int(numpy.diff(edge).max()) for edge in edges if len(edge) > 1]
    return min(slots.interval_ns, max(apart, default=slots.interval_ns))


def _by_chance(slots: Slots, rule: Rows, rows: Array) -> tuple[int, int]:
    """Return how many beats at either end may have failed from a fault that makes beats fail one by one."""
    (begin, end), (last_begin, last_end) = rows[0].tolist(), rows[-1].tolist()
    first, last = slice(begin, end + 1), slice(last_begin, last_end + 1)
    return (
        rule.by_chance(slots.due_ns[first], slots.refused[first]),
        rule.by_chance(slots.due_ns[last][::-1], slots.refused[last][::-1]),
    )


def _sure(due_ns: Array, rows: Array, early: int, late: int) -> Iterator[Span]:
    trimmed = rows.tolist()
    trimmed[0][0] += early
    trimmed[-1][1] -= late
    return ((int(due_ns[begin]), int(due_ns[end])) for begin, end in trimmed if begin <= end)


def _edge(slots: Slots, served: int | None, unserved: int, outward: int) -> tuple[int, int]:
    """Return the midpoint between the two beats and its uncertainty, which includes how late they were sent.

    :param outward: -1 at the beginning, 1 at the end. Without a served beat, the next beat that would be due is used.
    """
    bad_ns = int(slots.due_ns[unserved])
    if served is None:
        good_ns, late_ns = int(slots.due_ns[-1 if outward > 0 else 0]) + outward * slots.interval_ns, 0
    else:
        good_ns = int(slots.due_ns[served])
        late_ns = max(int(slots.late_us[served]), int(slots.late_us[unserved])) * 1000
    return (good_ns + bad_ns) // 2, (abs(bad_ns - good_ns) + 1) // 2 + late_ns


def _ordered(outages: Iterable[Outage]) -> list[Outage]:
    return sorted(outages, key=lambda one: (one.since_ns, one.until_ns))


def _together(outages: Sequence[Outage]) -> Iterator[Outage]:
    """Merge overlapping outages of different operations: some operation was without service all the time."""
    ordered = _ordered(outages)
    reached = list(accumulate((one.until_ns for one in ordered), max))
    apart = [number for number in range(1, len(ordered)) if ordered[number].since_ns > reached[number - 1]]
    for begin, end in pairwise([0, *apart, len(ordered)]):
        if begin < end:
            yield _joined(ordered[begin:end])


def _joined(outages: Sequence[Outage]) -> Outage:
    first = min(outages, key=lambda one: (one.since_ns, one.since_uncertainty_ns))
    last = max(outages, key=lambda one: (one.until_ns, -one.until_uncertainty_ns))
    begins, ends = zip(*(one.possible for one in outages), strict=True)
    sure = union(part for one in outages for part in one.sure)
    return replace(
        last,
        operation=ANY,
        since_ns=first.since_ns,
        since_uncertainty_ns=first.since_uncertainty_ns,
        sure=tuple(sure),
        possible=(_or_none(begins, min), _or_none(ends, max)),
        beats=sum(one.beats for one in outages),
        unknown=tuple(without((part for one in outages for part in one.unknown), sure)),
        resolution_ns=max(one.resolution_ns for one in outages),
    )


def _or_none(moments: Sequence[int | None], choose: Any) -> int | None:
    known = [moment for moment in moments if moment is not None]
    return choose(known) if len(known) == len(moments) else None
