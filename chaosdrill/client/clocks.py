"""How far another host's clock is from this one's, by asking it what time it is.

The shortest of several round trips counts: the answer was made somewhere between its beginning and its end, so half of
it is the uncertainty, whatever part of it each way took.

:source: https://www.rfc-editor.org/rfc/rfc5905, section 8 (the offset's error is at most half the round trip)
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class ClockReading:
    """What another clock shows less what this one shows, in nanoseconds.

    :param offset_ns: the difference; it is wrong by at most ``uncertainty_ns``.
    :param rtt_ns: how long the round trip took from which it was read.
    :param at_ns: when that was, on this clock, in nanoseconds since the epoch.
    """

    offset_ns: int
    uncertainty_ns: int
    rtt_ns: int
    at_ns: int

    def plus(self, offset_ns: int, uncertainty_ns: int) -> "ClockReading":
        """:returns: the reading of a third clock, of which the other knows how far it is from its own."""
        return ClockReading(self.offset_ns + offset_ns, self.uncertainty_ns + uncertainty_ns, self.rtt_ns, self.at_ns)


def measure(ask: Callable[[], int], now_ns: Callable[[], int] = time.time_ns, rounds: int = ROUNDS) -> ClockReading:
    """Measures how far another clock is from this one.

    :param ask: asks the other one what it shows, in nanoseconds since the epoch; what it raises is passed on.
    :param now_ns: this clock.
    :param rounds: how often it is asked.
    """
    return min((_asked(ask, now_ns) for _ in range(rounds)), key=lambda one: one.rtt_ns)


def _asked(ask: Callable[[], int], now_ns: Callable[[], int]) -> ClockReading:
    sent_ns = now_ns()
    shown_ns = ask()
    return reading(shown_ns, sent_ns, now_ns())


def reading(shown_ns: int, sent_ns: int, came_ns: int) -> ClockReading:
    """:returns: what is known when another clock showed ``shown_ns`` somewhen between two moments of this one."""
    rtt_ns = max(0, came_ns - sent_ns)
    at_ns = sent_ns + rtt_ns // 2
    return ClockReading(shown_ns - at_ns, (rtt_ns + 1) // 2, rtt_ns, at_ns)
