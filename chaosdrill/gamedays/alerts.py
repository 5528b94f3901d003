"""What needs attention: silence, drills that died, series that proved nothing, failed notifications. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from chaosdrill.gamedays.calendar import Calendar, GameDay
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
from chaosdrill.gamedays.notifications.delivery import Delivery

SILENT_MS = 5 * MINUTE_MS  # a tick comes each minute
OUTCOME_WITHIN_MS = 5 * MINUTE_MS  # after an occurrence can no longer begin


@dataclass(frozen=True)
class Alert:
    """One thing that needs attention.

    :param code: ``tick-silent``, ``outcome-missing``, ``drill-died``, ``series`` or ``notification-failed``.
    :param game_day: its id; empty for all.
    """

    code: str
    game_day: str
    why: str

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def alerts_of(calendar: Calendar, snapshot: Snapshot, rules: Rules, deliveries: Sequence[Delivery] = ()) -> list[Alert]:
    """List everything that needs attention now.

    :param deliveries: those of the last days.
    """
    found: list[Alert] = []
    for game_day in calendar.game_days.values():
        found += _silence(game_day, snapshot)
        found += _of_occurrences(game_day, snapshot, rules)
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


def _utc(instant_ms: int) -> str:
    return f"{datetime.fromtimestamp(instant_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"
