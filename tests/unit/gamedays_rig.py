"""Calendars of game days, with rules that are literal, and a ledger that does not wait for the disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chaosdrill.coordination.sqlite import SqliteStore
from chaosdrill.gamedays import tick_inputs
from chaosdrill.gamedays.calendar import Calendar, GameDay, Schedule, Window

T0 = 1_799_600_400_000  # 2027-01-10T17:00Z


@dataclass(frozen=True)
class Allows:
    """A calendar's verdict: allowed, unless it has a code."""

    code: str = ""

    @property
    def allowed(self) -> bool:
        return not self.code

    @property
    def why(self) -> str:
        return f"because of {self.code}" if self.code else ""


class Ledgers(SqliteStore):
    """A store whose time a test sets."""

    synchronous = "OFF"
    time_ms = T0

    def now_ms(self) -> int:
        return self.time_ms


def at(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).replace(tzinfo=None)


def game_day(name: str = "monthly", *instants: int, **facts: Any) -> GameDay:
    known: dict[str, Any] = {
        "id": name,
        "name": name,
        "owner": "payments",
        "experiment": Path("failover.yaml"),
        "topology": Path(f"{name}.yaml"),
        "schedule": Schedule(ZoneInfo("UTC"), times=tuple(map(at, instants or (T0,)))),
        "window": Window(time(0), time(0)),
        "worst_case_min": 30.0,
    }
    return GameDay(**{**known, **facts})


def calendar(*game_days: GameDay, file: Path = Path("gamedays.yaml"), **facts: Any) -> Calendar:
    return Calendar(file, {one.id: one for one in game_days}, **facts)


def instants(schedule: Schedule, from_ms: int, until_ms: int) -> Sequence[int]:
    found = sorted(int(one.replace(tzinfo=UTC).timestamp() * 1000) for one in schedule.times)
    return [one for one in found if from_ms <= one < until_ms]


def use_rules(patch: pytest.MonkeyPatch, forbidden: Mapping[int, str] | None = None) -> None:
    """Let what reads calendars allow every instant but the forbidden ones."""
    patch.setattr(tick_inputs, "planned_instants", instants)
    verdict = lambda _calendar, _day, planned_ms, start_ms: Allows((forbidden or {}).get(start_ms, ""))  # noqa: E731
    patch.setattr(tick_inputs, "verdict_of", verdict)
