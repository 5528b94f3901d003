"""The cloud's own network: a region's addresses cut off from everybody, by the kernel, for a time."""

import asyncio
from typing import Any

from chaosdrill.lab import packet_loss
from chaosdrill.lab.packet_loss import Loss

_WAYS = {"a": "arriving", "l": "leaving"}


class Cloud:
    """Drops packets in this process's network namespace, which is the cloud's. Nothing is set up until then."""

    def __init__(self) -> None:
        self._prepared = False
        self._changing = asyncio.Lock()

    async def isolate(self, id: str, networks: list[str], duration_s: float) -> None:
        """Drop every packet that arrives at, or leaves from, an address of the networks; among themselves, too.

        :param id: 15 letters and digits at most.
        :param duration_s: until the kernel ends it, in seconds.
        :raises LabError: when this kernel cannot.
        :undo: :meth:`reconnect`
        """
        async with self._changing:
            if not self._prepared:
                await asyncio.to_thread(packet_loss.prepare)
                self._prepared = True
            for letter, way in _WAYS.items():
                loss = Loss(f"{id}{letter}", 100, tuple(networks), way, duration_s)
                await asyncio.to_thread(packet_loss.inject, loss)

    async def reconnect(self, id: str) -> None:
        """End an isolation; nothing happens when it is over."""
        async with self._changing:
            for letter in _WAYS if self._prepared else ():
                await asyncio.to_thread(packet_loss.heal, f"{id}{letter}")

    async def isolated(self) -> dict[str, Any]:
        """:returns: ``{"active": {set: addresses}, "dropped_packets": n}``."""
        if not self._prepared:
            return {"active": {}, "dropped_packets": 0}
        return {
            "active": await asyncio.to_thread(packet_loss.active),
            "dropped_packets": await asyncio.to_thread(packet_loss.dropped_packets),
        }
