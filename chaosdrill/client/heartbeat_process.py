"""A heartbeat that belongs to the drill: on this machine, or on the client host. What both have in common.

It is asked through its page, and what it records is taken into the run directory while it beats, so that little is left
to be fetched at the end, and little is lost when it dies.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaosdrill import history
from chaosdrill.aws.doubt import FAILURES, both_told
from chaosdrill.client.clocks import reading
from chaosdrill.client.heartbeat_page import HeartbeatPage
from chaosdrill.client.heartbeat_records import BEATS, LEDGER, Kept
from chaosdrill.client.locust_rest import wait_for
from chaosdrill.errors import CannotSee, TimedOut

SOURCE = "heartbeat"
LOG_TAIL = 2000
STOPS_WITHIN_S = 20.0


class HeartbeatProcess(ABC):
    """A heartbeat of this run.

    :param page: its page.
    :param settings: what it was started with.
    :param directory: where what it records is kept here.
    """

    where = "local"
    """Where it runs, as the topology calls it."""
    poll_every_s = 0.2
    """How often its page is asked while something is waited for, in seconds."""

    def __init__(self, page: HeartbeatPage, settings: Mapping[str, Any], directory: Path) -> None:
        self.page, self.settings = page, settings
        self.writes = settings["write"] is not None
        self.kept = Kept(directory, (BEATS, LEDGER) if self.writes else (BEATS,))
        self.ended = False
        self._lock = threading.RLock()  # it is collected from beside the main line, too

    def wait_until_it_beats(self, within_s: float) -> Mapping[str, Any]:
        """:returns: its state once each operation was answered as it should be.

        :raises DrillError: when that takes longer, or it ends instead; nothing runs then, unless the error says so.
        """
        try:
            return wait_for(
                self._state_at_start,
                lambda state: bool(state) and all(answers[0] for answers in state["outcomes"].values()),
                within_s,
                f"the first beats to {self.settings['url']} to be answered as the topology's `heartbeat:` says",
                self.poll_every_s,
                code="heartbeat-not-answered",
                describe=_outcomes,
            )
        except BaseException as error:
            with both_told(error):
                log = self.end("it did not begin to beat")
            if isinstance(error, TimedOut):
                raise TimedOut(f"{error}; its log ends with:\n{log[-LOG_TAIL:]}", code=error.code) from error
            raise

    def _state_at_start(self) -> Mapping[str, Any]:
        try:
            return self.page.state()
        except CannotSee:
            self.check()
            return {}

    def stop(self) -> Mapping[str, Any]:
        """Send nothing more, and take over what was recorded: :meth:`end` takes the rest.

        :returns: its last state.
        """
        if history.hurried():  # nobody waits for beats that hang
            state = self.page.state()
        else:
            self.collect()  # most of it, and the clock, which nobody tells afterwards
            state = self.page.stop(STOPS_WITHIN_S)
        history.record("heartbeat-stopped", sent=state["sent"])
        return state

    def check(self) -> None:
        """Know what it has recorded until now, and that it goes on.

        :raises CannotSee: when it has ended by itself.
        """
        with self._lock:
            self._check()

    @abstractmethod
    def _check(self) -> None:
        """As :meth:`check`."""

    def collect(self) -> None:
        """Take over what was recorded since the last time, and measure its clock.

        :raises DrillError: when it cannot be had.
        """
        with self._lock:
            if not self.ended:
                self._collect()

    @abstractmethod
    def _collect(self) -> None:
        """As :meth:`collect`, of one that has not been ended."""

    def end(self, why: str = "") -> str:
        """End it, take over what is left of its records, and tell the history what there is; a second time nothing.

        :param why: why its records may not be whole; empty: they say it themselves.
        :returns: its log.
        :raises DrillError: when it may run on: then it can be ended again.
        """
        with self._lock:
            if self.ended:
                return ""
            history.record("heartbeat-ending")
            if lost := history.target_lost():
                self.give_up(lost)  # nobody is asked any more
                return ""
            log = self._ended()
            self.ended = True
            try:
                self._collect_rest()
                self._clean()
            except (*FAILURES, OSError) as error:
                why = why or f"what was left of its records could not be fetched: {error}"
            finally:
                self.kept.tell(why)
            return log

    def give_up(self, why: str) -> None:
        """Ask it no more, though it may run on, and tell the history what there is of its records.

        :param why: why it cannot be ended.
        """
        with self._lock:
            self.ended = True
            self.kept.tell(f"the heartbeat could not be ended: {why}")

    @abstractmethod
    def _ended(self) -> str:
        """End the process.

        :returns: its log.
        """

    @abstractmethod
    def _collect_rest(self) -> None:
        """Take over what it has recorded until its end."""

    @abstractmethod
    def _clean(self) -> None:
        """Remove what it has left, where that is kept here."""


def record_clock(now_ns: int, sent_ns: int, came_ns: int) -> None:
    """Write to the history by how much the heartbeat's clock is ahead of this machine's.

    :param now_ns: what it said, between ``sent_ns`` and ``came_ns`` of this machine's clock.
    """
    history.record("clock-measured", source=SOURCE, **asdict(reading(now_ns, sent_ns, came_ns)))


def _outcomes(state: Mapping[str, Any]) -> str:
    """How the beats of each operation ended so far, in words."""
    words = ("answered as expected", "refused", "timed out", "failed")
    each = {
        operation: ", ".join(f"{count} {word}" for count, word in zip(counts, words, strict=True))
        for operation, counts in state.get("outcomes", {}).items()
    }
    return "; ".join(f"{operation}: {said}" for operation, said in each.items()) or "no beat has ended"
