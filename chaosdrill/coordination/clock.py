"""The time of a service, from the ``Date`` headers of its responses, because local clocks may be wrong.

A header counts whole seconds, and is as old as its response took to arrive. So each response shows that the service's
time is at least that, and the greatest difference from the local clock is the best estimate. It is late by at most one
second and one transit, and less after several responses. Old responses do not count: clocks drift.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def boot_time_ms() -> int:
    """Return the time since this machine started, in milliseconds, including the time for which it was suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


_RESPONSES = 100  # responses that count: some minutes of renewals


class ServiceClock:
    """An estimate of a service's time; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead_ms: deque[int] = deque(maxlen=_RESPONSES)

    def notice(self, headers: Mapping[str, str]) -> None:
        """Update the estimate from the headers of a response that has just arrived; one without a date is ignored."""
        try:
            date = parsedate_to_datetime(headers["date"])
        except (KeyError, TypeError, ValueError):
            return
        ahead_ms = int(date.timestamp() * 1000) - boot_time_ms()
        with self._lock:
            self._ahead_ms.append(ahead_ms)

    def now_ms(self) -> int | None:
        """Return the service's time, in milliseconds since 1970; None before the first response."""
        with self._lock:
            return boot_time_ms() + max(self._ahead_ms) if self._ahead_ms else None
