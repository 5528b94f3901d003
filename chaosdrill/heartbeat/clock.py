"""The one clock of everything that the heartbeat writes down."""

import time


class Clock:
    """UTC as this host had it when the clock was made, and steady from then on: nobody can set it."""

    def __init__(self) -> None:
        self._epoch_at_zero_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """:returns: nanoseconds since the epoch."""
        return self._epoch_at_zero_ns + time.monotonic_ns()

    def loop_s(self, at_ns: int) -> float:
        """:returns: that moment as the event loop counts, in seconds."""
        return (at_ns - self._epoch_at_zero_ns) / 1e9
