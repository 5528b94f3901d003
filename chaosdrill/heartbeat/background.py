"""What goes on beside the beats. When one of it fails by a mistake, that is told, and the beats go on."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("chaosdrill.heartbeat")


class Background:
    """Tasks that nobody waits for."""

    def __init__(self) -> None:
        self.trouble = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._until_stop: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], until_stop: bool = False) -> None:
        """Let it go on; ``until_stop``: until :meth:`stop`, else as long as the process."""
        task = asyncio.create_task(work)
        tasks = self._until_stop if until_stop else self._tasks
        tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End what goes on until the stop."""
        ending = list(self._until_stop)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._until_stop.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a part of the heartbeat has failed", exc_info=error)
            self.trouble = f"a part of the heartbeat has failed: {type(error).__name__}: {error}: see its log"
