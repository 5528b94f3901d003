"""The ``chaosdrill gameday explain`` command: why drills take place on a day, or do not."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.gameday_calendar import (
    DAY_MS,
    calendar_option,
    local_text,
    read_calendar,
    read_ledger,
    require_game_days,
)
from chaosdrill.cli.options import time_zone_option
from chaosdrill.cli.screen import Screen, say_json

if TYPE_CHECKING:
    from chaosdrill.gamedays.calendar import Calendar, GameDay
    from chaosdrill.gamedays.outlook import LedgerReading, PlannedOccurrence
    from chaosdrill.time_zones import Zone

HORIZON_DAYS = 400


@click.command()
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("game_days", nargs=-1)
@calendar_option
@time_zone_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def explain(day: datetime, game_days: tuple[str, ...], calendar_file: str | None, zone: "Zone", as_json: bool) -> None:
    """Explain why GAME_DAYS, or all of them, take place on DATE or do not: each rule with its reason.

    \b
        chaosdrill gameday explain 2027-01-10
        chaosdrill gameday explain 2027-01-10 monthly-failover --json

    DATE is a day in the zone of each game day. Approval, dependencies and guards are checked when an occurrence begins:
    they are listed, and whether they will hold is unknown.

    Exit code: 0, whatever the reasons are; 2 when the calendar is wrong, or has no such game day.
    """
    calendar = read_calendar(calendar_file)
    require_game_days(calendar, game_days)
    chosen = [one for one in calendar.game_days.values() if not game_days or one.id in game_days]
    begin_ms = int(day.timestamp() * 1000)
    ledger = read_ledger(calendar, begin_ms - 2 * DAY_MS, begin_ms + 3 * DAY_MS)
    found = [(one, _of_day(calendar, one, day, ledger)) for one in chosen]
    if as_json:
        explained = [_as_json(one, day, planned) for one, planned in found]
        say_json({"date": f"{day:%Y-%m-%d}", "game_days": explained, "ledger_problem": ledger.problem})
        return
    screen = Screen()
    for one, planned in found:
        _say(screen, one, day, planned, zone)


def _of_day(
    calendar: "Calendar", game_day: "GameDay", day: datetime, ledger: "LedgerReading"
) -> "list[PlannedOccurrence]":
    from chaosdrill.gamedays.instants import instant_of
    from chaosdrill.gamedays.outlook import occurrences_between

    zone = game_day.schedule.zone
    begin_ms, end_ms = (instant_of(one, zone) for one in (day, day + timedelta(days=1)))
    return occurrences_between(calendar, begin_ms, end_ms, ledger, [game_day.id])


def _following(game_day: "GameDay", day: datetime) -> str:
    """Return the next planned time after a day, in the game day's zone; empty when there is none within the horizon."""
    from chaosdrill.gamedays.instants import instant_of, local_time, planned_instants

    begin_ms = instant_of(day + timedelta(days=1), game_day.schedule.zone)
    found = planned_instants(game_day.schedule, begin_ms, begin_ms + HORIZON_DAYS * DAY_MS)
    return local_time(found[0], game_day.schedule.zone).isoformat() if found else ""


def _as_json(game_day: "GameDay", day: datetime, planned: "list[PlannedOccurrence]") -> dict[str, Any]:
    from chaosdrill.gamedays.outlook import conditions_of

    return {
        "game_day": game_day.id,
        "zone": str(game_day.schedule.zone),
        "occurrences": [one.as_json() for one in planned],
        "checked_at_start": conditions_of(game_day),
        "next_planned_local": _following(game_day, day) or None,
    }


def _say(
    screen: Screen,
    game_day: "GameDay",
    day: datetime,
    planned: "list[PlannedOccurrence]",
    zone: "Zone",
) -> None:
    from chaosdrill.gamedays.outlook import conditions_of
    from chaosdrill.time_zones import both

    screen.say(f"{game_day.id} ({game_day.name}), {day:%Y-%m-%d} {game_day.schedule.zone}", style="bold")
    if not planned:
        when = game_day.schedule.cron or "its times"
        following = _following(game_day, day)
        after = f"; the next time is {following}" if following else ""
        screen.say(f"  no: the schedule ({when}) plans nothing on this day{after}")
    for one in planned:
        yes = "yes" if one.status == "planned" else "no" if one.status != "recorded" else "recorded"
        screen.say(f"  {yes}: {local_text(one)} = {both(one.occurrence.planned_ms * 1_000_000, zone)}")
        if one.entry or one.pause:
            screen.say(f"    ledger: {one.why}")
        for reason in one.verdict.reasons:
            screen.say(
                f"    {'no ' if reason.code else 'yes'}  {reason.text}{f' [{reason.code}]' if reason.code else ''}"
            )
        if one.status == "planned":
            for condition in conditions_of(game_day):
                screen.say(f"    if   {condition}")
