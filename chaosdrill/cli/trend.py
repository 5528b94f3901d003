"""The ``chaosdrill trend`` command: all runs of an experiment over time."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.compare_html import html_options, write_page
from chaosdrill.cli.text import usage_error
from chaosdrill.cli.times import instant
from chaosdrill.errors import BadInput
from chaosdrill.time_zones import Zone

if TYPE_CHECKING:
    from chaosdrill.analysis.objective_results import Aim, Reached
    from chaosdrill.analysis.trend import Point, Trend, TrendPhase
    from chaosdrill.cli.screen import Screen

SHOWN = 30
BAR, OTHERS = 40, 89  # characters: minimum of a bar, and total of the other columns
COLOURS = ("cyan", "blue", "magenta", "yellow", "green", "white")
FULL = "█"


@click.command()
@click.option("--experiment", metavar="E", help="Of this experiment; default: that of the newest run.")
@click.option("--last", type=click.IntRange(1), default=SHOWN, metavar="N", help=f"The newest N; default: {SHOWN}.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@html_options
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def trend(
    experiment: str | None,
    last: int,
    everything: bool,
    html: Path | None,
    language: str,
    zone: Zone,
    as_json: bool,
) -> None:
    """Show the runs of an experiment over time: recovery time, and the phases of each movement as a bar.

    \b
        chaosdrill trend
        chaosdrill trend --experiment failover --all
        chaosdrill trend --all --html trend.html

    A bar begins when the movement does and ends with sustained service; its parts are the phases that come one after
    the other. The recovery time is the clients' own: from the first unserved beat to sustained service, of the worst
    movement. A second table has what was measured of every other objective: budgets of phases, availability, lost
    writes. `!` marks what is beyond the objective of its run. Shown are runs of the target and scale of the newest one
    that proved something; others are left out by name.

    Exit code: 0 when there is such a run; 2 when there is none.
    """
    from chaosdrill.analysis.many_runs import many_runs
    from chaosdrill.analysis.trend import trend as trend_of
    from chaosdrill.cli.screen import Screen, say_json
    from chaosdrill.runs.comparing import read_compared_runs
    from chaosdrill.runs.selection import newest_alike, the_store

    store = the_store()
    try:
        paths, others = newest_alike(store, None if everything else last, experiment)
    except BadInput as error:
        raise usage_error(error) from error
    known, unreadable = read_compared_runs([*paths, *store.paths(others)])
    found = trend_of(known)
    if html is not None:
        write_page(html, language, zone, replace(many_runs(known), left_out=(*unreadable, *found.left_out)))
    elif as_json:
        left_out = [one.as_json() for one in unreadable] + found.as_json()["left_out"]
        say_json({**found.as_json(), "left_out": left_out})
    else:
        _show(Screen(), found, unreadable, zone)
    sys.exit(0 if found.points else 2)


def _show(screen: "Screen", found: "Trend", unreadable: Sequence[Any], zone: Zone) -> None:
    from chaosdrill.cli.compare_tables import show_left_out

    show_left_out(screen, (*unreadable, *found.left_out))
    if not found.points:
        screen.say("no run proved anything")
        return
    scale = f", scale {found.scale:g}" if found.scale is not None else ""
    screen.say(f"{found.experiment} on {found.target or 'an unknown target'}{scale}: {len(found.points)} runs")
    letters = _letters(found)
    width = max(BAR, screen.width - OTHERS)
    longest = max(
        [sum(part.seconds for part in parts) for point in found.points for parts in point.stacks.values()] + [0]
    )
    rows = [
        row
        for number, point in enumerate(found.points)
        for row in _rows(found, point, number, letters, width, longest, zone)
    ]
    screen.table(("began", "verdict", "recovery", "movement", "took", "phases"), rows)
    screen.say(", ".join(f"{letter} {name}" for name, letter in letters.items()))
    _show_reached(screen, found, zone)


def _show_reached(screen: "Screen", found: "Trend", zone: Zone) -> None:
    """Print the runs' results for their objectives, except the recovery time, which is in the previous table."""
    from chaosdrill.analysis.objective_results import RTO

    others = [aim for aim in found.aims if aim.name != RTO]
    if others:
        rows = [row for number in range(len(found.points)) for row in _reached(found, others, number, zone)]
        screen.table(("began", "movement", *(aim.name for aim in others)), rows)
    for aim in found.aims:
        unit = "" if aim.unit == "ratio" else f" {aim.unit}"
        known = list(dict.fromkeys(f"{value:g}{unit}" for value in aim.limits if value is not None))
        screen.say(f"objective {aim.name}: {', then '.join(known)}")


def _reached(found: "Trend", aims: "Sequence[Aim]", number: int, zone: Zone) -> Iterator[Sequence[str]]:
    """Yield a run's rows, one per transition; values of the whole run are in the first."""
    point = found.points[number]
    head = _began(point, zone)
    for place, what in enumerate(point.stacks or ("-",)):
        whole = ("",) if not place else ()
        cells = [next((_held(one) for one in aim.reached[number] if one.of in (what, *whole)), "") for aim in aims]
        yield head if not place else "", what, *cells


def _began(point: "Point", zone: Zone) -> str:
    """Return the start in UTC, followed by the local time."""
    from chaosdrill.time_zones import local

    moment = instant(point.began)
    beside = local(moment, zone) if moment is not None else ""
    return point.began[:16].replace("T", " ") + (f" ({beside})" if beside else "")


def _held(one: "Reached") -> str:
    return f"{one.measured.in_words()}{' !' if one.met is False else ''}"


def _letters(found: "Trend") -> dict[str, str]:
    """Return a letter per phase: colours are missing in files, and not everyone can tell them apart."""
    from chaosdrill.analysis.trend import STACKED

    seen = {part.name for point in found.points for parts in point.stacks.values() for part in parts}
    return {name: letter for name, letter in zip(STACKED, "CRDOAS", strict=True) if name in seen}


def _rows(
    found: "Trend", point: "Point", number: int, letters: Mapping[str, str], width: int, longest: float, zone: Zone
) -> Iterator[Sequence[Any]]:
    head = (
        _began(point, zone),
        point.verdict,
        _recovery(point, found.objectives.get("rto_s", ())[number : number + 1]),
    )
    for what, parts in point.stacks.items():
        seconds = sum(part.seconds for part in parts)
        yield *head, what, f"{seconds:.1f} s", _bar(parts, letters, width / longest if longest else 0.0)
        head = ("", "", "")
    if not point.stacks:
        yield *head, "-", "-", ""


def _recovery(point: "Point", rto: Sequence[float | None]) -> str:
    if point.recovery is None:
        return "not measured"
    limit, value = next(iter(rto), None), point.recovery.value
    missed = " !" if limit is not None and value is not None and value > limit else ""
    return f"{point.recovery.in_words()}{missed}"


def _bar(parts: "Sequence[TrendPhase]", letters: Mapping[str, str], per_second: float) -> Any:
    """Return a bar with each phase in proportion to its duration; phases shorter than half a character are left out."""
    from rich.text import Text

    bar, end_s, drawn = Text(), 0.0, 0
    for part in parts:
        end_s += part.seconds
        length = round(end_s * per_second) - drawn
        drawn += length
        style = COLOURS[list(letters).index(part.name) % len(COLOURS)]
        bar.append((letters[part.name] + FULL * (length - 1))[:length], style=style)
    return bar
