"""The ``chaosdrill gameday list`` command: the game days of a calendar."""

from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.gameday_calendar import DAY_MS, calendar_option, local_text, now_ms, read_calendar, read_ledger
from chaosdrill.cli.options import time_zone_option
from chaosdrill.cli.screen import Screen, say_json

if TYPE_CHECKING:
    from chaosdrill.gamedays.calendar import GameDay
    from chaosdrill.gamedays.outlook import PlannedOccurrence
    from chaosdrill.time_zones import Zone

HORIZON_DAYS = 400  # long enough to contain the next occurrence of a yearly game day


@click.command("list")
@calendar_option
@time_zone_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_game_days(calendar_file: str | None, zone: "Zone", as_json: bool) -> None:
    """List the game days: when each takes place, and which is its next occurrence that nothing forbids by now.

    \b
        chaosdrill gameday list
        chaosdrill gameday list --calendar drills/gamedays.yaml --json

    Exit code: 0; 2 when the calendar is wrong, with every problem of it.
    """
    from chaosdrill.gamedays.outlook import occurrences_between

    calendar, begin_ms = read_calendar(calendar_file), now_ms()
    until_ms = begin_ms + HORIZON_DAYS * DAY_MS
    ledger = read_ledger(calendar, begin_ms, until_ms)
    coming: dict[str, PlannedOccurrence] = {}
    for one in occurrences_between(calendar, begin_ms, until_ms, ledger):
        if one.status == "planned":
            coming.setdefault(one.game_day.id, one)
    if as_json:
        found = [_as_json(one, coming.get(one.id)) for one in calendar.game_days.values()]
        document = {"calendar": str(calendar.file), "warnings": list(calendar.warnings), "game_days": found}
        say_json({**document, "ledger_problem": ledger.problem})
        return
    headings = ("game day", "name", "owner", "when", "window", "worst case", "next")
    Screen().table(headings, [_row(one, coming.get(one.id), zone) for one in calendar.game_days.values()])


def _row(game_day: "GameDay", following: "PlannedOccurrence | None", zone: "Zone") -> list[str]:
    schedule, window = game_day.schedule, game_day.window
    when = schedule.cron or ", ".join(f"{one:%Y-%m-%d %H:%M}" for one in schedule.times)
    return [
        game_day.id,
        game_day.name,
        game_day.owner,
        f"{when} {schedule.zone}",
        f"{window.earliest:%H:%M}-{window.latest_end:%H:%M}",
        f"{game_day.worst_case_min:g} min",
        _next_text(following, zone) if following else f"none within {HORIZON_DAYS} days",
    ]


def _next_text(following: "PlannedOccurrence", zone: "Zone") -> str:
    from chaosdrill.time_zones import both

    return f"{local_text(following)} = {both(following.occurrence.planned_ms * 1_000_000, zone)}"


def _as_json(game_day: "GameDay", following: "PlannedOccurrence | None") -> dict[str, Any]:
    schedule, window = game_day.schedule, game_day.window
    return {
        "id": game_day.id,
        "name": game_day.name,
        "owner": game_day.owner,
        "experiment": str(game_day.experiment),
        "topology": str(game_day.topology) if game_day.topology else None,
        "zone": str(schedule.zone),
        "cron": schedule.cron or None,
        "times": [one.isoformat() for one in schedule.times],
        "window": {"earliest": f"{window.earliest:%H:%M}", "latest_end": f"{window.latest_end:%H:%M}"},
        "worst_case_min": game_day.worst_case_min,
        "blackouts": list(game_day.blackouts),
        "tags": list(game_day.tags),
        "next": following.as_json() if following else None,
    }
