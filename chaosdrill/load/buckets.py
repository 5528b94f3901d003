"""Buckets of 100 ms with the requests that ended in them. Pure: no clock, no Locust.

A bucket has counts and a histogram of response times whose classes grow by 5 %, so that any window's mean is exact and
its percentiles are within 2.5 %.
"""

import math
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

BUCKETS_PER_S = 10
BUCKET_S = 1 / BUCKETS_PER_S
CLASS_RATIO = 1.05
FIRST_CLASS, LAST_CLASS = -94, 424  # 0.01 ms, and 10 days
BUCKET_NS = 100_000_000
_ROUNDED_NS = 50_000  # rounding as in bucket_number()

Row = list[Any]
Endpoint = tuple[str, str]  # method and name, as in Locust
Share = tuple[str, str, str]
"""An endpoint, and who answered: the region in the response, else its address; empty: neither is known."""


def bucket_number(epoch_s: float) -> int:
    """Return the number of the bucket of a moment (seconds since the epoch)."""
    return math.floor(round(epoch_s * BUCKETS_PER_S, 3))  # 1795398412.1 x 10 is slightly too small in floating point


def bucket_number_ns(epoch_ns: int) -> int:
    """Return the number of the bucket of a moment in nanoseconds since the epoch."""
    return (epoch_ns + _ROUNDED_NS) // BUCKET_NS


def bucket_end_ns(number: int) -> int:
    """Return the first moment, in nanoseconds since the epoch, of the next bucket."""
    return (number + 1) * BUCKET_NS - _ROUNDED_NS


def first_whole_bucket(epoch_s: float) -> int:
    """Return the number of the first bucket that begins at a moment (seconds since the epoch) or after it."""
    return math.ceil(round(epoch_s * BUCKETS_PER_S, 3))


_UPPER_MS = [CLASS_RATIO ** (number + 0.5) for number in range(FIRST_CLASS, LAST_CLASS)]
_PLACE = partial(bisect, _UPPER_MS)


def latency_class(milliseconds: float) -> int:
    """Return the number of the histogram class of a response time in milliseconds."""
    return FIRST_CLASS + _PLACE(milliseconds)


def class_ms(number: int) -> float:
    """Return the middle of a histogram class, in milliseconds."""
    return CLASS_RATIO**number


@dataclass(slots=True)
class Bucket:
    """Sums over requests that ended; two buckets can be added.

    ``unrecorded`` are requests whose event the recorder could not use: whether they failed is unknown. A request
    without a usable response time is in ``requests`` and ``failures`` only.
    """

    requests: int = 0
    failures: int = 0
    exceptions: int = 0
    unrecorded: int = 0
    sum_ms: float = 0.0
    max_ms: float = 0.0
    classes: dict[int, int] = field(default_factory=dict)

    def add_request(self, milliseconds: float, failed: bool) -> None:
        """Count one request that ended."""
        self.requests += 1
        self.failures += failed
        self.sum_ms += milliseconds
        self.max_ms = max(self.max_ms, milliseconds)
        number = latency_class(milliseconds)
        self.classes[number] = self.classes.get(number, 0) + 1

    def add(self, other: "Bucket") -> None:
        """Add another bucket's sums to these."""
        self.requests += other.requests
        self.failures += other.failures
        self.exceptions += other.exceptions
        self.unrecorded += other.unrecorded
        self.sum_ms += other.sum_ms
        self.max_ms = max(self.max_ms, other.max_ms)
        for number, count in other.classes.items():
            self.classes[number] = self.classes.get(number, 0) + count

    @classmethod
    def of_requests(cls, times_ms: Sequence[float | None], failed: bool) -> "Bucket":
        """Return the sums over requests with these response times (None: unknown), either all failed or all
        successful.
        """
        timed = [one for one in times_ms if one is not None]
        classes = {FIRST_CLASS + place: count for place, count in Counter(map(_PLACE, timed)).items()}
        failures = len(times_ms) if failed else 0
        return cls(len(times_ms), failures, 0, 0, sum(timed), max(timed, default=0.0), classes)

    @property
    def timed(self) -> int:
        """How many requests have a response time."""
        return sum(self.classes.values())

    @property
    def mean_ms(self) -> float | None:
        """Mean response time in milliseconds; None when no request has one."""
        timed = self.timed
        return self.sum_ms / timed if timed else None

    def percentile_ms(self, percentile: float) -> float | None:
        """Return the response time (ms) that ``percentile`` % of the requests did not exceed; None without any."""
        wanted = max(1, math.ceil(self.timed * percentile / 100))
        seen = 0
        for number in sorted(self.classes):
            seen += self.classes[number]
            if seen >= wanted:
                return min(class_ms(number), self.max_ms)
        return None

    def row(self) -> Row:
        """Return the sums as plain values, to be sent from a worker to its master."""
        classes = [list(pair) for pair in self.classes.items()]
        return [self.requests, self.failures, self.exceptions, self.unrecorded, self.sum_ms, self.max_ms, classes]

    @classmethod
    def of_row(cls, row: Row) -> "Bucket":
        """Return the bucket from which :meth:`row` was made."""
        requests, failures, exceptions, unrecorded, sum_ms, max_ms, classes = row
        by_class = {number: count for number, count in classes}
        return cls(requests, failures, exceptions, unrecorded, sum_ms, max_ms, by_class)
