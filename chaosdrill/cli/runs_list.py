"""``chaosdrill runs list`` and ``tag``: which runs there are."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from chaosdrill.runs.entries import Entry

SHOWN = 30
VERDICTS = ["passed", "failed", "invalid", "refused", "interrupted", "unjudged"]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@click.command("list")
@click.option("--experiment", help="Of this experiment only: the name of its file without ending, such as failover.")
@click.option("--target", type=click.Choice(["lab", "aws"]), help="On this target only.")
@click.option(
    "--verdict", type=click.Choice(VERDICTS), multiple=True, help="With this verdict only; may be given several times."
)
@click.option("--tag", "tags", multiple=True, help="With this tag; given several times: with all of them.")
@click.option("--since", metavar="DAY", help="Begun on this day (UTC) or later, such as 2026-05-01.")
@click.option("--until", metavar="DAY", help="Begun on this day (UTC) or earlier.")
@click.option("--all", "everything", is_flag=True, help=f"All of them, not only the newest {SHOWN}.")
@click.option("--json", "as_json", is_flag=True, help="For machines: all of them, the oldest first.")
def list_runs(
    experiment: str | None,
    target: str | None,
    verdict: Sequence[str],
    tags: Sequence[str],
    since: str | None,
    until: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """List the runs, the newest first.

    \b
        chaosdrill runs list --experiment failover --target aws
        chaosdrill runs list --verdict failed --verdict invalid --since 2026-05-01
        chaosdrill runs list --tag quarterly --json

    They are in $CHAOSDRILL_RUNS, else in the directory `runs` of chaosdrill's home. Recovery is the clients' time
    without service in the failover; a dash stands for what was not measured. `unjudged`: the drill died before its
    summary was written; `chaosdrill runs judge RUN` says what it proved all the same.

    Exit code: 0, also when there is none; 2 when a filter cannot be understood.
    """
    from chaosdrill.home import runs_directory
    from chaosdrill.runs.catalogue import catalogue

    wanted = _filter(experiment, target, verdict, tags, (_day(since, "--since"), _day(until, "--until")))
    found = [entry for entry in catalogue(runs_directory()) if wanted(entry)]
    if as_json:
        click.echo(json.dumps([entry.as_json() for entry in found], indent=1))
        return
    newest = found[::-1] if everything else found[: -SHOWN - 1 : -1]
    _print(newest)
    if not found:
        click.echo(f"no such run in {runs_directory()}", err=True)
    elif len(newest) < len(found):
        click.echo(f"{len(newest)} of {len(found)}: --all shows all of them", err=True)


@click.command()
@click.argument("run")
@click.argument("tags", nargs=-1)
@click.option("--remove", multiple=True, metavar="TAG", help="Take this tag away; may be given several times.")
def tag(run: str, tags: Sequence[str], remove: Sequence[str]) -> None:
    """Give TAGS to a RUN, to find it again; without any, show those it has.

    \b
        chaosdrill runs tag 20260501T0930 quarterly q2-2026
        chaosdrill runs tag 20260501T0930 --remove q2-2026

    They stand beside the run, in tags.json; its history and its seal are not touched.
    """
    from chaosdrill.errors import BadInput
    from chaosdrill.runs import find_run
    from chaosdrill.runs.tags import tag_run, tags_of

    try:
        directory = find_run(run)
        kept = tag_run(directory, tags, remove) if tags or remove else tags_of(directory)
    except BadInput as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"{directory.name}: {', '.join(kept) or 'no tags'}")


def _filter(
    experiment: str | None,
    target: str | None,
    verdicts: Sequence[str],
    tags: Sequence[str],
    days: tuple[str, str],
) -> "Callable[[Entry], bool]":
    since, until = days

    def wanted(entry: "Entry") -> bool:
        return (
            experiment in (None, entry.experiment)
            and target in (None, entry.target)
            and (not verdicts or entry.verdict in verdicts)
            and set(tags) <= set(entry.tags)
            and (not since or entry.began[:10] >= since)
            and (not until or "" < entry.began[:10] <= until)
        )

    return wanted


def _day(text: str | None, option: str) -> str:
    """A day as runs have it, so that texts compare as days do."""
    if text is None:
        return ""
    try:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return f"{datetime.strptime(text, '%Y-%m-%d').replace(tzinfo=UTC):%Y-%m-%d}"
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: write a day such as 2026-05-01") from error


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
