"""The ``chaosdrill gameday`` command group: scheduled drills."""

import click

from chaosdrill.cli.gameday_approve import approve, revoke
from chaosdrill.cli.gameday_check import check
from chaosdrill.cli.gameday_explain import explain
from chaosdrill.cli.gameday_export import export
from chaosdrill.cli.gameday_findings import findings
from chaosdrill.cli.gameday_history import history
from chaosdrill.cli.gameday_install import install
from chaosdrill.cli.gameday_list import list_game_days
from chaosdrill.cli.gameday_next import next_occurrences
from chaosdrill.cli.gameday_notify import notify
from chaosdrill.cli.gameday_pause import pause, resume, skip
from chaosdrill.cli.gameday_run import run
from chaosdrill.cli.gameday_tick import tick


@click.group()
def gameday() -> None:
    """Game days: drills that happen by themselves, by the calendar in gamedays.yaml.

    \b
        chaosdrill gameday list
        chaosdrill gameday next --days 90
        chaosdrill gameday explain 2027-01-10
        chaosdrill gameday install
        chaosdrill gameday history
    """


gameday.add_command(approve)
gameday.add_command(check)
gameday.add_command(explain)
gameday.add_command(export)
gameday.add_command(findings)
gameday.add_command(history)
gameday.add_command(install)
gameday.add_command(list_game_days)
gameday.add_command(next_occurrences)
gameday.add_command(notify)
gameday.add_command(pause)
gameday.add_command(resume)
gameday.add_command(revoke)
gameday.add_command(run)
gameday.add_command(skip)
gameday.add_command(tick)
