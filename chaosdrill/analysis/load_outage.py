"""The time that clients were without service, from the buckets of Locust's users.

Locust's users wait for a response before they send the next request (a closed model): during an outage few requests are
sent. Outages are therefore stretches without any success, independent of the number of failures. The resolution is that
of the buckets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from chaosdrill.errors import CannotSee
from chaosdrill.messages import Sentence, sentence

RESOLUTION_S = 0.1
SILENCE_S = 1.0
OUTAGES_KEPT = 5  # in a summary
MODEL = sentence("closed: longest time without one successful answer, as Locust's users saw it")

Bucket = Sequence[float]  # start in seconds since the epoch, succeeded, failed


@dataclass(frozen=True)
class LoadOutage:
    """A stretch without any success. Times are seconds since the epoch, load generator's clock.

    :param ended: False when clients were still without service when the load was stopped: it lasted at least this long.
    """

    since_s: float
    until_s: float
    failures: int
    ended: bool = True

    @property
    def seconds(self) -> float:
        """Its duration in seconds."""
        return round(self.until_s - self.since_s, 1)

    def as_json(self) -> dict[str, Any]:
        """Return the outage as JSON values."""
        return {
            "since": self.since_s,
            "until": self.until_s,
            "seconds": self.seconds,
            "failures": self.failures,
            "ended": self.ended,
        }


@dataclass(frozen=True)
class ClientOutage:
    """All stretches in which clients were without service, longest first, and how they were measured."""

    outages: tuple[LoadOutage, ...]
    resolution_s: float = RESOLUTION_S
    model: Sentence = MODEL

    @property
    def ended(self) -> bool:
        """Whether the end of the longest outage was observed."""
        return not self.outages or self.outages[0].ended

    @property
    def longest_s(self) -> float:
        """The duration of the longest outage in seconds; 0 when there was none."""
        return self.outages[0].seconds if self.outages else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the outages as JSON values, of single outages only the longest."""
        return {
            "seconds": self.longest_s,
            "ended": self.ended,
            "resolution_s": self.resolution_s,
            "model": self.model,
            "outages": [one.as_json() for one in self.outages[:OUTAGES_KEPT]],
        }


def client_outage(
    buckets: Sequence[Bucket], since_s: float, until_s: float, seen_until_s: float, silence_s: float = SILENCE_S
) -> ClientOutage:
    """Find the stretches between ``since_s`` and ``until_s`` in which no request succeeded.

    :param buckets: ``(start, succeeded, failed)`` per 0.1 s with requests, in order.
    :param since_s: when the load got its first responses, seconds since the epoch.
    :param until_s: when the load was stopped.
    :param seen_until_s: until when the buckets were recorded.
    :param silence_s: a stretch without any failure counts only if it is longer (clients also pause).
    :returns: the stretches, longest first.
    :raises CannotSee: when nothing was recorded, or not up to the end.
    """
    inside = [bucket for bucket in buckets if since_s <= bucket[0] < until_s]
    if not inside or until_s <= since_s:
        seconds = max(0.0, until_s - since_s)
        raise CannotSee(sentence("no request was recorded in the {seconds:.1f} s of load", seconds=seconds))
    if seen_until_s < until_s - RESOLUTION_S:
        seconds = until_s - seen_until_s
        raise CannotSee(
            sentence("what clients saw in the last {seconds:.1f} s of load was not recorded", seconds=seconds)
        )
    found = [
        LoadOutage(begin, end, failures, ended=end < until_s)
        for begin, end in _stretches(inside, since_s, until_s)
        if (failures := _failures(inside, begin, end)) or end - begin > silence_s
    ]
    return ClientOutage(tuple(sorted(found, key=lambda outage: outage.since_s - outage.until_s)))


def _stretches(buckets: Sequence[Bucket], since_s: float, until_s: float) -> Iterator[tuple[float, float]]:
    """Yield the stretches between buckets with a success; both ends of the load count as successes."""
    good = [bucket[0] for bucket in buckets if bucket[1] > 0]
    for before, after in pairwise([since_s - RESOLUTION_S, *good, until_s]):
        if after - before > 1.5 * RESOLUTION_S:
            yield round(before + RESOLUTION_S, 3), after


def _failures(buckets: Sequence[Bucket], since_s: float, until_s: float) -> int:
    return int(sum(bucket[2] for bucket in buckets if since_s - RESOLUTION_S / 2 <= bucket[0] < until_s))
