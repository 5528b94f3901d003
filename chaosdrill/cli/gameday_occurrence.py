"""Selection of an occurrence on the command line: a planned instant, or the next one that the calendar allows."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.gameday_ledger import planned_ms_of
from chaosdrill.errors import BadInput, problem

if TYPE_CHECKING:
    from chaosdrill.gamedays.calendar import Calendar, GameDay, Occurrence

HORIZON_MS = 400 * 86_400_000  # how far ahead the next occurrence is searched for


def occurrence_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--occurrence`` to a command: a planned instant, passed as ``occurrence``; empty when it is absent."""
    help_text = "The planned instant, such as 2027-01-10T17:00Z. Default: the next one."
    return click.option("--occurrence", metavar="INSTANT", default="", help=help_text)(command)


def occurrence_named(calendar: "Calendar", game_day: "GameDay", instant: str, now_ms: int) -> "Occurrence":
    """Return an occurrence by its planned instant; without one, the next that the calendar allows.

    :raises BadInput: ``occurrence-missing``: the game day is not planned then.
    """
    from chaosdrill.gamedays.calendar import Occurrence
    from chaosdrill.gamedays.calendar_verdict import verdict_of
    from chaosdrill.gamedays.instants import planned_instants

    if instant:
        at_ms = planned_ms_of(instant)
        if not planned_instants(game_day.schedule, at_ms, at_ms + 1):
            why = f"{game_day.id} is not planned at {instant}: `chaosdrill gameday next` lists its occurrences"
            raise BadInput([problem("occurrence-missing", why)])
        return Occurrence(game_day.id, at_ms)
    for planned_ms in planned_instants(game_day.schedule, now_ms, now_ms + HORIZON_MS):
        if verdict_of(calendar, game_day, planned_ms).allowed:
            return Occurrence(game_day.id, planned_ms)
    why = (
        f"{game_day.id} has no occurrence within 400 days that the calendar allows: `chaosdrill gameday next` says why"
    )
    raise BadInput([problem("occurrence-missing", why)])
