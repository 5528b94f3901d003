"""Calendars of game days for tests."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from chaosdrill.gamedays.calendar import Calendar, Channel, GameDay, Occurrence, Schedule, Window

PLANNED_MS = int(datetime(2027, 1, 10, 17, 0, tzinfo=UTC).timestamp() * 1000)
OCCURRENCE = Occurrence("monthly-failover", PLANNED_MS)


def channel(name: str, kind: Any, language: Any = "en", **settings: Any) -> Channel:
    """Return a channel with settings."""
    return Channel(name, kind, settings, language)


def calendar_with(*channels: Channel, notify: tuple[str, ...] | None = None) -> Calendar:
    """Return a calendar of one game day that notifies the channels.

    :param notify: names of channels; default: all.
    """
    known: Mapping[str, Channel] = {one.name: one for one in channels}
    game_day = GameDay(
        id="monthly-failover",
        name="Monthly failover",
        owner="sre@example.com",
        experiment=Path("experiments/failover.yaml"),
        topology=None,
        schedule=Schedule(ZoneInfo("Asia/Tokyo"), cron="0 2 11 * *"),
        window=Window(time(1), time(5)),
        worst_case_min=45,
        notify=tuple(known) if notify is None else notify,
    )
    return Calendar(Path("gamedays.yaml"), {game_day.id: game_day}, channels=known)
