"""The time of a service, from the ``Date`` headers of its responses: local clocks need not be right.

A header counts whole seconds, and is as old as its response took to arrive. So each response shows that the service's
time is at least that, and the greatest such difference from the local clock is the best estimate. It is late by a
second and a transit at most, and less after several responses. Old responses do not count: clocks drift.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def boot_time_ms() -> int:
    """Return the time since this machine started, in milliseconds, the time in which it was suspended included."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


_RESPONSES = 100  # that count: some minutes of renewals


class ServiceClock:
    """Estimates a service's time; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead_ms: deque[int] = deque(maxlen=_RESPONSES)

    def notice(self, headers: Mapping[str, str]) -> None:
        """Take the time from the headers of a response that has just arrived; without a date it is ignored."""
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
