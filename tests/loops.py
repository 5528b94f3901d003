"""Ends what an event loop still does, before it is closed: else a later test is blamed for what is left of it."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from tests.waiting import LONG_S

QUIET_ROUNDS = 5
OWN = 1  # a loop has a socket of its own, by which other threads wake it


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """As ``asyncio.run``, and its connections have ended then."""

    async def whole() -> Any:
        try:
            return await coroutine
        finally:
            await connections_ended()

    return asyncio.run(whole())


async def connections_ended() -> None:
    """Wait until the loop watches no socket any more: those that were closed are given up in later rounds of it."""
    watched = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
    give_up = time.monotonic() + LONG_S
    while len(watched) > OWN and time.monotonic() < give_up:
        await asyncio.sleep(0.01)
    for _ in range(QUIET_ROUNDS):
        await asyncio.sleep(0)


async def end_everything(server: asyncio.Server) -> None:
    """Close a server, and cancel what goes on in its loop until nothing does any more.

    Once is not enough: a connection that has just been accepted becomes a task in a later round of the loop.
    """
    server.close()
    quiet = 0
    while quiet < QUIET_ROUNDS:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        quiet = 0 if tasks else quiet + 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
    await connections_ended()
