"""Asks about many things in turn, at a bounded rate, and again later about those that cannot be answered yet."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGER_BY = 0.5, 5.0, 1.5
MADE_UP_FOR_S = 0.02


class Questions(Generic[T]):
    """So that asking does not disturb the beats: ``per_s`` a second and ``at_once`` under way, at the most.

    :param ask: asks about one thing; whether that is answered for good.
    """

    def __init__(self, ask: Callable[[T], Awaitable[bool]], per_s: float, at_once: int) -> None:
        self._ask = ask
        self._apart_s = 1 / per_s
        self._next_at = 0.0
        self._slots = asyncio.Semaphore(at_once)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[float, int, float, T]] = []  # when, number, next pause, what
        self._number = itertools.count()
        self._news = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None

    @property
    def open(self) -> int:
        """How many are not answered for good."""
        return len(self._waiting) + len(self._under_way)

    def add(self, thing: T, in_s: float = 0.0) -> None:
        """Ask about one more thing."""
        self._put(thing, in_s, FIRST_PAUSE_S)

    async def add_all(self, things: Iterable[T]) -> None:
        """Ask about many; the beats are let through in between."""
        for number, thing in enumerate(things):
            self.add(thing)
            if number % 250 == 249:
                await asyncio.sleep(0)

    async def run(self, until_answered: bool = False) -> None:
        """Ask until this is cancelled, or with ``until_answered`` until nothing is open."""
        try:
            while self.open or not until_answered:
                await self._one_more()
                if self._broken is not None:
                    raise self._broken
        finally:
            for task in self._under_way:
                task.cancel()

    async def _one_more(self) -> None:
        """Begin to ask about the next thing that is due, or wait for what changes that."""
        in_s = self._waiting[0][0] - self._loop.time() if self._waiting else None
        if in_s is None or in_s > 0:
            self._news.clear()
            try:
                async with asyncio.timeout(in_s):
                    await self._news.wait()
            except TimeoutError:
                pass
            return
        # on a grid, so that wakening late does not add up; what was missed long ago is not made up for
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
        if self._broken is not None or not self.open:  # else nothing has changed for whoever waits for the next one
            self._news.set()

    def _put(self, thing: T, in_s: float, pause_s: float) -> None:
        number = next(self._number)
        heapq.heappush(self._waiting, (self._loop.time() + in_s, number, pause_s, thing))
        if self._waiting[0][1] == number:  # each waking costs as much as a question
            self._news.set()
