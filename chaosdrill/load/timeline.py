"""The timeline of a load: its buckets in order, with the total of hours and each endpoint's share. Pure, like
``buckets``.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from chaosdrill.load.buckets import (
    BUCKET_S,
    Bucket,
    Row,
    Share,
    bucket_end_ns,
    bucket_number,
    bucket_number_ns,
    first_whole_bucket,
)
from chaosdrill.load.endpoints import EndpointBuckets


class BucketTimeline:
    """Buckets by their number.

    :param endpoints: counts each endpoint's own share.
    :param keep_s: how many seconds before the newest bucket are kept.
    """

    def __init__(self, endpoints: EndpointBuckets | None = None, keep_s: float = 4 * 3600) -> None:
        self.endpoints = endpoints or EndpointBuckets()
        self._buckets: dict[int, Bucket] = {}
        self._keep = bucket_number(keep_s)

    def request(self, ended_s: float, milliseconds: float, failed: bool, share: Share = ("", "", "")) -> None:
        """Count a request that ended at ``ended_s`` (seconds since the epoch)."""
        number = bucket_number(ended_s)
        self._at(number).add_request(milliseconds, failed)
        if (cell := self.endpoints.at(number, share)) is not None:
            cell.add_request(milliseconds, failed)

    def requests(self, share: Share, failed: bool, ended_ns: Sequence[int], times_ms: Sequence[float | None]) -> None:
        """Count requests of one endpoint that one region or address answered, either all failed or all successful.

        :param ended_ns: when each ended, in nanoseconds since the epoch, in order.
        :param times_ms: how long each took, in milliseconds; None: unknown.
        """
        first = 0
        while first < len(ended_ns):
            number = bucket_number_ns(ended_ns[first])
            last = bisect_left(ended_ns, bucket_end_ns(number), first)
            counted = Bucket.of_requests(times_ms[first:last], failed)
            self._at(number).add(counted)
            self.endpoints.add(number, share, counted)
            first = last

    def exception(self, epoch_s: float) -> None:
        """Count an exception that a user's task raised at ``epoch_s``."""
        self._at(bucket_number(epoch_s)).exceptions += 1

    def unrecorded(self, epoch_s: float) -> None:
        """Count a request that ended at ``epoch_s``, and whose outcome is unknown."""
        self._at(bucket_number(epoch_s)).unrecorded += 1

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
        """Return the sum of the buckets that are completely between the two moments: nothing outside counts."""
        total = Bucket()
        for number in range(first_whole_bucket(since_s), bucket_number(until_s)):
            if bucket := self._buckets.get(number):
                total.add(bucket)
        return total

    def counts(self, since_s: float, until_s: float) -> list[tuple[float, int, int]]:
        """Return, per bucket with requests: its start (s since the epoch), successes, failures; in order."""
        first, last = bucket_number(since_s), bucket_number(until_s)
        return [
            (round(number * BUCKET_S, 1), bucket.requests - bucket.failures, bucket.failures)
            for number, bucket in sorted(self._buckets.items())
            if first <= number < last and bucket.requests
        ]

    def take_rows(self) -> list[Row]:
        """Empty this timeline.

        :returns: its buckets as rows of plain values, to be sent from a worker to its master.
        """
        taken, self._buckets = self._buckets, {}
        rows = [[number, bucket.row(), self.endpoints.rows(number)] for number, bucket in taken.items()]
        self.endpoints.empty()
        return rows

    def add_rows(self, rows: Iterable[Row]) -> None:
        """Add the :meth:`take_rows` of another timeline."""
        for number, total, shares in rows:
            self._at(number).add(Bucket.of_row(total))
            self.endpoints.add_rows(number, shares)
