"""The ``chaosdrill gameday history`` command: the outcome of each occurrence, and the evidence for each system."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.compare_html import html_options, write_html
from chaosdrill.cli.gameday_calendar import MOST_DAYS, calendar_option, read_calendar, require_game_days
from chaosdrill.cli.gameday_ledger import entry_json, ledger_needed
from chaosdrill.cli.screen import Screen, say_json

if TYPE_CHECKING:
    from chaosdrill.gamedays.history import PastOccurrence, SystemHistory
    from chaosdrill.time_zones import Zone

_DAYS = click.IntRange(1, MOST_DAYS)


@click.command()
@click.argument("game_days", nargs=-1)
@click.option("--days", type=_DAYS, default=90, show_default=True, help="How many days until now.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@calendar_option
@html_options
def history(
    game_days: tuple[str, ...],
    days: int,
    as_json: bool,
    calendar_file: str | None,
    html: Path | None,
    language: str,
    zone: "Zone",
) -> None:
    """Show what became of each occurrence, of GAME_DAYS or of all, the newest first, and what is proved.

    \b
        chaosdrill gameday history
        chaosdrill gameday history monthly-failover --days 365 --json
        chaosdrill gameday history --html history.html --lang ja

    Every occurrence has an outcome: `ran` with its verdict, or why it did not run: `skipped`, `refused`, `expired` (not
    approved in time), `missed`, `died`. `claimed`: its drill may be running. Each system says how old its last proof
    is: the newest run that says anything about it. A run that is older than a year, invalid, refused, interrupted or
    unreadable never counts. `--html` has the findings and the table for supervisory rules, too.

    Exit code: 0, also when there is none; 2 when the input cannot be used, or the ledger cannot be read.
    """
    from chaosdrill.gamedays.history import read_histories
    from chaosdrill.gamedays.stores import store_of

    calendar = read_calendar(calendar_file)
    require_game_days(calendar, game_days)
    with ledger_needed():
        store = store_of(calendar)
        histories = read_histories(calendar, store, days, listed=game_days)
    today = datetime.now(UTC).date()
    if html is not None:
        from chaosdrill.gamedays.history_page import history_page

        write_html(html, lambda: history_page(histories, today, days, language, zone))
    elif as_json:
        entries = [entry_json(one.entry) for one in _past(histories)]
        say_json({"ledger": str(store), "entries": entries, "systems": [one.as_json(today) for one in histories]})
    else:
        _print(histories, days, zone)


def _past(histories: "Sequence[SystemHistory]") -> "list[PastOccurrence]":
    """Return the past occurrences of all systems, newest first."""
    found = [past for one in histories for day in one.game_days for past in day.occurrences]
    return sorted(found, key=lambda past: past.entry.occurrence.planned_ms, reverse=True)


def _print(histories: "Sequence[SystemHistory]", days: int, zone: "Zone") -> None:
    from chaosdrill.time_zones import both

    screen, past = Screen(), _past(histories)
    rows = [[both(one.entry.occurrence.planned_ms * 1_000_000, zone), *_cells(one)] for one in past]
    screen.table(("planned", "game day", "outcome", "verdict or code", "recovery", "run", "by hand", "why"), rows)
    if not rows:
        screen.say(f"no occurrence within {days} days")
    today = datetime.now(UTC).date()
    for one in histories:
        still_open = sum(finding.is_open for finding in one.findings)
        screen.say(f"{one.system}: {_proof(one)}; findings: {still_open} open, {len(one.overdue(today))} overdue")


def _cells(past: "PastOccurrence") -> list[str]:
    entry = past.entry
    verdict = past.verdict if past.is_proof or not past.verdict else f"{past.verdict} (no proof)"
    times = [
        f"{one.seconds:.1f} s" + ("" if one.limit_s is None else f" (objective {one.limit_s:g} s)")
        for one in past.recoveries
    ]
    by_hand = "" if entry.by == "schedule" else entry.by
    game_day = entry.occurrence.game_day
    return [game_day, entry.outcome, verdict or entry.code, ", ".join(times), entry.run, by_hand, entry.why]


def _proof(one: "SystemHistory") -> str:
    if one.proof is None:
        return "nothing is proved"
    state = "stale, it does not count" if one.proof.is_stale else one.proof.verdict
    return f"last proof {one.proof.age_days} days ago ({one.proof.run}: {state})"
