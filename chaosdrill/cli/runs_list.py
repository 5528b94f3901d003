"""The ``chaosdrill runs list`` and ``tag`` commands: the stored runs and their tags."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.options import time_zone_option
from chaosdrill.cli.runs_filter import filters, wanted_of
from chaosdrill.cli.text import one_line, usage_error
from chaosdrill.cli.times import instant

if TYPE_CHECKING:
    from chaosdrill.runs.entries import RunEntry
    from chaosdrill.time_zones import Zone

SHOWN = 30


@click.command("list")
@filters
@click.option("--all", "everything", is_flag=True, help=f"All of them, not only the newest {SHOWN}.")
@time_zone_option
@click.option("--json", "as_json", is_flag=True, help="For machines: all of them, the oldest first.")
def list_runs(everything: bool, zone: "Zone", as_json: bool, **filtered: Any) -> None:
    """List the runs, the newest first.

    \b
        chaosdrill runs list --experiment failover --target aws
        chaosdrill runs list --verdict failed --verdict invalid --since 2026-05-01
        chaosdrill runs list --tag quarterly --json

    They are in $CHAOSDRILL_RUNS, else in the directory `runs` of chaosdrill's home. An id begins with the UTC time; the
    local time is a column of its own. On a narrow terminal, columns are left out and ids are never broken. Recovery is
    the clients' time without service in the failover; a dash stands for what was not measured. `unjudged`: the drill
    died before its summary was written, or still goes on; `chaosdrill runs judge RUN` says what it proved all the same.
    `unreadable`: its summary is of a newer version, or is none; `chaosdrill runs verdict RUN` says why.

    Exit code: 0, also when there is none; 2 when a filter cannot be understood, or the runs cannot be read.
    """
    from chaosdrill.errors import BadInput
    from chaosdrill.paths import runs_directory
    from chaosdrill.runs.catalogue import catalogue

    wanted = wanted_of(**filtered)
    try:
        found = [entry for entry in catalogue(runs_directory()) if wanted(entry)]
    except BadInput as error:
        raise usage_error(error) from error
    if as_json:
        click.echo(json.dumps([entry.as_json() for entry in found], indent=1))
        return
    newest = found[::-1] if everything else found[: -SHOWN - 1 : -1]
    _print(newest, zone)
    if not found:
        click.echo(one_line(f"no such run in {runs_directory()}"), err=True)
    elif len(newest) < len(found):
        click.echo(f"{len(newest)} of {len(found)}: --all shows all of them", err=True)


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.argument("tags", nargs=-1)
@click.option("--remove", multiple=True, metavar="TAG", help="Take this tag away; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def tag(run: str, tags: Sequence[str], remove: Sequence[str], as_json: bool) -> None:
    """Give TAGS to a RUN, to find it again; without any, show those it has.

    \b
        chaosdrill runs tag 20260501T0930 quarterly q2-2026
        chaosdrill runs tag 20260501T0930 --remove q2-2026

    They stand beside the run, in tags.json; its history and its seal are not touched.

    Exit code: 0; 2 when there is no such run, or a tag is no word.
    """
    from chaosdrill.errors import BadInput
    from chaosdrill.runs import find_run
    from chaosdrill.runs.tags import tag_run, tags_of

    try:
        directory = find_run(run)
        kept = tag_run(directory, tags, remove) if tags or remove else tags_of(directory)
    except BadInput as error:
        raise usage_error(error) from error
    if as_json:
        click.echo(json.dumps({"run": directory.name, "tags": kept}))
        return
    click.echo(one_line(f"{directory.name}: {', '.join(kept) or 'no tags'}"))


WIDTH_IN_FILES = 160
BORDERS = 3  # characters of a column in addition to its text
# in the order in which they are left out when the terminal is too narrow
DISPENSABLE = ("tags", "operator", "took s", "local time", "target", "lost writes", "recovery s")


def _print(entries: "Sequence[RunEntry]", zone: "Zone") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [{name: one_line(cell) for name, cell in _cells(entry, zone).items()} for entry in entries]
    if not rows:
        return
    console = Console()
    width = console.width if console.is_terminal else WIDTH_IN_FILES
    names = _fitting(rows, width)
    table = Table()
    for name in names:
        table.add_column(name, no_wrap=True, justify="right" if name[-2:] == " s" else "left")
    for row in rows:
        table.add_row(*(Text(row[name]) for name in names))
    Console(width=max(width, _width(rows, names))).print(table)
    if left_out := [name for name in rows[0] if name not in names and any(row[name] for row in rows)]:
        click.echo(f"left out, as the terminal is narrow: {', '.join(left_out)} (--json has everything)", err=True)


def _cells(entry: "RunEntry", zone: "Zone") -> dict[str, str]:
    from chaosdrill.time_zones import local

    figures = entry.figures or {}
    scale = f", scale {entry.scale:g}" if entry.scale not in (None, 1.0) else ""
    broken = " (broken)" if entry.broken else ""
    lost = [value for name, value in figures.items() if name.startswith("lost_writes_")]
    began = instant(entry.began)
    return {
        "run": entry.run,
        "local time": local(began, zone) if began is not None else "",
        "target": f"{entry.target or '-'}{scale}{broken}",
        "verdict": entry.verdict,
        "recovery s": _number(figures.get("recovery_fail_over_s")),
        "lost writes": _number(max(lost, default=None)),
        "took s": _number(entry.seconds),
        "operator": entry.operator or "-",
        "tags": " ".join(entry.tags),
    }


def _fitting(rows: "Sequence[dict[str, str]]", width: int) -> list[str]:
    """Return the columns that fit into a width; empty columns are left out first."""
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    for name in DISPENSABLE:
        if _width(rows, names) <= width:
            break
        names = [one for one in names if one != name]
    return names


def _width(rows: "Sequence[dict[str, str]]", names: "Sequence[str]") -> int:
    from rich.cells import cell_len

    return 1 + sum(BORDERS + max(cell_len(text) for text in (name, *(row[name] for row in rows))) for name in names)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
