"""The ``chaosdrill gameday run`` command: the drill of one occurrence, in the foreground."""

import os
import sys
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.gameday_calendar import calendar_option, read_calendar, require_game_days
from chaosdrill.cli.gameday_ledger import ledger_needed, planned_ms_of
from chaosdrill.cli.text import one_line
from chaosdrill.errors import Refused

if TYPE_CHECKING:
    from chaosdrill.coordination.store import ItemStore
    from chaosdrill.gamedays.calendar import GameDay, Occurrence

VERDICTS = {"passed": 0, "failed": 3, "invalid": 4, "refused": 5, "interrupted": 6}  # as those of `chaos run`
NOT_RUN, DIED = 5, 6
EXPECTED = ("claimed", "ran", "skipped")  # no errors, although the occurrence does not begin in this process


@click.command()
@click.argument("game_day", metavar="GAMEDAY")
@click.option(
    "--occurrence", metavar="INSTANT", help="The planned instant, such as 2027-01-10T17:00Z, or `due`. Default: now."
)
@calendar_option
def run(game_day: str, occurrence: str | None, calendar_file: str | None) -> None:
    """Run the drill of a game day, and record how it ended.

    \b
        chaosdrill gameday run monthly-failover                                   by hand, now
        chaosdrill gameday run monthly-failover --occurrence 2027-01-10T17:00Z    for another scheduler

    The occurrence is claimed before anything starts, so that it runs once, however many processes run it. It must be
    planned: a tick has read it in the calendar before its instant. `due` is the latest planned instant that has come,
    for schedulers that do not pass it, whose clock may be a minute ahead. Without --occurrence a person runs the game
    day by hand: the ledger records who. Window, blackouts, pauses, guards, budget, dependency and approval count in any
    case.

    Exit code: that of `chaos run`: 0 passed (also when the occurrence has run or is skipped, which is shown), 3
    failed, 4 invalid, 5 refused or not run, 6 interrupted or died; 2 when the input cannot be used, or the ledger
    cannot be read or written.
    """
    from chaosdrill.gamedays.launch import CLAIM_VARIABLE, directory_of
    from chaosdrill.gamedays.occurrence_run import (
        SCHEDULE,
        Claim,
        OccurrenceDrill,
        claim,
        principal_by_hand,
        take_claim,
    )
    from chaosdrill.gamedays.stores import store_of

    calendar = read_calendar(calendar_file)
    require_game_days(calendar, (game_day,))
    with ledger_needed():
        store = store_of(calendar)
        by = SCHEDULE if occurrence else principal_by_hand(calendar.game_days[game_day].topology)
        try:
            planned = _planned(calendar.game_days[game_day], occurrence, store)
            token = os.environ.pop(CLAIM_VARIABLE, "")
            found = take_claim(planned, store, token) if token else claim(calendar, planned, store, by)
        except Refused as error:
            click.echo(one_line(f"{error} [{error.code}]"), err=True)
            sys.exit(NOT_RUN)
    if isinstance(found, Claim):
        output = directory_of(planned) / "chaos.out"
        click.echo(
            one_line(f"{planned.key}: begins; `chaosdrill watch` shows its drill, its output is {output}"), err=True
        )
        entry = OccurrenceDrill(calendar, store, found).run()
        code = VERDICTS.get(entry.verdict, DIED) if entry.outcome == "ran" else NOT_RUN
        code = DIED if entry.outcome == "died" else code
    else:
        entry = found
        code = 0 if entry.outcome in EXPECTED else NOT_RUN
    shown = " ".join(
        part for part in (entry.outcome, entry.verdict, entry.run, f"[{entry.code}]" * bool(entry.code)) if part
    )
    click.echo(one_line(f"{entry.occurrence.key}: {shown}: {entry.why}"))
    sys.exit(code)


def _planned(game_day: "GameDay", occurrence: str | None, store: "ItemStore") -> "Occurrence":
    """Return the named occurrence; if it is less than a minute away, wait for it.

    :raises Refused: ``occurrence-not-planned``: none is due.
    :raises BadInput: when the text is not an instant.
    """
    import time

    from chaosdrill.gamedays.calendar import Occurrence
    from chaosdrill.gamedays.due_occurrence import AHEAD_MS, DUE, due_occurrence

    now_ms = store.now_ms()
    if not occurrence:
        return Occurrence(game_day.id, now_ms - now_ms % 60_000)
    planned = (
        due_occurrence(game_day, now_ms) if occurrence == DUE else Occurrence(game_day.id, planned_ms_of(occurrence))
    )
    if planned is None:
        why = "none was planned within the last two days: `chaosdrill gameday next` lists the planned ones"
        raise Refused(f"no occurrence of {game_day.id} is due: {why}", code="occurrence-not-planned")
    while 0 < (rest_ms := planned.planned_ms - store.now_ms()) <= AHEAD_MS:
        time.sleep(rest_ms / 1000)
    return planned
