"""What will become of planned occurrences as far as the calendar and the ledger say, and why. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from chaosdrill.gamedays.calendar import Calendar, GameDay, Occurrence
from chaosdrill.gamedays.calendar_verdict import CalendarVerdict, verdict_of
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.instants import MINUTE_MS, local_time, planned_instants
from chaosdrill.gamedays.ledger import Pause

Status = Literal["planned", "forbidden", "paused", "recorded"]


@dataclass(frozen=True)
class LedgerReading:
    """What the ledger says of the occurrences of an interval.

    :param pauses: by game day.
    :param problem: why it could not be read; empty: it was read.
    """

    entries: Mapping[Occurrence, Entry] = field(default_factory=dict)
    pauses: Mapping[str, Sequence[Pause]] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class PlannedOccurrence:
    """An occurrence with what is known of it.

    :param entry: of the ledger; None: it has none yet.
    :param pause: that covers it; None: none does.
    """

    game_day: GameDay
    occurrence: Occurrence
    verdict: CalendarVerdict
    entry: Entry | None = None
    pause: Pause | None = None

    @property
    def end_ms(self) -> int:
        """When its drill ends in the worst case, in milliseconds since 1970."""
        return self.occurrence.planned_ms + round(self.game_day.worst_case_min * MINUTE_MS)

    @property
    def status(self) -> Status:
        """``recorded`` when the ledger has an outcome, else whether calendar and pauses allow it."""
        if self.entry is not None:
            return "recorded"
        if self.pause is not None:
            return "paused"
        return "planned" if self.verdict.allowed else "forbidden"

    @property
    def why(self) -> str:
        """Why it does not take place, or what the ledger has recorded; empty while it is planned."""
        if self.entry is not None:
            result = self.entry.verdict or self.entry.why
            return f"{self.entry.outcome}: {result}" if result else self.entry.outcome
        if self.pause is not None:
            by, why = (
                f" {word} {text}" if text else "" for word, text in (("by", self.pause.by), ("for", self.pause.why))
            )
            return f"paused until {_iso(self.pause.until_ms)}{by}{why}"
        return self.verdict.why

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, with the reason of each rule; times in UTC and in the game day's zone."""
        planned_ms, zone = self.occurrence.planned_ms, self.game_day.schedule.zone
        return {
            "game_day": self.game_day.id,
            "occurrence": self.occurrence.key,
            "planned": _iso(planned_ms),
            "planned_local": local_time(planned_ms, zone).isoformat(),
            "zone": str(zone),
            "latest_end": _iso(self.end_ms),
            "status": self.status,
            "code": self.entry.code if self.entry else "paused" if self.pause else self.verdict.code,
            "why": str(self.why),
            "outcome": self.entry.outcome if self.entry else None,
            "reasons": [
                {"rule": one.rule, "allows": not one.code, "code": one.code, "text": str(one.text)}
                for one in self.verdict.reasons
            ],
        }


def occurrences_between(
    calendar: Calendar, from_ms: int, until_ms: int, ledger: LedgerReading, only: Sequence[str] = ()
) -> list[PlannedOccurrence]:
    """List the occurrences that are planned in an interval, ascending, those that do not take place included.

    :param until_ms: exclusive.
    :param only: ids of game days; empty: all.
    """
    chosen = [one for one in calendar.game_days.values() if not only or one.id in only]
    found = [one for game_day in chosen for one in _of_game_day(calendar, game_day, from_ms, until_ms, ledger)]
    return sorted(found, key=lambda one: (one.occurrence.planned_ms, one.game_day.id))


def _of_game_day(
    calendar: Calendar, game_day: GameDay, from_ms: int, until_ms: int, ledger: LedgerReading
) -> Iterator[PlannedOccurrence]:
    for planned_ms in planned_instants(game_day.schedule, from_ms, until_ms):
        occurrence = Occurrence(game_day.id, planned_ms)
        pause = next((one for one in ledger.pauses.get(game_day.id, ()) if one.covers(planned_ms)), None)
        verdict = verdict_of(calendar, game_day, planned_ms)
        yield PlannedOccurrence(game_day, occurrence, verdict, ledger.entries.get(occurrence), pause)


def conditions_of(game_day: GameDay) -> list[str]:
    """List what is checked only when an occurrence begins: nobody can tell before."""
    found = []
    if game_day.approval is not None:
        by = ", ".join(game_day.approval.by)
        found.append(f"it is approved at least {game_day.approval.until_min} min before, by one of {by}")
    if game_day.after is not None:
        found.append(f"{game_day.after.game_day} has passed within the {game_day.after.within_h:g} h before")
    guards = game_day.guards
    found += ["the preflight finds nothing that refuses"] * guards.preflight
    found += ["no alarm of the topology is in ALARM"] * guards.alarms_quiet
    found += [f"the probe {one.get('name', '')!r} is within its tolerance" for one in guards.probes]
    budgets = (
        (guards.budget.drills, "drills"),
        (guards.budget.fis_minutes, "minutes of FIS"),
        (guards.budget.error_seconds, "seconds without service"),
    )
    return found + [f"the budget of the month, {limit:g} {unit}, is not used up" for limit, unit in budgets if limit]


def _iso(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
