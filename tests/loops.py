"""Ends what an event loop still does, before it is closed."""

import asyncio

QUIET_ROUNDS = 5


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
