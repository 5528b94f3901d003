"""The ``chaosdrill gameday check`` command: the game days that need attention; a missing drill is an alert, too."""

import sys

import click

from chaosdrill.cli.gameday_calendar import calendar_option, read_calendar
from chaosdrill.cli.gameday_ledger import ledger_needed, utc
from chaosdrill.cli.screen import Screen, say_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@calendar_option
def check(as_json: bool, calendar_file: str | None) -> None:
    """Check that the game days take place. For a monitor that is independent of what calls the tick.

    \b
        chaosdrill gameday check || page-somebody

    \b
    It reads the ledger, and changes nothing. Its alerts:
      tick-silent          no tick has read a game day for 5 minutes
      outcome-missing      an occurrence has no outcome, and is too late
      drill-died           the last drill of a game day died
      series               its last three occurrences were refused or invalid
      calendar-conflict    another calendar with the same ledger has another game
                           day of the same id
      finding-overdue      a finding is open after its due date
      holidays-review-due  `reviewed_until` of holidays is less than 30 days
                           ahead, or before the next occurrence
      notification-failed  a notification of the last day was not delivered

    Exit code: 0 without an alert; 1 with one; 2 when the calendar is wrong, or the ledger cannot be read.
    """
    from chaosdrill.gamedays.alerts import alerts_of
    from chaosdrill.gamedays.notifications.deliveries import Deliveries
    from chaosdrill.gamedays.run_observations import recorded_findings
    from chaosdrill.gamedays.stores import store_of
    from chaosdrill.gamedays.tick_inputs import read, rules_of

    calendar = read_calendar(calendar_file)
    with ledger_needed():
        store, rules = store_of(calendar), rules_of(calendar)
        snapshot = read(calendar, store, rules).snapshot
        findings = recorded_findings(calendar, store)
        alerts = alerts_of(calendar, snapshot, rules, Deliveries(store).recent(), findings)
    last = {one: plan.seen_ms for one, plan in snapshot.plans.items()}
    if as_json:
        ticks = {one: utc(seen_ms) for one, seen_ms in last.items()}
        say_json({"alerts": [one.as_json() for one in alerts], "last_tick": ticks})
    else:
        screen = Screen()
        if alerts:
            screen.table(("alert", "game day", "why"), [[one.code, one.game_day, one.why] for one in alerts])
        else:
            screen.say(f"no alert; the last tick was at {utc(max(last.values()))}" if last else "no game day")
    sys.exit(1 if alerts else 0)
