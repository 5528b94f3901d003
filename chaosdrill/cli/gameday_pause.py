"""The ``chaosdrill gameday pause``, ``resume`` and ``skip`` commands: occurrences that do not take place."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.gameday_calendar import calendar_option, read_calendar, require_game_days
from chaosdrill.cli.gameday_ledger import ledger_needed, planned_ms_of, utc
from chaosdrill.cli.text import one_line

if TYPE_CHECKING:
    from chaosdrill.gamedays.calendar import Calendar, Occurrence
    from chaosdrill.gamedays.ledger import Ledger

EVERYTHING = "all game days"
_WHY = click.option("--why", default="", metavar="TEXT", help="The reason, for the ledger.")


@click.command()
@click.argument("game_day", metavar="[GAMEDAY]", default="")
@click.option("--until", metavar="INSTANT", help="When it ends by itself, such as 2027-01-10T17:00Z.")
@click.option("--days", type=click.IntRange(1, 366), help="In how many days it ends by itself.")
@_WHY
@calendar_option
def pause(game_day: str, until: str | None, days: int | None, why: str, calendar_file: str | None) -> None:
    """Pause GAMEDAY, or all game days, from now on until an instant. A drill that runs is not touched.

    \b
        chaosdrill gameday pause monthly-failover --days 14 --why "migration"
        chaosdrill gameday pause --until 2027-01-10T17:00Z

    What is planned meanwhile is recorded as skipped. The pause ends by itself; `resume` ends it earlier.

    Exit code: 0; 2 when the input cannot be used, or the ledger cannot be read or written.
    """
    from chaosdrill.gamedays.ledger import ALL, Pause

    if (until is None) == (days is None):
        raise click.UsageError("say when the pause ends by itself: --until INSTANT or --days NUMBER")
    with ledger_needed():
        _, ledger = _of(calendar_file, game_day)
        now_ms = ledger.now_ms()
        until_ms = planned_ms_of(until) if until else now_ms + int(timedelta(days=days or 0).total_seconds() * 1000)
        if until_ms <= now_ms:
            raise click.UsageError(f"{until} is past: the pause would have ended")
        ledger.pause(game_day or ALL, Pause(now_ms, until_ms, _who(), why))
    click.echo(one_line(f"{game_day or EVERYTHING}: paused until {utc(until_ms)}"))


@click.command()
@click.argument("game_day", metavar="[GAMEDAY]", default="")
@calendar_option
def resume(game_day: str, calendar_file: str | None) -> None:
    """End the pause of GAMEDAY, or that of all game days. What was planned meanwhile stays skipped.

    \b
        chaosdrill gameday resume monthly-failover

    Exit code: 0, also when there was no pause; 2 when the input cannot be used, or the ledger cannot be read or
    written.
    """
    from dataclasses import replace

    from chaosdrill.gamedays.ledger import ALL

    with ledger_needed():
        _, ledger = _of(calendar_file, game_day)
        now_ms, known = ledger.now_ms(), ledger.own_pause(game_day or ALL)
        if known is None or not known.covers(now_ms):
            click.echo(one_line(f"{game_day or EVERYTHING}: not paused"))
            return
        ledger.pause(game_day or ALL, replace(known, until_ms=now_ms))
    click.echo(one_line(f"{game_day or EVERYTHING}: resumed"))


@click.command()
@click.argument("game_day", metavar="GAMEDAY")
@click.argument("instant", metavar="[INSTANT]", default="")
@_WHY
@calendar_option
def skip(game_day: str, instant: str, why: str, calendar_file: str | None) -> None:
    """Skip one occurrence of GAMEDAY, before it begins: the veto. Without INSTANT the next one.

    \b
        chaosdrill gameday skip monthly-failover --why "open incident"
        chaosdrill gameday skip monthly-failover 2027-01-10T17:00Z

    It is recorded at once and cannot be undone; run the game day by hand instead. To stop a drill that has begun, use
    `chaosdrill stop`.

    Exit code: 0 when the occurrence is skipped; 1 when it has another outcome already, or has begun; 2 when the input
    cannot be used, or the ledger cannot be read or written.
    """
    from chaosdrill.errors import Refused
    from chaosdrill.gamedays.events import Entry

    with ledger_needed():
        calendar, ledger = _of(calendar_file, game_day)
        one = _occurrence(calendar, ledger, game_day, instant)
        by = _who()
        entry = Entry(one, "skipped", code="skipped-by-hand", why=why or f"skipped by {by}", by=by)
        ledger.record(entry)
        record = ledger.entry(one)
        if record is None or record.entry.outcome != "skipped":
            outcome = record.entry.outcome if record else "unknown"
            hint = "its drill may be running: `chaosdrill stop` ends it" if outcome == "claimed" else "nothing to skip"
            raise Refused(f"{one.key} is {outcome}: {hint}", code="occurrence-begun")
    click.echo(one_line(f"{one.key}: skipped"))


def _of(calendar_file: str | None, game_day: str) -> "tuple[Calendar, Ledger]":
    from chaosdrill.gamedays.ledger import Ledger
    from chaosdrill.gamedays.stores import store_of

    calendar = read_calendar(calendar_file)
    require_game_days(calendar, (game_day,) if game_day else ())
    return calendar, Ledger(store_of(calendar))


def _who() -> str:
    import socket

    from chaosdrill.coordination.holders import user_name

    return f"{user_name()}@{socket.gethostname()}"


def _occurrence(calendar: "Calendar", ledger: "Ledger", game_day: str, instant: str) -> "Occurrence":
    """Return the named occurrence, or the next one without an outcome."""
    from chaosdrill.errors import Refused
    from chaosdrill.gamedays.calendar import Occurrence
    from chaosdrill.gamedays.instants import planned_instants

    day_ms, now_ms, schedule = 86_400_000, ledger.now_ms(), calendar.game_days[game_day].schedule
    if instant:
        planned_ms = planned_ms_of(instant)
        if planned_ms not in planned_instants(schedule, planned_ms, planned_ms + 1):
            why = f"{game_day} is not planned at {instant}: `chaosdrill gameday next` lists what is"
            raise Refused(why, code="occurrence-not-planned")
        return Occurrence(game_day, planned_ms)
    for planned_ms in planned_instants(schedule, now_ms, now_ms + 400 * day_ms):
        if ledger.entry(one := Occurrence(game_day, planned_ms)) is None:
            return one
    raise Refused(f"{game_day} has no occurrence within 400 days", code="occurrence-not-planned")
