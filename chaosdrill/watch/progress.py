"""The progress of a drill: the state that results from everything read so far."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.time_zones import NS, ONLY_UTC, Zone, local
from chaosdrill.watch.beats import LiveBeats, OngoingOutage, roles
from chaosdrill.watch.event_texts import Event, in_words, single_line

RECENT_S = 5.0
LAST = 50  # changes kept
ONGOING, CLOSED, DIED = "ongoing", "closed", "died"


@dataclass(frozen=True)
class ProgressEvent:
    """A change in the drill.

    :param at_s: its time, in s since the epoch.
    :param words: its description, in one line.
    :param facts: its data, for machines.
    """

    at_s: float
    words: str
    facts: Mapping[str, Any]


@dataclass
class DrillProgress:
    """The known state of a drill. Times are in s since the epoch.

    It is updated by ``take_event``, ``take_bucket`` and ``take_row``.

    :param run: the id of the run.
    :param zone: the time zone of the local times shown next to UTC.
    :param state: ongoing, closed, or died.
    """

    run: str
    zone: Zone = ONLY_UTC
    state: str = ONGOING
    title: str = ""
    target: str = ""
    scale: float | None = None
    began_s: float | None = None
    ended_s: float | None = None
    last_s: float | None = None
    phase: str = "starting"
    phase_since_s: float | None = None
    step: str = ""
    step_since_s: float | None = None
    steps_done: int = 0
    steps_planned: int = 0
    region: str = "?"
    region_since_s: float | None = None
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    beats: LiveBeats = field(default_factory=LiveBeats)
    buckets: deque[tuple[float, float, float]] = field(default_factory=deque)
    changes: deque[ProgressEvent] = field(default_factory=lambda: deque(maxlen=LAST))

    def take_event(self, event: Event) -> list[ProgressEvent]:
        """Process an event of the history.

        :returns: the changes that it causes.
        """
        at_s = _seconds(event.get("at")) or self.last_s or 0.0
        self.last_s = at_s
        self._note(text(event.get("event")), event, at_s)
        words = in_words(event)
        return [self._changed(at_s, words, {"event": single_line(text(event.get("event")))})] if words else []

    def _note(self, name: str, event: Event, at_s: float) -> None:
        if name == "drill-opened":
            self._opened(event, at_s)
        elif name == "target-opened":
            self.target, self.scale = single_line(text(event.get("target"))), number(event.get("scale"))
        elif name == "phase":
            self.phase, self.phase_since_s = single_line(text(event.get("phase"))), at_s
        elif name == "activity-started":
            self.step, self.step_since_s = single_line(text(event.get("activity"))), at_s
        elif name == "activity-ended":
            self.step, self.step_since_s = "", None
            self.steps_done += 1
        elif name == "region-state":
            self.region, self.region_since_s = single_line(text(event.get("state"))), at_s
        elif name == "region-facts":
            self.beats.take_facts(event)
        elif name == "clock-measured":
            self.beats.take_clock(event)
        elif name == "drill-closed":
            self.state, self.ended_s = CLOSED, at_s
            self.verdict = single_line(text(event.get("verdict")))
            self.reasons = tuple(single_line(text(one)) for one in sequence(event.get("reasons")))

    def _opened(self, event: Event, at_s: float) -> None:
        self.began_s, self.title = at_s, single_line(text(event.get("title")))
        self.target = single_line(text(event.get("target")))
        self.roles = roles(event.get("configuration"))
        self.steps_planned = sum(len(sequence(steps)) for steps in mapping(event.get("planned")).values())

    def take_bucket(self, row: Any) -> None:
        """Process a line of ``timeline.jsonl``: ``[start, succeeded, failed]`` of a tenth of a second."""
        values = [number(value) for value in row[:3]]
        if len(values) == 3 and None not in values:
            start_s, good, bad = (float(value or 0) for value in values)
            self.buckets.append((start_s, max(0.0, good), max(0.0, bad)))
            while self.buckets and self.buckets[0][0] < start_s - RECENT_S:
                self.buckets.popleft()

    def take_row(self, row: Any) -> list[ProgressEvent]:
        """Process a line of ``records/beats.jsonl``.

        :returns: the changes that it causes.
        """
        return [self._outage(one) for one in self.beats.take(row)]

    def _outage(self, outage: OngoingOutage) -> ProgressEvent:
        if outage.until_s is None:
            words, name = "OUTAGE: clients are without service (heartbeat)", "outage-began"
        else:
            words = f"clients are served again after {outage.until_s - outage.since_s:.1f} s without service"
            name = "outage-ended"
        at_s = outage.since_s if outage.until_s is None else outage.until_s
        return self._changed(at_s, words, {"event": name, "since_s": outage.since_s, "until_s": outage.until_s})

    def died(self, at_s: float) -> ProgressEvent:
        """Record that the drill died: its history has no end, and no process writes it."""
        self.state, self.ended_s = DIED, self.last_s
        since = f", {at_s - self.last_s:.0f} s ago" if self.last_s is not None else ""
        last = self.clock(self.last_s)
        words = f"THE DRILL DIED: its history has no writer any more; its last event was at {last}{since}"
        return self._changed(at_s, words, {"event": "died"})

    def _changed(self, at_s: float, words: str, facts: Mapping[str, Any]) -> ProgressEvent:
        change = ProgressEvent(at_s, words, facts)
        self.changes.append(change)
        return change

    def clock(self, at_s: float | None) -> str:
        """Format a time as ``09:30:00`` in UTC, with the local time in brackets if it differs."""
        try:
            utc = time.strftime("%H:%M:%S", time.gmtime(at_s)) if at_s is not None else "?"
            beside = local(round(at_s * NS), self.zone) if at_s is not None else ""
        except (OverflowError, OSError, ValueError):
            return "?"
        return f"{utc} ({beside})" if beside else utc

    @property
    def error_ratio(self) -> float | None:
        """The share of Locust's requests that failed in the last 5 s of data; None without requests."""
        good, bad = (sum(bucket[part] for bucket in self.buckets) for part in (1, 2))
        return bad / (good + bad) if good + bad else None

    @property
    def load_known_until_s(self) -> float | None:
        """When the last known tenth of a second of the load began."""
        return self.buckets[-1][0] if self.buckets else None


def _seconds(at: Any) -> float | None:
    try:
        return datetime.fromisoformat(text(at)).timestamp()
    except (ValueError, OverflowError):
        return None
