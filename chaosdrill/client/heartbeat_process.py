"""Base class of the drill's heartbeat process, on this machine or on the client host.

The process is controlled through its page. Its records are collected into the run directory while it runs, so that
little is left to fetch at the end, and little is lost if it dies.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaosdrill import history
from chaosdrill.aws.ambiguous_result import FAILURES, both_told
from chaosdrill.client.clocks import reading
from chaosdrill.client.heartbeat_page import HeartbeatPage
from chaosdrill.client.heartbeat_records import BEATS, LEDGER, HeartbeatFiles
from chaosdrill.client.locust_rest import wait_for
from chaosdrill.errors import CannotSee, TimedOut

SOURCE = "heartbeat"
LOG_TAIL = 2000
STOPS_WITHIN_S = 20.0


class HeartbeatProcess(ABC):
    """A heartbeat of this run.

    :param page: client of its page.
    :param settings: the settings with which it was started.
    :param directory: the local directory for its records.
    """

    where = "local"
    """Where it runs, in the topology's words."""
    poll_every_s = 0.2
    """Poll interval of its page while waiting, in seconds."""

    def __init__(self, page: HeartbeatPage, settings: Mapping[str, Any], directory: Path) -> None:
        self.page, self.settings = page, settings
        self.writes = settings["write"] is not None
        self.kept = HeartbeatFiles(directory, (BEATS, LEDGER) if self.writes else (BEATS,))
        self.ended = False
        self._lock = threading.RLock()  # other threads collect from it, too

    def wait_until_it_beats(self, within_s: float) -> Mapping[str, Any]:
        """Wait until at least one beat of each operation got the expected response.

        :returns: its state then.
        :raises DrillError: when that takes longer, or the process ends; it does not run then, unless the error says so.
        """
        try:
            return wait_for(
                self._state_at_start,
                lambda state: bool(state) and all(answers[0] for answers in state["outcomes"].values()),
                within_s,
                f"the first beats to {self.settings['url']} to get the responses that the topology's "
                "`heartbeat:` describes",
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
        """Stop sending, and collect the records; :meth:`end` collects the rest.

        :returns: its last state.
        """
        if history.hurried():  # do not wait for beats that hang
            state = self.page.state()
        else:
            self.collect()  # most of the records, and the clock, which cannot be read after the stop
            state = self.page.stop(STOPS_WITHIN_S)
        history.record("heartbeat-stopped", sent=state["sent"])
        return state

    def check(self) -> None:
        """Collect the records, and check that the process is running.

        :raises CannotSee: when it has ended by itself.
        """
        with self._lock:
            self._check()

    @abstractmethod
    def _check(self) -> None:
        """Check as :meth:`check` does, with the lock held."""

    def collect(self) -> None:
        """Collect the records since the last call, and measure the heartbeat's clock.

        :raises DrillError: when they cannot be fetched.
        """
        with self._lock:
            if not self.ended:
                self._collect()

    @abstractmethod
    def _collect(self) -> None:
        """Collect from a process that has not been ended, as :meth:`collect` does."""

    def end(self, why: str = "") -> str:
        """End the process, collect the rest of its records, and record in the history what was collected. Repeating the
        call has no effect.

        :param why: why its records may be incomplete; empty: the records show it themselves.
        :returns: its log.
        :raises DrillError: when it may still be running; the call can then be repeated.
        """
        with self._lock:
            if self.ended:
                return ""
            history.record("heartbeat-ending")
            if lost := history.target_lost():
                self.give_up(lost)  # no more requests to a lost target
                return ""
            log = self._ended()
            self.ended = True
            try:
                self._collect_rest()
                self._clean()
            except (*FAILURES, OSError) as error:
                why = why or f"the rest of its records could not be fetched: {error}"
            finally:
                self.kept.tell(why)
            return log

    def give_up(self, why: str) -> None:
        """Send the process no more requests, though it may still be running, and record in the history what was
        collected.

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
        """Collect what it recorded until its end."""

    @abstractmethod
    def _clean(self) -> None:
        """Remove what it left behind, when the records are stored in the run directory."""


def record_clock(now_ns: int, sent_ns: int, came_ns: int) -> None:
    """Record in the history the offset between the heartbeat's clock and this machine's.

    :param now_ns: reading of the heartbeat's clock, taken between ``sent_ns`` and ``came_ns`` on this machine's clock.
    """
    history.record("clock-measured", source=SOURCE, **asdict(reading(now_ns, sent_ns, came_ns)))


def _outcomes(state: Mapping[str, Any]) -> str:
    """Describe in words how the beats of each operation have ended so far."""
    words = ("answered as expected", "refused", "timed out", "failed")
    each = {
        operation: ", ".join(f"{count} {word}" for count, word in zip(counts, words, strict=True))
        for operation, counts in state.get("outcomes", {}).items()
    }
    return "; ".join(f"{operation}: {said}" for operation, said in each.items()) or "no beat has ended"
