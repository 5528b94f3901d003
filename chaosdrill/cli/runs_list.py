"""``chaosdrill runs list`` and ``tag``: which runs there are."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.runs_filter import filters, wanted_of
from chaosdrill.cli.text import one_line, usage_error

if TYPE_CHECKING:
    from chaosdrill.runs.entries import Entry

SHOWN = 30


@click.command("list")
@filters
@click.option("--all", "everything", is_flag=True, help=f"All of them, not only the newest {SHOWN}.")
@click.option("--json", "as_json", is_flag=True, help="For machines: all of them, the oldest first.")
def list_runs(everything: bool, as_json: bool, **filtered: Any) -> None:
    """List the runs, the newest first.

    \b
        chaosdrill runs list --experiment failover --target aws
        chaosdrill runs list --verdict failed --verdict invalid --since 2026-05-01
        chaosdrill runs list --tag quarterly --json

    They are in $CHAOSDRILL_RUNS, else in the directory `runs` of chaosdrill's home. Recovery is the clients' time
    without service in the failover; a dash stands for what was not measured. `unjudged`: the drill died before its
    summary was written, or still goes on; `chaosdrill runs judge RUN` says what it proved all the same. `unreadable`:
    its summary is of a newer version, or is none; `chaosdrill runs verdict RUN` says why.

    Exit code: 0, also when there is none; 2 when a filter cannot be understood, or the runs cannot be read.
    """
    from chaosdrill.errors import BadInput
    from chaosdrill.home import runs_directory
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
    _print(newest)
    if not found:
        click.echo(one_line(f"no such run in {runs_directory()}"), err=True)
    elif len(newest) < len(found):
        click.echo(f"{len(newest)} of {len(found)}: --all shows all of them", err=True)


@click.command()
@click.argument("run")
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


def _print(entries: "Sequence[Entry]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from chaosdrill.cli.text import one_line

    table = Table()
    for heading in ("run", "target", "verdict", "recovery s", "lost writes", "took s", "operator", "tags"):
        table.add_column(heading, overflow="fold", justify="right" if heading[-2:] == " s" else "left")
    for entry in entries:
        figures = entry.figures or {}
        scale = f", scale {entry.scale:g}" if entry.scale not in (None, 1.0) else ""
        broken = " (broken)" if entry.broken else ""
        lost = [value for name, value in figures.items() if name.startswith("lost_writes_")]
        cells = (
            entry.run,
            f"{entry.target or '-'}{scale}{broken}",
            entry.verdict,
            _number(figures.get("recovery_fail_over_s")),
            _number(max(lost, default=None)),
            _number(entry.seconds),
            entry.operator or "-",
            " ".join(entry.tags),
        )
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
