"""An increased write rate around a transition: 15 s from its beginning, and 15 s after writes are accepted again."""

from chaosdrill.heartbeat.clock import SteadyClock
from chaosdrill.heartbeat.schedule import NS, Pace

HALF_S = 15.0  # together 30 s for a transition
OUTAGE_NS = NS  # no write was accepted for this long
TRANSITION_NS = 300 * NS  # a later beginning is another transition, even without an observed outage


class Burst:
    """Raises the rate of the writes.

    :param rate_per_s: the raised rate, limited to the settlement capacity where that is known.
    """

    def __init__(self, pace: Pace, rate_per_s: float, clock: SteadyClock) -> None:
        self._pace, self._rate_per_s, self._clock = pace, rate_per_s, clock
        self.capacity_per_s: float | None = None
        self._awaits_service = False
        self._began_ns = self._accepted_ns = 0

    def begin(self) -> float:
        """Begin a transition, or a further step of the present one.

        :returns: the maximum rate of the writes until writes are accepted again.
        """
        now_ns = self._clock.now_ns()
        if self._awaits_service and now_ns - self._began_ns < TRANSITION_NS:
            return self._raised_per_s()
        self._awaits_service, self._began_ns = True, now_ns
        return self.raise_for(HALF_S)

    def raise_for(self, seconds: float) -> float:
        """Raise the rate for some seconds, and return it."""
        self._pace.raise_to(self._raised_per_s(), self._clock.now_ns() + round(seconds * NS))
        return self._raised_per_s()

    def _raised_per_s(self) -> float:
        return max(min(self._rate_per_s, self.capacity_per_s or self._rate_per_s), self._pace.rate_per_s)

    def accepted(self, at_ns: int) -> None:
        """Note that a write was accepted: the first one after an outage begins the second half."""
        if self._awaits_service and self._accepted_ns and at_ns - self._accepted_ns > OUTAGE_NS:
            self._awaits_service = False
            self.raise_for(HALF_S)
        self._accepted_ns = max(self._accepted_ns, at_ns)
