"""The ``chaosdrill gameday export ics`` command: the calendar as an iCalendar file for subscribers."""

from pathlib import Path

import click

from chaosdrill.cli.gameday_calendar import DAY_MS, calendar_option, days_option, now_ms, read_calendar, read_ledger

PAST_DAYS = 31  # past days in the file, so that subscribers see their outcomes


@click.command()
@days_option(366)
@calendar_option
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file. Default: standard output.")
def ics(days: int, calendar_file: str | None, output: Path | None) -> None:
    """Write the planned occurrences as an iCalendar file, to publish and to subscribe to.

    \b
        chaosdrill gameday export ics --output /srv/www/gamedays.ics

    It has the next days and the last 31. An occurrence that was paused or skipped is a cancelled event; one that the
    calendar forbids is left out. Write it anew regularly: a subscriber sees what the file says.

    Exit code: 0; 2 when the calendar is wrong.
    """
    from chaosdrill.gamedays.exports.ics import as_ics
    from chaosdrill.gamedays.outlook import occurrences_between
    from chaosdrill.history.whole_files import write_whole

    calendar, now = read_calendar(calendar_file), now_ms()
    from_ms, until_ms = now - PAST_DAYS * DAY_MS, now + days * DAY_MS
    ledger = read_ledger(calendar, from_ms, until_ms)
    found = occurrences_between(calendar, from_ms, until_ms, ledger)
    text = as_ics([one for one in found if one.occurrence.planned_ms >= now or one.entry], now)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_whole(output, text, private=False)
