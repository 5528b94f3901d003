"""Times of degraded service: windows with too many unserved or slow beats, without the times of unavailability."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from chaosdrill.analysis.expected_beats import SERVED, UNKNOWN, Slots
from chaosdrill.analysis.outages import Unavailability
from chaosdrill.analysis.spans import Span, without
from chaosdrill.messages import Sentence, sentence

Array = numpy.ndarray[Any, Any]
NS = 1_000_000_000


@dataclass(frozen=True)
class ServiceLimits:
    """Limits of good service in a window.

    At least ``success_ratio`` of each operation's beats must be served, with a 95th percentile of the latency of at
    most ``p95_s``. An unserved beat counts as slower than any served one.
    """

    window_s: float = 1.0
    success_ratio: float = 0.99
    p95_s: float = 0.5

    def in_words(self) -> Sentence:
        """Return a phrase such as ``1 s with at least 99 % of the beats served and a p95 of at most 0.5 s``."""
        return sentence(
            "{window_s:g} s with at least {share:.4g} of the beats served and a p95 of at most {p95_s:g} s",
            window_s=self.window_s,
            share=self.success_ratio,
            p95_s=self.p95_s,
        )

    def are_missed(self, beats: Any, unserved: Any, slow: Any) -> Any:
        """Return whether a window misses the limits.

        :param beats: the number of beats in the window.
        :param unserved: how many of them were not served.
        :param slow: how many of them were not served, or slow.
        """
        within = numpy.ceil(0.95 * beats - 1e-9)  # beats that must be fast: the 95th percentile is one of the beats
        return (beats - unserved < self.success_ratio * beats - 1e-9) | (beats - slow < within)


@dataclass(frozen=True)
class Degraded:
    """A time of degraded service. Times are UTC nanoseconds by the recorder's clock, exact to one window.

    :param beats: how many beats were due in it.
    :param success_ratio: the share of them that was served.
    :param p95_s: their 95th percentile in seconds; None when more than 5 % were not served.
    """

    operation: str
    since_ns: int
    until_ns: int
    beats: int
    success_ratio: float
    p95_s: float | None
    limits: ServiceLimits

    def as_json(self) -> dict[str, Any]:
        """Return the period as JSON values."""
        return {
            "operation": self.operation,
            "since_ns": self.since_ns,
            "until_ns": self.until_ns,
            "uncertainty_s": self.limits.window_s,
            "beats": self.beats,
            "success_ratio": self.success_ratio,
            "p95_s": self.p95_s,
            "limits": self.limits.in_words(),
        }


def degradation(found: Unavailability, limits: ServiceLimits = ServiceLimits()) -> tuple[Degraded, ...]:
    """Return the times of degraded service of each operation, in order.

    :param found: the unavailability found in the same beats.
    """
    made = [one for slots in found.slots for one in _of_operation(slots, found, limits)]
    return tuple(sorted(made, key=lambda one: (one.since_ns, one.operation)))


def degraded_seconds(found: Unavailability, periods: tuple[Degraded, ...]) -> float:
    """Return for how many seconds some operation was degraded and none was unavailable."""
    left = without([(one.since_ns, one.until_ns) for one in periods], found.without_service())
    return sum(until - since for since, until in left) / NS


def _of_operation(slots: Slots, found: Unavailability, limits: ServiceLimits) -> Iterator[Degraded]:
    holes = found.without_service(slots.name)
    known = (slots.state != UNKNOWN) & ~inside(slots.due_ns, holes)
    window_ns = round(limits.window_s * NS)
    due_ns, unserved, slow = slots.due_ns[known], *failures(slots, limits, known)
    # count only windows with beats: a stray beat with a very old time would otherwise create billions of empty windows
    windows, window = numpy.unique((due_ns - found.span_ns[0]) // window_ns, return_inverse=True)
    beats, bad, late = (
        numpy.bincount(window, weights, minlength=len(windows)) for weights in (None, unserved, slow)
    )  # fmt: skip
    missed = windows[limits.are_missed(beats, bad, late)]
    for row in numpy.split(missed, numpy.flatnonzero(numpy.diff(missed) != 1) + 1):
        if not len(row):
            continue
        begin, end = int(row[0]), int(row[-1]) + 1
        since_ns = found.span_ns[0] + begin * window_ns
        until_ns = min(found.span_ns[0] + end * window_ns, found.span_ns[1])
        for part in without([(since_ns, max(until_ns, since_ns + 1))], holes):
            if (one := _period(slots, part, limits)).beats:
                yield one


def inside(due_ns: Array, spans: tuple[Span, ...]) -> Array:
    """Return for each moment whether it lies in one of the spans, which are in order."""
    found = numpy.zeros(len(due_ns), bool)
    for begin, end in numpy.searchsorted(due_ns, numpy.array(spans, numpy.int64).reshape(-1, 2)).tolist():
        found[begin:end] = True
    return found


def failures(slots: Slots, limits: ServiceLimits, chosen: Array) -> tuple[Array, Array]:
    """Return for each chosen beat whether it was unserved, and whether it was unserved or slow."""
    unserved = slots.state[chosen] != SERVED
    return unserved, unserved | (slots.latency_us[chosen] > limits.p95_s * 1e6)


def _period(slots: Slots, span: Span, limits: ServiceLimits) -> Degraded:
    part = slots.part(*span)
    known = part.state != UNKNOWN
    served = part.state[known] == SERVED
    beats = len(served)
    at = max(0, int(numpy.ceil(0.95 * beats)) - 1)
    latency_us = numpy.where(served, part.latency_us[known].astype(float), numpy.inf)
    p95_us = float(numpy.partition(latency_us, at)[at]) if beats else 0.0
    return Degraded(
        slots.name,
        *span,
        beats,
        round(float(served.mean()), 4) if beats else 1.0,
        None if numpy.isinf(p95_us) else p95_us / 1e6,
        limits,
    )
