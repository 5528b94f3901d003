"""The settlement check: whether the application settles writes as fast as they are sent, and its capacity, in a few
seconds.

Where the rate of the writes may be raised, a short burst is sent, which must be settled completely in time; its rate of
settlement is the capacity. At a constant rate the settlement lag must not grow.
"""

import asyncio
from statistics import median
from typing import Any

from chaosdrill.heartbeat.clock import SteadyClock
from chaosdrill.heartbeat.schedule import NS
from chaosdrill.heartbeat.settlement import Settling

BURST_S, LONGEST_S = 2.0, 10.0
WINDOW_S, SAMPLE_S, LAST = 8.0, 0.5, 3
GROWTH_S = 1.0  # the least difference of the lag between the halves of the window that counts as growth
FEWEST = 8  # the fewest settled writes for a capacity
# the part of the settled writes, in order, that is used: the times of the first and last ones are those of the polls
MIDDLE = (0.1, 0.9)


class SettlementCheck:
    """One check.

    :param begin_burst: raises the rate of the writes for so many seconds, and returns it; None: it is constant.
    """

    def __init__(self, clock: SteadyClock, settling: Settling, rate_per_s: float, begin_burst: Any = None) -> None:
        self._clock, self._settling, self._begin_burst = clock, settling, begin_burst
        self._rate_per_s = rate_per_s
        self.capacity_per_s: float | None = None
        self._result: dict[str, Any] = {"state": "running"}

    def summary(self) -> dict[str, Any]:
        """Return ``{"state": "running" or "done", "rate_per_s", "burst_per_s", "writes", "lag_s", "longest_s",
        "capacity_per_s", "grows"}``; a value that could not be measured is null.
        """
        return self._result

    async def run(self) -> None:
        """Check, for at most ``LONGEST_S`` seconds."""
        began_ns = self._clock.now_ns()
        if self._begin_burst is None:
            burst_per_s, grows = None, await self._lag_grows()
        else:
            burst_per_s = self._begin_burst(BURST_S)
            grows = not await self._drained(began_ns)
            self.capacity_per_s = self._capacity(began_ns, burst_per_s)
        lags = [(seen - accepted) / NS for accepted, seen in self._settling.settled if accepted >= began_ns]
        self._result = {
            "state": "done",
            "rate_per_s": self._rate_per_s,
            "burst_per_s": burst_per_s,
            "writes": len(lags),
            "lag_s": round(median(lags), 3) if lags else None,
            "longest_s": round(max(lags), 3) if lags else None,
            "capacity_per_s": self.capacity_per_s,
            "grows": grows,
        }

    async def _drained(self, began_ns: int) -> bool:
        """Return whether every write that was accepted in the burst was settled in time."""
        await asyncio.sleep(BURST_S)
        burst_ended_ns = self._clock.now_ns()
        while self._settling.oldest_ns(since_ns=began_ns) < burst_ended_ns:
            if (self._clock.now_ns() - began_ns) / NS >= LONGEST_S:
                return False
            await asyncio.sleep(SAMPLE_S / 5)
        return True

    async def _lag_grows(self) -> bool:
        samples = []
        for _ in range(round(WINDOW_S / SAMPLE_S)):
            await asyncio.sleep(SAMPLE_S)
            now_ns = self._clock.now_ns()
            samples.append(max(0.0, (now_ns - self._settling.oldest_ns()) / NS))
        half = len(samples) // 2
        later = min(median(samples[half:]), *samples[-LAST:])  # a stall that has ended by then is no growth
        return later - median(samples[:half]) > GROWTH_S

    def _capacity(self, began_ns: int, burst_per_s: float) -> float | None:
        """Return how many writes of the burst were settled a second, at most as many as were sent."""
        seen = sorted(seen for accepted, seen in self._settling.settled if accepted >= began_ns)
        if len(seen) < FEWEST:
            return None
        first, last = (round(share * (len(seen) - 1)) for share in MIDDLE)
        seconds = max((seen[last] - seen[first]) / NS, 1e-3)
        return round(min(burst_per_s, (last - first) / seconds), 1)
