"""Live evaluation of the heartbeat: the region that served in each second, and outages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.records.rows import BEAT, BEATS, OK

KEPT_S = 3600  # seconds kept for the strip
OUTAGE_S = 1.0  # unserved beats of one operation are an outage after this time, before it degraded service
LONGEST = 64  # characters of a region's or an operation's name
_OPERATION, _DUE_NS, _DURATION_US, _OUTCOME, _REGION, _ADDRESS = map(
    BEATS.place, ("operation", "due_ns", "duration_us", "outcome", "region", "address")
)
LEAST_LENGTH = _REGION + 1  # the address came later
LATEST_S = 4e9  # no beat of a drill is due after the year 2096


@dataclass
class Second:
    """The beats that were due in one second.

    :param regions: how many beats each region served.
    :param operations: for each operation whether one of its beats was served.
    :param unserved: how many beats were not served.
    """

    regions: dict[str, int] = field(default_factory=dict)
    operations: dict[str, bool] = field(default_factory=dict)
    unserved: int = 0

    @property
    def region(self) -> str | None:
        """The region that served most of them; None when no beat of some operation was served."""
        if not self.regions or not all(self.operations.values()):
            return None
        return max(self.regions, key=lambda region: self.regions[region])


@dataclass(frozen=True)
class OngoingOutage:
    """A time in which beats of an operation were not served, in s since the epoch.

    :param until_s: None: it has not ended.
    """

    since_s: float
    until_s: float | None = None


@dataclass
class _Streak:
    since_s: float | None = None
    told: bool = False


class LiveBeats:
    """The evaluation of the rows of ``beats.jsonl``; invalid rows are skipped.

    :ivar newest_s: when the newest beat was due, by the recorder's clock; None before the first.
    """

    def __init__(self) -> None:
        self.seconds: dict[int, Second] = {}
        self.newest_s: float | None = None
        self.outages: list[OngoingOutage] = []
        self._deadline_us = 1e6
        self._offset_s = 0.0
        self._regions: dict[str, str] = {}  # by address
        self._streaks: dict[Any, _Streak] = {}
        self._since_s: float | None = None  # of the current outage

    def take_clock(self, event: Mapping[str, Any]) -> None:
        """Process a measurement of the heartbeat's clock offset."""
        offset_ns = number(event.get("offset_ns"))
        if event.get("source") == "heartbeat" and offset_ns is not None:
            self._offset_s = offset_ns / 1e9

    def take_facts(self, event: Mapping[str, Any]) -> None:
        """Process a read of the region facts, which gives the region of the domain's addresses if it is one region."""
        answer = mapping(mapping(event.get("facts")).get("dns"))
        regions = sequence(answer.get("regions"))
        if len(regions) == 1:
            self._regions |= {str(address): text(regions[0]) for address in sequence(answer.get("addresses"))}

    def take(self, row: Any) -> list[OngoingOutage]:
        """Process a row of the file.

        :returns: the outages that began or ended with it.
        """
        if isinstance(row, dict):
            deadline_s = number(row.get("deadline_s"))
            self._deadline_us = deadline_s * 1e6 if deadline_s else self._deadline_us
            return []
        beat = sequence(row)
        if len(beat) < LEAST_LENGTH or beat[0] != BEAT:
            return []
        due_ns, duration_us = number(beat[_DUE_NS]), number(beat[_DURATION_US])
        if due_ns is None or duration_us is None or not 0 < due_ns / 1e9 - self._offset_s < LATEST_S:
            return []
        served = beat[_OUTCOME] == OK and duration_us <= self._deadline_us
        due_s = due_ns / 1e9 - self._offset_s
        operation = str(beat[_OPERATION])[:LONGEST]
        self._count(due_s, operation, self._region(beat)[:LONGEST] if served else None)
        return self._outages(operation, due_s, served)

    def _region(self, beat: Sequence[Any]) -> str:
        """Return the region that responded, from the response or from its address; empty if unknown."""
        return text(beat[_REGION]) or self._regions.get(text(beat[_ADDRESS]) if len(beat) > _ADDRESS else "", "")

    def _count(self, due_s: float, operation: str, region: str | None) -> None:
        second = self.seconds.setdefault(int(due_s), Second())
        second.operations[operation] = second.operations.get(operation, False) or region is not None
        if region is None:
            second.unserved += 1
        else:
            second.regions[region] = second.regions.get(region, 0) + 1
        self.newest_s = max(self.newest_s or due_s, due_s)
        while len(self.seconds) > KEPT_S:
            del self.seconds[min(self.seconds)]

    def _outages(self, operation: str, due_s: float, served: bool) -> list[OngoingOutage]:
        streak = self._streaks.setdefault(operation, _Streak())
        if served:
            streak.since_s, streak.told = None, False
            return self._ended(due_s)
        if streak.since_s is None:
            streak.since_s = due_s
        if streak.told or due_s - streak.since_s < OUTAGE_S:
            return []
        streak.told = True
        if self._since_s is not None:
            return []
        self._since_s = streak.since_s
        return [OngoingOutage(streak.since_s)]

    def _ended(self, due_s: float) -> list[OngoingOutage]:
        if self._since_s is None or any(streak.told for streak in self._streaks.values()):
            return []
        outage = OngoingOutage(self._since_s, max(due_s, self._since_s))
        self.outages.append(outage)
        self._since_s = None
        return [outage]

    @property
    def out_since_s(self) -> float | None:
        """When the current outage began, in s since the epoch; None without one, or if it is unknown."""
        return self._since_s


def roles(configuration: Any) -> dict[str, str]:
    """Return the role of each region, home or standby, in a drill's configuration."""
    known = mapping(configuration)
    return {
        text(known.get(f"{role}_region")): role for role in ("standby", "home") if text(known.get(f"{role}_region"))
    }
