"""The cloud's network: isolation of a region's addresses by the kernel, for a limited time."""

import asyncio
from typing import Any

from chaosdrill.lab import packet_loss
from chaosdrill.lab.packet_loss import LossRule

_WAYS = {"a": "arriving", "l": "leaving"}


class Cloud:
    """Isolation of addresses in this process's network namespace, the cloud. The rules are set up at the first use."""

    def __init__(self) -> None:
        self._prepared = False
        self._changing = asyncio.Lock()

    async def isolate(self, id: str, networks: list[str], duration_s: float) -> None:
        """Drop every packet to or from an address of the networks, including packets between them.

        :param id: at most 15 letters and digits.
        :param duration_s: after how many seconds the kernel ends it.
        :raises LabError: when this kernel does not support it.
        :undo: :meth:`reconnect`
        """
        async with self._changing:
            if not self._prepared:
                await asyncio.to_thread(packet_loss.prepare)
                self._prepared = True
            for letter, way in _WAYS.items():
                loss = LossRule(f"{id}{letter}", 100, tuple(networks), way, duration_s)
                await asyncio.to_thread(packet_loss.inject, loss)

    async def reconnect(self, id: str) -> None:
        """End an isolation; has no effect when it has ended."""
        async with self._changing:
            for letter in _WAYS if self._prepared else ():
                await asyncio.to_thread(packet_loss.heal, f"{id}{letter}")

    async def isolated(self) -> dict[str, Any]:
        """Return the state of the isolation: ``{"active": {set: addresses}, "dropped_packets": n}``."""
        if not self._prepared:
            return {"active": {}, "dropped_packets": 0}
        return {
            "active": await asyncio.to_thread(packet_loss.active),
            "dropped_packets": await asyncio.to_thread(packet_loss.dropped_packets),
        }
