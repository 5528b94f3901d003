"""Measurement of the offset between another host's clock and this one's.

The other clock is read several times, and the reading with the shortest round trip counts. The other host reads its
clock at an unknown moment within the round trip, so the offset is uncertain by half the round trip.

:source: https://www.rfc-editor.org/rfc/rfc5905, section 8 (the offset's error is at most half the round trip)
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class ClockReading:
    """Offset of another clock from this one.

    :param offset_ns: the other clock minus this clock, in nanoseconds.
    :param uncertainty_ns: the largest possible error of the offset, in nanoseconds.
    :param rtt_ns: round-trip time of the reading, in nanoseconds.
    :param at_ns: when the clock was read, on this clock, in nanoseconds since the epoch.
    """

    offset_ns: int
    uncertainty_ns: int
    rtt_ns: int
    at_ns: int

    def plus(self, offset_ns: int, uncertainty_ns: int) -> "ClockReading":
        """Return the offset of a third clock from this one.

        :param offset_ns: the third clock minus the other clock, in nanoseconds.
        :param uncertainty_ns: the largest possible error of that offset, in nanoseconds.
        """
        return ClockReading(self.offset_ns + offset_ns, self.uncertainty_ns + uncertainty_ns, self.rtt_ns, self.at_ns)


def measure(ask: Callable[[], int], now_ns: Callable[[], int] = time.time_ns, rounds: int = ROUNDS) -> ClockReading:
    """Measure the offset between another clock and this one.

    :param ask: reads the other clock, in nanoseconds since the epoch; its exceptions propagate.
    :param now_ns: reads this clock, in nanoseconds since the epoch.
    :param rounds: number of readings; the one with the shortest round trip counts.
    """
    return min((_asked(ask, now_ns) for _ in range(rounds)), key=lambda one: one.rtt_ns)


def _asked(ask: Callable[[], int], now_ns: Callable[[], int]) -> ClockReading:
    sent_ns = now_ns()
    shown_ns = ask()
    return reading(shown_ns, sent_ns, now_ns())


def reading(shown_ns: int, sent_ns: int, came_ns: int) -> ClockReading:
    """Return the clock reading for one round trip.

    :param shown_ns: what the other clock showed during the round trip.
    :param sent_ns: when the request was sent, on this clock.
    :param came_ns: when the response arrived, on this clock.
    """
    rtt_ns = max(0, came_ns - sent_ns)
    at_ns = sent_ns + rtt_ns // 2
    return ClockReading(shown_ns - at_ns, (rtt_ns + 1) // 2, rtt_ns, at_ns)
