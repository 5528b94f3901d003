"""A retry queue: checks many items at a bounded rate, and repeats those without a final result later."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGER_BY = 0.5, 5.0, 1.5
MADE_UP_FOR_S = 0.02


class Questions(Generic[T]):
    """A queue of checks, limited so that they do not disturb the beats: at most ``per_s`` a second and ``at_once`` in
    progress.

    :param ask: checks one item; returns whether the result is final.
    """

    def __init__(self, ask: Callable[[T], Awaitable[bool]], per_s: float, at_once: int) -> None:
        self._ask = ask
        self._apart_s = 1 / per_s
        self._next_at = 0.0
        self._slots = asyncio.Semaphore(at_once)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[float, int, float, T]] = []  # when, number, next pause, item
        self._number = itertools.count()
        self._news = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None

    @property
    def open(self) -> int:
        """The number of items without a final result."""
        return len(self._waiting) + len(self._under_way)

    def add(self, thing: T, in_s: float = 0.0) -> None:
        """Add an item."""
        self._put(thing, in_s, FIRST_PAUSE_S)

    async def add_all(self, things: Iterable[T]) -> None:
        """Add many items, and let the beats run in between."""
        for number, thing in enumerate(things):
            self.add(thing)
            if number % 250 == 249:
                await asyncio.sleep(0)

    async def run(self, until_answered: bool = False) -> None:
        """Check items until this is cancelled, or with ``until_answered`` until every result is final."""
        try:
            while self.open or not until_answered:
                await self._one_more()
                if self._broken is not None:
                    raise self._broken
        finally:
            for task in self._under_way:
                task.cancel()

    async def _one_more(self) -> None:
        """Start to check the next item that is due, or wait until one is."""
        in_s = self._waiting[0][0] - self._loop.time() if self._waiting else None
        if in_s is None or in_s > 0:
            self._news.clear()
            try:
                async with asyncio.timeout(in_s):
                    await self._news.wait()
            except TimeoutError:
                pass
            return
        # on a grid, so that delays do not add up; checks that were missed long ago are not made up for
        self._next_at = max(self._next_at + self._apart_s, self._loop.time() - MADE_UP_FOR_S)
        await self._slots.acquire()
        _, _, pause_s, thing = heapq.heappop(self._waiting)
        task = self._loop.create_task(self._one(thing, pause_s))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        await asyncio.sleep(max(0.0, self._next_at - self._loop.time()))

    async def _one(self, thing: T, pause_s: float) -> None:
        if not await self._ask(thing):
            self._put(thing, pause_s, min(LONGEST_PAUSE_S, pause_s * LONGER_BY))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            self._broken = self._broken or task.exception()
        self._slots.release()
        if self._broken is not None or not self.open:  # otherwise nothing has changed for a waiter
            self._news.set()

    def _put(self, thing: T, in_s: float, pause_s: float) -> None:
        number = next(self._number)
        heapq.heappush(self._waiting, (self._loop.time() + in_s, number, pause_s, thing))
        if self._waiting[0][1] == number:  # waking up costs as much as a check
            self._news.set()
