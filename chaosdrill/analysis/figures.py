"""Figures of a period: availability, seconds with errors, latencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from chaosdrill.analysis.degraded import NS
from chaosdrill.analysis.expected_beats import SERVED, UNKNOWN, UNSERVED, Slots, Span
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.outages import ANY, Unavailability
from chaosdrill.analysis.proportions import ONE_IN_TWENTY
from chaosdrill.analysis.records import Requests
from chaosdrill.messages import Sentence, sentence
from chaosdrill.records.rows import OK

Array = numpy.ndarray[Any, Any]

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
NO_BEAT = sentence("no beat tells of that time")
NOT_ANSWERED = sentence("it falls on those that were not answered as expected")
CLOSED_MODEL = sentence(
    "load: from when it was sent; its users wait for answers before they ask again (a closed model)"
)


@dataclass(frozen=True)
class Latencies:
    """The latencies of a period.

    :param of: the operation, or the load's requests.
    :param when: the period, such as before, during or after the outage.
    :param count: how many beats were due, or requests sent.
    :param served: the share that was served.
    :param quantiles: p50, p95 and p99, in seconds.
    """

    of: str
    when: str
    count: int
    served: Measured
    quantiles: dict[str, Measured]

    def as_json(self) -> dict[str, Any]:
        """Return the latencies as JSON values."""
        return {
            "of": self.of,
            "when": self.when,
            "count": self.count,
            "served": self.served.as_json(),
            **{name: figure.as_json() for name, figure in self.quantiles.items()},
        }


def availability(found: Unavailability, span_ns: Span | None = None, operation: str = ANY) -> Measured:
    """Return the share of the beats that was served within the deadline; unknown beats add to its uncertainty.

    :param span_ns: the due times that count; default: all.
    :param operation: the operation that counts; default: all.
    """
    parts = _parts(found, span_ns, operation)
    served, unserved, unknown = (sum(int((part.state == state).sum()) for part in parts)
                                 for state in (SERVED, UNSERVED, UNKNOWN))  # fmt: skip
    known = served + unserved
    how = sentence(
        "heartbeat: {known} beats{operation} of {due} that were due; served: as expected within {deadline_s:g} s",
        known=known,
        operation=sentence(" ({operation})", operation=operation) if operation else "",
        due=known + unknown,
        deadline_s=found.deadline_s,
    )
    if not known:
        return Measured(None, "ratio", how, why=NO_BEAT)
    ratio, due = served / known, known + unknown
    about = max(ratio - served / due, (served + unknown) / due - ratio)
    return Measured(ratio, "ratio", how, 1 / known, about)


def error_seconds(found: Unavailability, span_ns: Span | None = None, operation: str = ANY) -> Measured:
    """Return the number of seconds, counted from the beginning, in which at least one beat was not served."""
    parts = _parts(found, span_ns, operation)
    how = sentence(
        "heartbeat: seconds in which at least one beat was not served within {deadline_s:g} s",
        deadline_s=found.deadline_s,
    )
    if not any(len(part.due_ns) for part in parts):
        return Measured(None, "s", how, why=NO_BEAT)
    begin_ns = (span_ns or found.span_ns)[0]
    with_errors, blind = (
        numpy.unique(numpy.concatenate([(part.due_ns[part.state == state] - begin_ns) // NS for part in parts]))
        for state in (UNSERVED, UNKNOWN)
    )
    hidden = len(numpy.setdiff1d(blind, with_errors))
    return Measured(float(len(with_errors)), "s", how, 1.0, float(hidden))


def latencies(found: Unavailability, periods: dict[str, Span]) -> tuple[Latencies, ...]:
    """Return the latencies of beats, for each operation in each period.

    :param periods: start and end of each period, such as before, during, after.
    """
    return tuple(_of_beats(found, one.part(*span), when) for when, span in periods.items() for one in found.slots)


def _of_beats(found: Unavailability, part: Slots, when: str) -> Latencies:
    known = part.state != UNKNOWN
    how = sentence(
        "heartbeat: from the intended send time to the end of the answer; unanswered ones are slower than any"
    )
    single = Unavailability(found.span_ns, {}, (), (), (part,), found.deadline_s)
    served = availability(single, (int(part.due_ns[0]), int(part.due_ns[-1]) + 1) if len(part.due_ns) else (0, 0))
    return Latencies(part.name, when, int(known.sum()), served, _quantiles(part.latency_us[known], how))


def latencies_of_requests(requests: Requests, periods: dict[str, Span]) -> tuple[Latencies, ...]:
    """Return the latencies of the load's requests, in each period by their start."""
    return tuple(_of_requests(requests, span, when) for when, span in periods.items())


def _of_requests(requests: Requests, span: Span, when: str) -> Latencies:
    part = slice(*numpy.searchsorted(requests.start_ns, span))
    answered = requests.outcome[part] == OK
    count, share = len(answered), sentence("load: the share of requests that were answered as expected")
    served = Measured(None, "ratio", share, why=sentence("no request was made then"))
    if count:
        served = Measured(float(answered.mean()), "ratio", share, 1 / count, 0.0)
    latency_us = numpy.where(answered, requests.duration_us[part], -1)
    return Latencies("requests", when, count, served, _quantiles(latency_us, CLOSED_MODEL))


def _quantiles(latency_us: Array, how: Sentence) -> dict[str, Measured]:
    """Return quantiles as observed values, with their 95 % intervals as uncertainty."""
    answered = latency_us[latency_us >= 0]
    count = len(latency_us)
    if not count:
        return {name: Measured(None, "s", how, why=sentence("nothing was sent then")) for name in QUANTILES}
    ranks = {name: _ranks(count, share) for name, share in QUANTILES.items()}
    wanted = sorted({rank for three in ranks.values() for rank in three if rank < len(answered)})
    ordered = numpy.partition(answered, wanted) if wanted else answered
    return {name: _quantile(ordered, three, how) for name, three in ranks.items()}


def _ranks(count: int, share: float) -> tuple[int, int, int]:
    """Return the indices of the quantile and of the ends of its 95 % interval among the sorted values."""
    off = ONE_IN_TWENTY * (count * share * (1 - share)) ** 0.5
    places = (share * count, share * count - off, share * count + off + 1)
    low, middle, high = sorted(min(max(int(numpy.ceil(place)) - 1, 0), count - 1) for place in places)
    return low, middle, high


def _quantile(ordered: Array, ranks: Sequence[int], how: Sentence) -> Measured:
    low, middle, high = ranks
    if middle >= len(ordered):
        return Measured(None, "s", how, 1e-6, why=NOT_ANSWERED)
    value_s, low_s = float(ordered[middle]) / 1e6, float(ordered[low]) / 1e6
    if high >= len(ordered):
        why = sentence("too few were answered to say by how much it may be longer")
        return Measured(value_s, "s", how, 1e-6, None, why)
    return Measured(value_s, "s", how, 1e-6, max(value_s - low_s, float(ordered[high]) / 1e6 - value_s))


def _parts(found: Unavailability, span_ns: Span | None, operation: str) -> list[Slots]:
    chosen = [one for one in found.slots if operation in (ANY, one.name)]
    return chosen if span_ns is None else [one.part(*span_ns) for one in chosen]
