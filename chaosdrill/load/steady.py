"""The clock of a load generator: UTC in nanoseconds, and it never goes back.

Its epoch is taken once, when the process starts: a step of the wall clock cannot put a request before a watermark that
was already announced, nor tear a hole into what was recorded.
"""

import time

LOOKS = 5


def _epoch_ns() -> int:
    """UTC when the monotonic clock was at 0, from the look that was disturbed least."""
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
    """:returns: nanoseconds since the epoch."""
    return EPOCH_NS + time.monotonic_ns()


def now_s() -> float:
    """:returns: seconds since the epoch."""
    return now_ns() / 1e9
