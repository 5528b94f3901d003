"""The monotonic UTC clock of a load generator, in nanoseconds.

Its epoch is read once, when the process starts: a step of the wall clock can neither put a request before a watermark
that was already sent, nor leave a gap in the records.
"""

import time

LOOKS = 5


def _epoch_ns() -> int:
    """Return the UTC time at which the monotonic clock was 0, from the reading with the shortest delay."""
    looks = []
    for _ in range(LOOKS):
        before = time.monotonic_ns()
        wall = time.time_ns()
        took = time.monotonic_ns() - before
        looks.append((took, wall - before - took // 2))
    return min(looks)[1]


EPOCH_NS = _epoch_ns()
"""UTC in nanoseconds when this process's monotonic clock was at 0."""


def now_ns() -> int:
    """Return nanoseconds since the epoch."""
    return EPOCH_NS + time.monotonic_ns()


def now_s() -> float:
    """Return seconds since the epoch."""
    return now_ns() / 1e9
