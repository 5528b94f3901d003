"""Shared code of the game day commands: the option for the calendar file, and its loading."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.text import one_line, usage_error
from chaosdrill.errors import BadInput, CannotSee

if TYPE_CHECKING:
    from chaosdrill.gamedays.calendar import Calendar
    from chaosdrill.gamedays.outlook import LedgerReading, PlannedOccurrence

DAY_MS = 24 * 3600 * 1000
MOST_DAYS = 3660


def calendar_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--calendar`` to a command: the calendar file, passed as ``calendar_file``."""
    return click.option(
        "--calendar",
        "calendar_file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="The file of game days. Default: CHAOSDRILL_GAMEDAYS, else ./gamedays.yaml.",
    )(command)


def days_option(default: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--days`` to a command: the number of days from now."""
    return click.option(
        "--days",
        type=click.IntRange(1, MOST_DAYS),
        default=default,
        show_default=True,
        help="How many days from now on.",
    )


def read_calendar(calendar_file: str | None) -> "Calendar":
    """Load the calendar, and print its warnings to standard error.

    :raises click.UsageError: with all problems of the file.
    """
    from chaosdrill.gamedays.loading import load_calendar

    try:
        calendar = load_calendar(calendar_file)
    except BadInput as error:
        raise usage_error(error) from error
    for warning in calendar.warnings:
        click.echo(one_line(f"warning: {warning}"), err=True)
    return calendar


def require_game_days(calendar: "Calendar", ids: tuple[str, ...]) -> None:
    """Refuse IDs of game days that the calendar does not have.

    :raises click.UsageError: naming each, with the known ones.
    """
    from chaosdrill.topology.consistency import suggestion

    known = list(calendar.game_days)
    if unknown := [one for one in ids if one not in known]:
        raise click.UsageError(
            "\n".join(one_line(f"there is no game day {one!r}: {suggestion(one, known, '')}") for one in unknown)
        )


def read_ledger(calendar: "Calendar", from_ms: int, until_ms: int) -> "LedgerReading":
    """Read the ledger's records of the occurrences in an interval. If it cannot be read, print a warning to standard
    error.
    """
    from chaosdrill.gamedays.ledger import Ledger
    from chaosdrill.gamedays.outlook import LedgerReading
    from chaosdrill.gamedays.stores import store_of

    try:
        ledger = Ledger(store_of(calendar))
        pauses = {one: ledger.pauses(one) for one in calendar.game_days}
        entries = {
            occurrence: record.entry
            for one in calendar.game_days
            for occurrence, record in ledger.entries(one, from_ms, until_ms).items()
        }
    except (BadInput, CannotSee) as error:
        click.echo(one_line(f"warning: the ledger was not read, pauses and outcomes are unknown: {error}"), err=True)
        return LedgerReading(problem=str(error))
    return LedgerReading(entries, pauses)


def local_text(one: "PlannedOccurrence") -> str:
    """Return the planned time of an occurrence in the zone of its game day, such as ``Sun 2027-01-10 02:00 JST``."""
    from chaosdrill.gamedays.instants import local_time

    return f"{local_time(one.occurrence.planned_ms, one.game_day.schedule.zone):%a %Y-%m-%d %H:%M %Z}"


def now_ms() -> int:
    """Return this machine's time, in milliseconds since 1970."""
    import time

    return int(time.time() * 1000)
