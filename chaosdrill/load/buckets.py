"""What clients saw, in buckets of 100 ms by the time a request ended. Pure: no clock, no Locust.

A bucket keeps counts and a histogram of response times whose classes grow by 5 %, so that any window's mean is exact
and its percentiles are within 2.5 %.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

BUCKETS_PER_S = 10
BUCKET_S = 1 / BUCKETS_PER_S
CLASS_RATIO = 1.05
SMALLEST_MS = 0.01

Row = list[Any]


def bucket_number(epoch_s: float) -> int:
    """:returns: the number of the bucket that a moment (seconds since the epoch) lies in."""
    return math.floor(round(epoch_s * BUCKETS_PER_S, 3))  # 1795398412.1 x 10 is a little less than it should be


def first_whole_bucket(epoch_s: float) -> int:
    """:returns: the number of the first bucket that begins at a moment (seconds since the epoch) or after it."""
    return math.ceil(round(epoch_s * BUCKETS_PER_S, 3))


def latency_class(milliseconds: float) -> int:
    """:returns: the number of the histogram class of a response time in milliseconds."""
    return round(math.log(max(milliseconds, SMALLEST_MS)) / math.log(CLASS_RATIO))


def class_ms(number: int) -> float:
    """:returns: the middle of a histogram class, in milliseconds."""
    return CLASS_RATIO**number


@dataclass
class Bucket:
    """Sums over requests that ended; two buckets add up."""

    requests: int = 0
    failures: int = 0
    exceptions: int = 0
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
        self.sum_ms += other.sum_ms
        self.max_ms = max(self.max_ms, other.max_ms)
        for number, count in other.classes.items():
            self.classes[number] = self.classes.get(number, 0) + count

    @property
    def mean_ms(self) -> float | None:
        """Mean response time in milliseconds; None without requests."""
        return self.sum_ms / self.requests if self.requests else None

    def percentile_ms(self, percentile: float) -> float | None:
        """:returns: the response time (ms) that ``percentile`` % of the requests did not exceed; None without any."""
        wanted = max(1, math.ceil(self.requests * percentile / 100))
        seen = 0
        for number in sorted(self.classes):
            seen += self.classes[number]
            if seen >= wanted:
                return min(class_ms(number), self.max_ms)
        return None


class Timeline:
    """Buckets by their number.

    :param keep_s: how many seconds before the newest bucket are kept.
    """

    def __init__(self, keep_s: float = 4 * 3600) -> None:
        self._buckets: dict[int, Bucket] = {}
        self._keep = bucket_number(keep_s)

    def request(self, ended_s: float, milliseconds: float, failed: bool) -> None:
        """Count a request that ended at ``ended_s`` (seconds since the epoch)."""
        self._at(bucket_number(ended_s)).add_request(milliseconds, failed)

    def exception(self, epoch_s: float) -> None:
        """Count an exception that a user's task raised at ``epoch_s``."""
        self._at(bucket_number(epoch_s)).exceptions += 1

    def _at(self, number: int) -> Bucket:
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = Bucket()
            self._forget(number - self._keep)
        return bucket

    def _forget(self, before: int) -> None:
        while self._buckets and (oldest := next(iter(self._buckets))) < before:
            del self._buckets[oldest]

    def between(self, since_s: float, until_s: float) -> Bucket:
        """:returns: the sum of the buckets that lie wholly between the two moments: nothing from outside counts."""
        total = Bucket()
        for number in range(first_whole_bucket(since_s), bucket_number(until_s)):
            if bucket := self._buckets.get(number):
                total.add(bucket)
        return total

    def counts(self, since_s: float, until_s: float) -> list[tuple[float, int, int]]:
        """:returns: per bucket that saw requests: its start (s since the epoch), successes, failures; in order."""
        first, last = bucket_number(since_s), bucket_number(until_s)
        return [
            (round(number * BUCKET_S, 1), bucket.requests - bucket.failures, bucket.failures)
            for number, bucket in sorted(self._buckets.items())
            if first <= number < last and bucket.requests
        ]

    def take_rows(self) -> list[Row]:
        """Empty this timeline.

        :returns: its buckets as rows of plain values, for the way from a worker to its master.
        """
        taken, self._buckets = self._buckets, {}
        return [
            [
                number,
                b.requests,
                b.failures,
                b.exceptions,
                b.sum_ms,
                b.max_ms,
                [list(pair) for pair in b.classes.items()],
            ]
            for number, b in taken.items()
        ]

    def add_rows(self, rows: Iterable[Row]) -> None:
        """Add what :meth:`take_rows` of another timeline gave."""
        for number, requests, failures, exceptions, sum_ms, max_ms, classes in rows:
            self._at(number).add(Bucket(requests, failures, exceptions, sum_ms, max_ms, {k: n for k, n in classes}))
