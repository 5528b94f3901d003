"""Schedules of beats: a time grid that neither slow responses nor late beats shift."""

from typing import Protocol

NS = 1_000_000_000


class BeatSchedule(Protocol):
    """The due times of one operation's beats."""

    def due_ns(self, seq: int) -> int:
        """Return when beat ``seq`` (0, 1, ...) is due; call it with ascending numbers."""


class Steady:
    """Beats at a constant rate.

    :param begin_ns: when the first one is due.
    """

    def __init__(self, begin_ns: int, rate_per_s: float) -> None:
        self.begin_ns, self.rate_per_s = begin_ns, rate_per_s

    def due_ns(self, seq: int) -> int:
        """Return when beat ``seq`` is due, counted from the beginning, so that rounding errors do not add up."""
        return self.begin_ns + round(seq * NS / self.rate_per_s)


class Pace:
    """Beats at a rate that can be raised for a while.

    :param begin_ns: when the first one is due.
    :param rate_per_s: the usual rate.
    """

    def __init__(self, begin_ns: int, rate_per_s: float) -> None:
        self.rate_per_s = rate_per_s
        self._seq, self._due_ns = 0, begin_ns
        self._raised_per_s, self._until_ns = rate_per_s, begin_ns

    def due_ns(self, seq: int) -> int:
        """Return when beat ``seq`` is due, by the rate that applies at the due time of the one before."""
        while self._seq < seq:
            raised = self._due_ns < self._until_ns
            self._due_ns += round(NS / (self._raised_per_s if raised else self.rate_per_s))
            self._seq += 1
        return self._due_ns

    def raise_to(self, rate_per_s: float, until_ns: int) -> None:
        """Raise the rate until a moment; it is never lower than the usual one."""
        self._raised_per_s, self._until_ns = max(self.rate_per_s, rate_per_s), until_ns


def beginnings(begin_ns: int, rate_per_s: float, operations: int) -> list[int]:
    """Return the due time of each operation's first beat: spread over the fastest one's interval, so that no two
    operations send at once.
    """
    return [begin_ns + round(number * NS / rate_per_s / operations) for number in range(operations)]
