"""The ``chaosdrill gameday tick`` command, which a scheduler calls each minute."""

import json
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.gameday_calendar import calendar_option, read_calendar
from chaosdrill.cli.gameday_ledger import entry_json, ledger_needed
from chaosdrill.cli.text import one_line

if TYPE_CHECKING:
    from chaosdrill.gamedays.tick import Ticked


@click.command()
@click.option("--no-launch", is_flag=True, help="Start no drill here: another scheduler starts each of them.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@calendar_option
def tick(no_launch: bool, as_json: bool, calendar_file: str | None) -> None:
    """Start the drills that are due, and record and notify of everything else. To be called each minute.

    \b
        chaosdrill gameday tick
        chaosdrill gameday tick --no-launch     beside schedules of Kubernetes or EventBridge

    It decides by the calendar, the time and the ledger, and waits for no drill: each is a process of its own, which
    outlives the tick. It may be called late, twice, or by several machines with one ledger: no occurrence is started
    twice. `chaosdrill gameday install` lets systemd or cron call it.

    Exit code: 0; 2 when the calendar is wrong, or the ledger cannot be read or written.
    """
    from chaosdrill.gamedays.stores import store_of
    from chaosdrill.gamedays.tick import tick as do_tick

    calendar = read_calendar(calendar_file)
    with ledger_needed():
        ticked = do_tick(calendar, store_of(calendar), launches=not no_launch)
    if as_json:
        click.echo(json.dumps(_plain(ticked), indent=1, ensure_ascii=False))
        return
    for one in ticked.launched:
        click.echo(one_line(f"{one.key}: started"))
    for entry in ticked.recorded:
        shown = f"{entry.outcome} [{entry.code}]" if entry.code else f"{entry.outcome}, {entry.verdict}"
        click.echo(one_line(f"{entry.occurrence.key}: {shown}: {entry.why}"))
    for occurrence, why in ticked.decisions.waiting.items():
        click.echo(one_line(f"{occurrence.key}: waits [{why.code}]: {why.text}"))


def _plain(ticked: "Ticked") -> dict[str, object]:
    waiting = ticked.decisions.waiting.items()
    return {
        "started": [one.key for one in ticked.launched],
        "recorded": [entry_json(one) for one in ticked.recorded],
        "waiting": [{"occurrence": one.key, "code": why.code, "why": why.text} for one, why in waiting],
        "notified": [{"key": one.key, "state": one.state, "why": one.why} for one in ticked.deliveries],
    }
