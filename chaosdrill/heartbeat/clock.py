"""The clock of all of the heartbeat's records."""

import time


class SteadyClock:
    """UTC of this host when the clock was created, and monotonic from then on: setting the host's clock does not
    change it.
    """

    def __init__(self) -> None:
        self._epoch_at_zero_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return self._epoch_at_zero_ns + time.monotonic_ns()

    def loop_s(self, at_ns: int) -> float:
        """Return a moment on the event loop's clock, in seconds."""
        return (at_ns - self._epoch_at_zero_ns) / 1e9
