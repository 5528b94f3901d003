"""``chaosdrill compare``: what was otherwise in another run."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.text import one_line

if TYPE_CHECKING:
    from chaosdrill.analysis.comparison import Checked, Comparison, Difference
    from chaosdrill.analysis.hypothesis import Reading

WIDTH_IN_FILES = 160
SHORT = 60


@click.command()
@click.argument("baseline")
@click.argument("candidate", default="")
@click.option("--all", "everything", is_flag=True, help="Also what was the same in both.")
@click.option("--json", "as_json", is_flag=True, help="For machines: everything.")
def compare(baseline: str, candidate: str, everything: bool, as_json: bool) -> None:
    """Compare a CANDIDATE (default: the newest run) with a BASELINE run.

    \b
        chaosdrill compare 20260501T0930                     with the newest run
        chaosdrill compare 20260501T0930 20260801T0930
        chaosdrill compare 20260501T0930 20260801T0930 --all --json

    Shows what was not the same in the circumstances (experiment, topology, versions, variables); every check of the
    hypothesis that came out otherwise, before, during and after; and every measurement: the recovery time and its
    phases, lost writes, availability, latencies, each with its uncertainty and the change.

    Runs of another experiment, another target or another scale cannot be compared, and a run that proved nothing
    (invalid, refused, interrupted, or in a lab that was broken on purpose) is left out by name. From one run against
    one nothing follows for the next: a change is what was measured, not a claim.

    Exit code: 0 when they were compared; 2 when they cannot be, with the reasons.
    """
    from chaosdrill.analysis.comparison import comparison
    from chaosdrill.errors import BadInput
    from chaosdrill.runs import find_run
    from chaosdrill.runs.comparing import read_compared_run

    try:
        found = comparison(*(read_compared_run(find_run(name)) for name in (baseline, candidate)))
    except BadInput as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=1))
    else:
        _show(found, everything)
    sys.exit(2 if found.why_not else 0)


def _show(found: "Comparison", everything: bool) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_IN_FILES)

    def say(text: str) -> None:
        console.print(one_line(text), highlight=False, markup=False)

    for side, run in (("baseline", found.baseline), ("candidate", found.candidate)):
        say(f"{side}: {run.run}: {run.verdict}")
    for why in found.why_not:
        say(f"they cannot be compared: {why}")
    if found.circumstances:
        console.print(_table(("not the same", "baseline", "candidate"), found.circumstances))
    if found.why_not:
        return
    checked = [one for one in found.checked if everything or one.flipped]
    if checked:
        console.print(_table(("hypothesis", "baseline", "candidate", ""), map(_checked, checked)))
    else:
        say("every check of the hypothesis came out the same")
    rows = [_difference(one) for one in found.differences if everything or _is_shown(one)]
    console.print(_table(("measured", "baseline", "candidate", "change", ""), rows))


def _is_shown(one: "Difference") -> bool:
    """Latencies are many; the others are told whether they changed or not."""
    if one.baseline is None and one.candidate is None:
        return False
    return not one.name.startswith("latency.") or _exceeds(one)


def _exceeds(one: "Difference") -> bool:
    """Where it is not known how uncertain one of them is, nothing is said; nor of what is finer than the method."""
    if one.change is None or one.change.uncertainty is None:
        return False
    return abs(one.change.value or 0.0) > max(one.change.uncertainty, one.change.resolution or 0.0)


def _checked(one: "Checked") -> Sequence[str]:
    sides = [", ".join(map(_reading, side)) or "not read"
             for side in (one.baseline, one.candidate)]  # fmt: skip
    return f"{one.probe}, {one.when}", *sides, "flipped" if one.flipped else ""


def _reading(one: "Reading") -> str:
    return f"{_short(one.value)} ({_met(one.met)}{f', {one.times} times' if one.times > 1 else ''})"


def _met(met: bool | None) -> str:
    return {True: "met", False: "missed", None: "not known"}[met]


def _difference(one: "Difference") -> Sequence[str]:
    sides = ["-" if side is None else side.in_words() for side in (one.baseline, one.candidate)]
    if one.change is None:
        return one.name, *sides, "-", ""
    share = "" if one.ratio is None else f" ({one.ratio:+.0%})"
    sign = "+" if (one.change.value or 0.0) > 0 else ""
    beyond = "more than both uncertainties" if _exceeds(one) else ""
    return one.name, *sides, f"{sign}{one.change.in_words()}{share}", one.change.why or beyond


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(_short(cell) if not isinstance(cell, str) else cell)) for cell in row))
    return table
