"""When beats are due: a grid in time that nothing shifts, neither slow answers nor late beats."""

from dataclasses import dataclass

NS = 1_000_000_000


@dataclass(frozen=True)
class Schedule:
    """One operation's beats.

    :param begin_ns: when the first one is due.
    """

    begin_ns: int
    rate_per_s: float

    def due_ns(self, seq: int) -> int:
        """:returns: when beat ``seq`` (0, 1, ...) is due; counted from the beginning, so that nothing adds up."""
        return self.begin_ns + round(seq * NS / self.rate_per_s)


def schedules(begin_ns: int, rate_per_s: float, operations: int) -> list[Schedule]:
    """:returns: one for each operation, spread over the interval, so that no two operations send at once."""
    apart_ns = NS / rate_per_s / operations
    return [Schedule(begin_ns + round(number * apart_ns), rate_per_s) for number in range(operations)]
