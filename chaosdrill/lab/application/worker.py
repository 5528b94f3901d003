"""The worker that settles pending transactions about once a second, while its region is open."""

import asyncio
import logging
from contextlib import suppress

from chaosdrill.lab.application.bank import Bank
from chaosdrill.lab.application.stop_flag import RegionStopFlag
from chaosdrill.lab.application.stores import ReadOnly, StoreDown

log = logging.getLogger(__name__)


class Worker:
    """A worker that settles every ``every_s`` seconds while the flag is readable and FALSE."""

    def __init__(self, bank: Bank, flag: RegionStopFlag, every_s: float) -> None:
        self._bank = bank
        self._flag = flag
        self._every_s = every_s

    async def run(self, ending: asyncio.Event) -> None:
        """Settle until ``ending`` is set; a round that has begun is finished."""
        while not ending.is_set():
            await self._round()
            with suppress(TimeoutError):  # not ended yet: begin the next round
                await asyncio.wait_for(ending.wait(), self._every_s)

    async def _is_open(self) -> bool:
        return await self._flag.value() is False

    async def _round(self) -> None:
        """Settle once. Transactions that could not be settled stay pending for the next round."""
        if not await self._is_open():
            return
        try:
            await self._bank.settle_pending(self._is_open)
        except* (StoreDown, ReadOnly) as troubles:
            log.warning("not everything pending could be settled: %s", troubles.exceptions[0])
