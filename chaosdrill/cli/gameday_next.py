"""The ``chaosdrill gameday next`` command: the occurrences of the next days."""

from typing import TYPE_CHECKING

import click

from chaosdrill.cli.gameday_calendar import (
    DAY_MS,
    calendar_option,
    days_option,
    local_text,
    now_ms,
    read_calendar,
    read_ledger,
    require_game_days,
)
from chaosdrill.cli.options import time_zone_option
from chaosdrill.cli.screen import Screen, say_json

if TYPE_CHECKING:
    from chaosdrill.time_zones import Zone


@click.command("next")
@click.argument("game_days", nargs=-1)
@days_option(30)
@calendar_option
@time_zone_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def next_occurrences(
    game_days: tuple[str, ...], days: int, calendar_file: str | None, zone: "Zone", as_json: bool
) -> None:
    """List the planned occurrences of the next days, of GAME_DAYS or of all; also those that will not take place.

    \b
        chaosdrill gameday next
        chaosdrill gameday next monthly-failover --days 365
        chaosdrill gameday next --json

    `planned`: neither the calendar nor a pause forbids it; guards, approval and dependencies are checked when it
    begins. `forbidden` (window, blackout, freeze, holidays), `paused` and `recorded` (such as skipped) have a reason.

    Exit code: 0, also when there is none; 2 when the calendar is wrong, or has no such game day.
    """
    from chaosdrill.gamedays.outlook import occurrences_between
    from chaosdrill.time_zones import both

    calendar, begin_ms = read_calendar(calendar_file), now_ms()
    require_game_days(calendar, game_days)
    until_ms = begin_ms + days * DAY_MS
    ledger = read_ledger(calendar, begin_ms, until_ms)
    found = occurrences_between(calendar, begin_ms, until_ms, ledger, game_days)
    if as_json:
        occurrences = [one.as_json() for one in found]
        say_json({"calendar": str(calendar.file), "occurrences": occurrences, "ledger_problem": ledger.problem})
        return
    rows = [
        [both(one.occurrence.planned_ms * 1_000_000, zone), local_text(one), one.game_day.id, one.status, one.why]
        for one in found
    ]
    screen = Screen()
    screen.table(("time", "of the game day", "game day", "status", "why"), rows)
    if not found:
        screen.say(f"no occurrence is planned within {days} days")
