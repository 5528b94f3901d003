"""Recovery times: how long clients waited from the first time without service to sustained service."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from chaosdrill.analysis.degraded import NS, ServiceLimits, failures
from chaosdrill.analysis.expected_beats import SERVED, UNKNOWN, Slots
from chaosdrill.analysis.figures import NO_BEAT
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.outage_threshold import LEAST_BEATS
from chaosdrill.analysis.outages import Outage, Unavailability, UnknownSpan
from chaosdrill.analysis.spans import Span
from chaosdrill.messages import sentence

Array = numpy.ndarray[Any, Any]

SUSTAINED = ServiceLimits(window_s=5.0)
NOT_SUSTAINED = sentence("good service was not sustained within what was recorded")
BEGINNING_UNSEEN = sentence("its beginning was not seen")
BLOCK_WINDOWS = 12  # windows examined at a time: the first good moment is usually near
SHARE_OF_WINDOW = 0.9  # of the beats that were due: a window with fewer beats proves nothing


@dataclass(frozen=True)
class Recovery:
    """Outages without sustained service between them, and the time of recovery.

    Times are UTC nanoseconds by the recorder's clock.

    :param since_ns: when the first outage began.
    :param sustained_ns: when sustained service began, plus or minus ``sustained_uncertainty_ns``; None: it did not.
    :param began_before: the first outage began before the fault or the transition that should have caused it.
    """

    outages: tuple[Outage, ...]
    since_ns: int
    sustained_ns: int | None
    sustained_uncertainty_ns: int
    began_before: bool
    seconds: Measured

    def as_json(self) -> dict[str, Any]:
        """Return the recovery as JSON values."""
        return {
            "since_ns": self.since_ns,
            "sustained_ns": self.sustained_ns,
            "sustained_uncertainty_s": self.sustained_uncertainty_ns / NS,
            "began_before": self.began_before,
            "outages": [outage.as_json() for outage in self.outages],
            "seconds": self.seconds.as_json(),
        }


@dataclass(frozen=True)
class _Sustained:
    at_ns: int
    uncertainty_ns: int


def recoveries(
    found: Unavailability,
    since_ns: int,
    until_ns: int | None = None,
    limits: ServiceLimits = SUSTAINED,
    about_ns: int = 0,
) -> tuple[Recovery, ...]:
    """Find the recoveries from a fault or a transition.

    :param since_ns: when the fault or the transition began: outages that ended before it do not count.
    :param until_ns: when the next transition began; default: the end of the measurement.
    :param limits: the limits of sustained service, for every operation.
    :param about_ns: the uncertainty between the clock of ``since_ns`` and that of the beats.
    :returns: one recovery for each outage, or for several outages without sustained service between them.
    """
    end_ns = found.span_ns[1] if until_ns is None else min(until_ns, found.span_ns[1])
    caused = [
        outage
        for outage in found.overall
        if outage.since_ns < end_ns and outage.until_ns + outage.until_uncertainty_ns + about_ns > since_ns
    ]
    return tuple(_recoveries(found, caused, (since_ns - about_ns, end_ns), limits))


def _recoveries(
    found: Unavailability, caused: Sequence[Outage], leg: Span, limits: ServiceLimits
) -> Iterator[Recovery]:
    if not caused:
        return
    window_ns = round(limits.window_s * NS)
    last_ns = min(leg[1], found.span_ns[1] - window_ns) + 1  # a window may extend past it, if beats exist there
    part = caused[0].since_ns - window_ns, last_ns + 2 * window_ns
    services = [_Service(slots.part(*part), limits) for slots in found.slots]
    left = list(caused)
    while left:
        good, number = None, 0
        while good is None and number < len(left):
            next_ns = left[number + 1].since_ns if number + 1 < len(left) else last_ns
            good = _sustained(services, left[number], min(next_ns, last_ns), window_ns)
            number += 1
        later = None if good is not None else _later(found, left[number - 1], leg[1], limits)
        yield _recovery(found, tuple(left[:number]), good, later, leg, limits)
        left = left[number:]


def _later(found: Unavailability, outage: Outage, since_ns: int, limits: ServiceLimits) -> _Sustained | None:
    """Return when service was sustained after the next transition had begun."""
    window_ns = round(limits.window_s * NS)
    last_ns = found.span_ns[1] - window_ns + 1
    if since_ns >= last_ns:
        return None
    services = [_Service(slots.part(since_ns, found.span_ns[1] + 1), limits) for slots in found.slots]
    return _sustained(services, replace(outage, until_ns=max(since_ns, outage.until_ns)), last_ns, window_ns)


def _recovery(
    found: Unavailability,
    outages: tuple[Outage, ...],
    good: _Sustained | None,
    later: _Sustained | None,
    leg: Span,
    limits: ServiceLimits,
) -> Recovery:
    first = outages[0]
    how = sentence(
        "heartbeat: from the first unserved beat (deadline {deadline_s:g} s) to good service of every operation, "
        "sustained for {limits}",
        deadline_s=found.deadline_s,
        limits=limits.in_words(),
    )
    resolution_s = first.resolution_ns / NS
    seen_until_ns = max(min(leg[1], found.span_ns[1]), outages[-1].until_ns)
    if good is None and later is not None and first.began:
        why = sentence("good service was not sustained before the next transition began")
        off_ns = later.at_ns - min(leg[1], later.at_ns) + later.uncertainty_ns + first.since_uncertainty_ns
        seconds = Measured((later.at_ns - first.since_ns) / NS, "s", how, resolution_s, off_ns / NS, why)
    elif good is None or not first.began:
        last_ns = good.at_ns - good.uncertainty_ns if good else seen_until_ns
        why = NOT_SUSTAINED if good is None else BEGINNING_UNSEEN
        least_s = max(0, last_ns - first.since_ns - first.since_uncertainty_ns) / NS
        seconds = Measured(least_s, "s", how, resolution_s, None, why, at_least=True)
    else:
        off_ns = first.since_uncertainty_ns + good.uncertainty_ns
        seconds = Measured((good.at_ns - first.since_ns) / NS, "s", how, resolution_s, off_ns / NS)
    return Recovery(
        outages,
        first.since_ns,
        good.at_ns if good else None,
        good.uncertainty_ns if good else 0,
        first.since_ns + first.since_uncertainty_ns < leg[0],
        seconds,
    )


def recovery(
    found: Unavailability,
    since_ns: int,
    until_ns: int | None = None,
    limits: ServiceLimits = SUSTAINED,
    about_ns: int = 0,
) -> Measured:
    """Return the recovery time of one transition, the longest when there are several.

    It is 0 s when no outage was found, with the longest outage that could hide between the beats as uncertainty, and
    "at least" when service was not sustained. The parameters are those of :func:`recoveries`.
    """
    end_ns = found.span_ns[1] if until_ns is None else min(until_ns, found.span_ns[1])
    hidden = [one for one in found.unknown if one.since_ns < end_ns and one.until_ns + about_ns > since_ns]
    all_of_it = [one.seconds for one in recoveries(found, since_ns, until_ns, limits, about_ns)]
    if all_of_it:
        return _unless_hidden(_longest(all_of_it), hidden)
    how = sentence("heartbeat: no outage of any operation (deadline {deadline_s:g} s)", deadline_s=found.deadline_s)
    if not any((slots.part(since_ns, end_ns).state != UNKNOWN).any() for slots in found.slots):
        return Measured(None, "s", how, why=NO_BEAT)
    resolution_s = max(slots.interval_ns for slots in found.slots) / NS
    about_s = max(LEAST_BEATS * resolution_s, _longest_unserved_ns(found, since_ns, end_ns) / NS)
    nothing = Measured(0.0, "s", how, resolution_s, about_s, sentence("no unavailability"))
    return _unless_hidden(nothing, hidden)


def _longest(recovered: Sequence[Measured]) -> Measured:
    """Return the longest recovery time; a lower bound when one of them has no end, because that may be the longest."""

    def value(one: Measured) -> float:
        return one.value or 0.0

    def off(one: Measured) -> float:
        return one.uncertainty or 0.0

    longest = max(recovered, key=lambda one: (value(one), one.at_least))
    without_end = [one for one in recovered if one.at_least]
    if without_end:
        least_s = max(value(one) - off(one) for one in recovered)
        return replace(max(without_end, key=value), value=least_s)
    return replace(longest, uncertainty=max(off(one) + (value(one) - value(longest)) for one in recovered))


def _longest_unserved_ns(found: Unavailability, since_ns: int, until_ns: int) -> int:
    """Return the longest time between two served beats of an operation: no outage can have been longer.

    Under packet loss it may hide a short outage, because the fault makes single beats fail as well.
    """
    longest_ns = 0
    for slots in (one.part(since_ns, until_ns) for one in found.slots):
        served = slots.due_ns[slots.state == SERVED]
        if len(served):
            ends = [slots.due_ns[0] - slots.interval_ns, *served.tolist(), slots.due_ns[-1] + slots.interval_ns]
            longest_ns = max(longest_ns, int(numpy.diff(ends).max()))
    return longest_ns


def _unless_hidden(seen: Measured, hidden: Sequence[UnknownSpan]) -> Measured:
    """Widen a recovery time by the unknown times: each may hide a longer outage, an open one an outage without end."""
    if seen.at_least or seen.value is None or not hidden:
        return seen
    longest_s = max(one.until_ns - one.since_ns for one in hidden) / NS
    why = sentence("nothing is known of {seconds:.2g} s at once", seconds=longest_s)
    if any(one.is_open for one in hidden):
        return replace(seen, value=seen.value or None, uncertainty=None, why=why, at_least=seen.value > 0)
    if longest_s <= seen.value + (seen.uncertainty or 0.0):
        return seen
    return replace(seen, uncertainty=longest_s - seen.value, why=why)


def _sustained(services: "Sequence[_Service]", outage: Outage, before_ns: int, window_ns: int) -> _Sustained | None:
    """Return the first moment before ``before_ns`` from which every operation was good for a whole window."""
    for begin_ns in range(outage.until_ns, before_ns, BLOCK_WINDOWS * window_ns):
        end_ns = min(begin_ns + BLOCK_WINDOWS * window_ns, before_ns)
        moments = numpy.sort(numpy.concatenate([one.moments(begin_ns, end_ns) for one in services]))
        good = numpy.flatnonzero(numpy.all([one.is_good(moments) for one in services], axis=0))
        if len(good):
            return _between(services, int(moments[good[0]]), outage)
    return None


def _between(services: "Sequence[_Service]", good_ns: int, outage: Outage) -> _Sustained:
    """Return the midpoint between the first beat of the first good window and the beat before it."""
    befores = [before for one in services if (before := one.before(good_ns)) is not None and before < good_ns]
    last_ns = max(befores, default=good_ns)
    if last_ns < outage.until_ns:  # the beat before it belongs to the outage
        return _Sustained(outage.until_ns, outage.until_uncertainty_ns)
    interval_ns = max(one.slots.interval_ns for one in services)
    return _Sustained((last_ns + good_ns) // 2, max((good_ns - last_ns + 1) // 2, interval_ns // 2))


def _sums(counted: Array) -> Array:
    sums = numpy.zeros(len(counted) + 1, numpy.int32)
    numpy.cumsum(counted, out=sums[1:])
    return sums


class _Service:
    """Cumulative sums over the beats of one operation, which judge any of its windows at once."""

    def __init__(self, slots: Slots, limits: ServiceLimits) -> None:
        self.slots, self.limits = slots, limits
        unserved, slow = failures(slots, limits, numpy.ones(len(slots.due_ns), bool))
        self._unserved, self._slow = (_sums(one) for one in (unserved, slow))
        self._known_ns = slots.due_ns[slots.state != UNKNOWN]

    def moments(self, since_ns: int, until_ns: int) -> Array:
        """Return the due times of the beats in that time."""
        begin, end = numpy.searchsorted(self.slots.due_ns, (since_ns, until_ns))
        return self.slots.due_ns[begin:end]

    def before(self, moment_ns: int) -> int | None:
        """Return the due time of the last known beat before a moment; None without one."""
        at = int(numpy.searchsorted(self._known_ns, moment_ns))
        return int(self._known_ns[at - 1]) if at else None

    def is_good(self, moments: Array) -> Array:
        """Return for each moment whether service was good for the window that begins there; unknown is not good."""
        window_ns = round(self.limits.window_s * NS)
        begins = numpy.searchsorted(self.slots.due_ns, moments)
        ends = numpy.searchsorted(self.slots.due_ns, moments + window_ns)
        beats = ends - begins
        unserved, slow = (sums[ends] - sums[begins] for sums in (self._unserved, self._slow))
        enough = beats >= max(1.0, SHARE_OF_WINDOW * window_ns / self.slots.interval_ns)
        found: Array = enough & ~self.limits.are_missed(beats, unserved, slow)
        return found
