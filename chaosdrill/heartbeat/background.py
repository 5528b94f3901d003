"""Background tasks of the heartbeat. When one fails because of a bug, that is reported, and the beats continue."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("chaosdrill.heartbeat")


class Background:
    """Tasks that no caller waits for."""

    def __init__(self) -> None:
        self.trouble = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._until_stop: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], until_stop: bool = False) -> None:
        """Start a task. With ``until_stop`` it runs until :meth:`stop`, else as long as the process."""
        task = asyncio.create_task(work)
        tasks = self._until_stop if until_stop else self._tasks
        tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End the tasks that run until the stop."""
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
