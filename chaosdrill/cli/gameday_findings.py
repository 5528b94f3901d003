"""The ``chaosdrill gameday findings`` command: findings of drills that are still open."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.gameday_calendar import calendar_option, read_calendar
from chaosdrill.cli.gameday_ledger import ledger_needed
from chaosdrill.cli.screen import Screen, say_json
from chaosdrill.errors import BadInput, problem

if TYPE_CHECKING:
    from chaosdrill.gamedays.findings import TrackedFinding
    from chaosdrill.gamedays.history import SystemHistory


@click.command()
@click.argument("finding", metavar="[FINDING]", default="")
@click.option("--all", "everything", is_flag=True, help="Closed ones, too.")
@click.option("--owner", default="", metavar="TEXT", help="Who is to close FINDING.")
@click.option("--due", default="", metavar="DATE", help="Until when, such as 2027-02-28.")
@click.option("--ticket", default="", metavar="TEXT", help="The ticket of FINDING.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@calendar_option
def findings(
    finding: str, everything: bool, owner: str, due: str, ticket: str, as_json: bool, calendar_file: str | None
) -> None:
    """List the findings of game days that are open, or change who owns one.

    \b
        chaosdrill gameday findings
        chaosdrill gameday findings F-1a2b3c4d --owner suzuki --due 2027-02-28 --ticket CHG-1
        chaosdrill gameday findings F-1a2b3c4d        why later runs have not closed it

    A finding is closed by a later drill that could have shown it and did not, and by nothing else: the same experiment
    on the same target, with at least the same actions and measurements, judged at least as strictly, whose verdict is
    passed or failed. Without a due date of its own it is due 30 days after it was first shown.

    Exit code: 0; 3 when one is overdue; 2 when the input cannot be used, or the ledger cannot be read or written.
    """
    from chaosdrill.gamedays.findings import Assignment
    from chaosdrill.gamedays.history import read_histories
    from chaosdrill.gamedays.run_observations import assign
    from chaosdrill.gamedays.stores import store_of

    with ledger_needed():
        assignment = Assignment(owner, _date(due), ticket)
        calendar = read_calendar(calendar_file)
        store = store_of(calendar)
        if assignment != Assignment():
            assign(store, _named(_all(read_histories(calendar, store)), finding), assignment)
        found = _all(read_histories(calendar, store))
        if finding:
            found = [_named(found, finding)]
    shown = found if everything or finding else [one for one in found if one.is_open]
    today = datetime.now(UTC).date()
    if as_json:
        say_json([one.as_json(today) for one in shown])
    else:
        _print(shown, today, in_full=bool(finding))
    if any(one.is_overdue(today) for one in shown):
        click.get_current_context().exit(3)


def _all(histories: "Sequence[SystemHistory]") -> "list[TrackedFinding]":
    return [finding for one in histories for finding in one.findings]


def _named(found: "Sequence[TrackedFinding]", name: str) -> "TrackedFinding":
    """Return a finding by its ID.

    :raises BadInput: ``finding-missing``.
    """
    for one in found:
        if one.id == name:
            return one
    which = f"there is no finding {name}" if name else "no finding is named"
    raise BadInput([problem("finding-missing", f"{which}: `chaosdrill gameday findings --all` lists them")])


def _date(text: str) -> str:
    """Validate a date.

    :raises BadInput: ``date-invalid``.
    """
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError as error:
        raise BadInput([problem("date-invalid", f"--due {text!r}: write a date such as 2027-02-28")]) from error


def _print(shown: "Sequence[TrackedFinding]", today: date, in_full: bool) -> None:
    screen = Screen()
    headings = ("finding", "state", "system", "what", "owner", "due", "ticket", "shown by")
    screen.table(headings, [_row(one, today) for one in shown])
    if not shown:
        screen.say("no finding is open")
    for one in shown if in_full else ():
        screen.say(one.text)
        for run, why in one.still_open:
            screen.say(f"not closed by {run}: {why}")


def _row(one: "TrackedFinding", today: date) -> tuple[str, ...]:
    state = "overdue" if one.is_overdue(today) else "open" if one.is_open else f"closed by {one.closed_by}"
    what = f"{one.name} ({one.subject})" if one.subject else one.name
    return (one.id, state, one.system, f"{one.experiment}: {what}", one.owner, one.due, one.ticket, one.shown_by[-1])
