"""The sender of one operation's beats, at their due times, independent of the outcomes of earlier beats."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from chaosdrill.heartbeat.clock import SteadyClock
from chaosdrill.heartbeat.http_client import GIVEN_UP, NOT_SENT, Exchange
from chaosdrill.heartbeat.jsonl import BeatRecorder
from chaosdrill.heartbeat.schedule import BeatSchedule
from chaosdrill.records.rows import ERROR, OK, REFUSED, TIMED_OUT

Send = Callable[[int, int], Awaitable[Exchange]]


@dataclass(frozen=True)
class Beat:
    """One beat in progress: its number, and its due time."""

    seq: int
    due_ns: int


class Prober:
    """A sender with an open model: nothing that the application does, or fails to do, changes when the next beat is
    sent.

    A beat that is overdue because this process was stalled is sent at once, and its record says how late it was. Beats
    beyond the greatest number in progress (``most_under_way``) are not sent, and the record says that.

    :param index: the operation's, in the record.
    :param accepted: the expected statuses.
    :param send: makes the request, given seq and due time.
    """

    def __init__(
        self,
        index: int,
        schedule: BeatSchedule,
        accepted: frozenset[int],
        most_under_way: int,
        send: Send,
        beats: BeatRecorder,
        clock: SteadyClock,
    ) -> None:
        self.outcomes = [0, 0, 0, 0]
        self.not_sent = 0
        self.trouble = ""
        self._index = index
        self._schedule = schedule
        self._accepted = accepted
        self._most_under_way = most_under_way
        self._send = send
        self._beats = beats
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._next = 0
        self._next_due_ns = schedule.due_ns(0)
        self._under_way: dict[asyncio.Task[None], Beat] = {}  # oldest first
        self._timer: asyncio.TimerHandle | None = None

    @property
    def due(self) -> int:
        """The number of beats that were due so far."""
        return self._next

    def begin(self) -> None:
        """Send the due beats, now and from now on."""
        self._send_due(self._clock.now_ns())
        self._timer = self._loop.call_at(self._clock.loop_s(self._next_due_ns), self.begin)

    def stop(self, at_ns: int) -> None:
        """Send the beats that were due before ``at_ns``, and no others."""
        if self._timer is not None:
            self._timer.cancel()
        self._send_due(at_ns - 1)

    async def finished(self, within_s: float) -> None:
        """Wait for the beats in progress; those that take longer than ``within_s`` are given up."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within_s)
        for task in self._under_way:
            task.cancel()
        while self._under_way:
            await asyncio.wait(self._under_way)

    def complete_until_ns(self) -> int:
        """Return the moment before which every beat that was due has been recorded."""
        oldest = next(iter(self._under_way.values()), None)
        return self._next_due_ns if oldest is None else oldest.due_ns

    def _send_due(self, now_ns: int) -> None:
        while self._next_due_ns <= now_ns:
            beat = Beat(self._next, self._next_due_ns)
            self._next += 1
            self._next_due_ns = self._schedule.due_ns(self._next)
            if len(self._under_way) >= self._most_under_way:
                self._record(beat, now_ns - beat.due_ns, Exchange(now_ns, error=NOT_SENT))
                continue
            task = self._loop.create_task(self._one(beat))
            self._under_way[task] = beat
            task.add_done_callback(self._ended)

    async def _one(self, beat: Beat) -> None:
        late_ns = self._clock.now_ns() - beat.due_ns
        try:
            exchange = await self._send(beat.seq, beat.due_ns)
        except asyncio.CancelledError:
            exchange = Exchange(self._clock.now_ns(), error=GIVEN_UP, timed_out=True)
        self._record(beat, late_ns, exchange)

    def _ended(self, task: asyncio.Task[None]) -> None:
        beat = self._under_way.pop(task)
        if error := task.exception():  # a bug of this program; the beat must be in the record all the same
            self.trouble = f"beat {beat.seq} ended with {type(error).__name__}: {error}"
            self._record(beat, 0, Exchange(self._clock.now_ns(), error=type(error).__name__))

    def _record(self, beat: Beat, late_ns: int, exchange: Exchange) -> None:
        outcome = self._outcome(exchange)
        self.outcomes[outcome] += 1
        self.not_sent += exchange.error == NOT_SENT
        row: list[Any] = [
            beat.seq,
            self._index,
            beat.due_ns,
            late_ns // 1000,
            (exchange.ended_ns - beat.due_ns) // 1000,
        ]
        self._beats.beat([*row, outcome, exchange.status, exchange.error, exchange.region, exchange.address])

    def _outcome(self, exchange: Exchange) -> int:
        if exchange.timed_out:
            return TIMED_OUT
        if exchange.error:
            return ERROR
        return OK if exchange.status in self._accepted else REFUSED
