"""What needs attention: silence, drills that died, findings that are overdue, holidays to be reviewed, … Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chaosdrill.gamedays.calendar import Calendar, GameDay, HolidaySource
from chaosdrill.gamedays.decisions import (
    DAY_MS,
    MINUTE_MS,
    Rules,
    Snapshot,
    due,
    latest_start_ms,
    series_of,
    series_text,
)
from chaosdrill.gamedays.findings import TrackedFinding
from chaosdrill.gamedays.instants import local_time
from chaosdrill.gamedays.notifications.delivery import Delivery

SILENT_MS = 5 * MINUTE_MS  # a tick comes each minute
OUTCOME_WITHIN_MS = 5 * MINUTE_MS  # after an occurrence can no longer begin
REVIEW_AHEAD = timedelta(days=30)  # before the last day of holidays that a person has reviewed
PLANNED_WITHIN_MS = 400 * DAY_MS  # from now on, in which the next occurrence is looked for


@dataclass(frozen=True)
class Alert:
    """One thing that needs attention.

    :param code: ``tick-silent``, ``outcome-missing``, ``drill-died``, ``series``, ``calendar-conflict``,
        ``finding-overdue``, ``holidays-review-due`` or ``notification-failed``.
    :param game_day: its id; empty when it is not of a single one.
    """

    code: str
    game_day: str
    why: str

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def alerts_of(
    calendar: Calendar,
    snapshot: Snapshot,
    rules: Rules,
    deliveries: Sequence[Delivery] = (),
    findings: Sequence[TrackedFinding] = (),
) -> list[Alert]:
    """List everything that needs attention now.

    :param deliveries: those of the last days.
    :param findings: of every system of the calendar.
    """
    found: list[Alert] = []
    for game_day in calendar.game_days.values():
        if contested := snapshot.contested(game_day.id):
            found.append(Alert(contested.code, game_day.id, contested.text))
        found += _silence(game_day, snapshot)
        found += _of_occurrences(game_day, snapshot, rules)
    found += _overdue(findings, _today(snapshot))
    found += _holidays_to_review(calendar, snapshot, rules)
    for one in deliveries:
        if one.state == "failed" and snapshot.now_ms - one.created_ms <= DAY_MS:
            why = f"channel {one.channel} did not deliver {one.message.notice}: {one.why}"
            found.append(Alert("notification-failed", one.message.game_day, why))
    return found


def _silence(game_day: GameDay, snapshot: Snapshot) -> Iterator[Alert]:
    plan = snapshot.plans.get(game_day.id)
    if plan is None:
        why = "no tick has ever read it: call `chaosdrill gameday tick` each minute (`chaosdrill gameday install`)"
        yield Alert("tick-silent", game_day.id, why)
    elif snapshot.now_ms - plan.seen_ms > SILENT_MS:
        why = f"the last tick that read it was at {_utc(plan.seen_ms)}: check what calls `chaosdrill gameday tick`"
        yield Alert("tick-silent", game_day.id, why)


def _of_occurrences(game_day: GameDay, snapshot: Snapshot, rules: Rules) -> Iterator[Alert]:
    for one in due(game_day, snapshot, rules):
        if snapshot.now_ms > latest_start_ms(game_day, one.planned_ms) + OUTCOME_WITHIN_MS:
            yield Alert("outcome-missing", game_day.id, f"{one.key} has no outcome, and can no longer begin")
    entries = snapshot.of(game_day.id)
    tried = [one for one in entries if one.outcome not in ("claimed", "skipped")]
    if tried and tried[-1].outcome == "died":
        rescue = f"`chaosdrill rescue {tried[-1].run}`" if tried[-1].run else "`chaosdrill status`"
        yield Alert("drill-died", game_day.id, f"{tried[-1].occurrence.key}: {tried[-1].why}: see {rescue}")
    if series := series_of(entries):
        yield Alert("series", game_day.id, series_text(series))


def _overdue(findings: Sequence[TrackedFinding], today: date) -> Iterator[Alert]:
    for one in findings:
        if one.is_overdue(today):
            what = f"{one.name} ({one.subject})" if one.subject else one.name
            whose = f"owner {one.owner}" + (f", ticket {one.ticket}" if one.ticket else "")
            fix = f"fix it and drill again; `chaosdrill gameday findings {one.id}` says what would close it"
            late = f"was due on {one.due}" if one.due else "has no due date"
            why = f"{one.id} of {one.system}, {one.experiment}: {what} {late} ({whose}): {fix}"
            yield Alert("finding-overdue", "", why)


def _holidays_to_review(calendar: Calendar, snapshot: Snapshot, rules: Rules) -> Iterator[Alert]:
    """Yield the sources of holidays without which occurrences will be refused, before the first one is."""
    for source in calendar.holidays.values():
        ends = {one.id: end for one in _users(calendar, source) if (end := _next_end(one, snapshot, rules))}
        if not ends:
            continue
        if source.reviewed_until < max(_today(snapshot) + REVIEW_AHEAD, min(ends.values())):
            last = f"the holidays of {source.name} are reviewed until {source.reviewed_until}"
            what = f"later occurrences of {', '.join(ends)} are refused (holidays-not-reviewed)"
            fix = "compare the holidays with the announced ones, then set reviewed_until to a later day"
            yield Alert("holidays-review-due", "", f"{last}, and {what}: {fix}")


def _users(calendar: Calendar, source: HolidaySource) -> Iterator[GameDay]:
    for game_day in calendar.game_days.values():
        if any(source.name in calendar.blackouts[name].holidays for name in game_day.blackouts):
            yield game_day


def _next_end(game_day: GameDay, snapshot: Snapshot, rules: Rules) -> date | None:
    """Return the local day on which the next occurrence ends in the worst case; None when none is planned."""
    now_ms = snapshot.now_ms
    planned = rules.instants(game_day.schedule, now_ms + 1, now_ms + PLANNED_WITHIN_MS)
    if not planned:
        return None
    return local_time(planned[0] + round(game_day.worst_case_min * MINUTE_MS), game_day.schedule.zone).date()


def _today(snapshot: Snapshot) -> date:
    return datetime.fromtimestamp(snapshot.now_ms / 1000, UTC).date()


def _utc(instant_ms: int) -> str:
    return f"{datetime.fromtimestamp(instant_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"
