"""The ``chaosdrill compare`` command: comparisons of runs and of groups of runs, and gates for pipelines."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosdrill.cli import junit_option as junit_file
from chaosdrill.cli.compare_html import html_options, write_page
from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.junit_option import junit_option
from chaosdrill.cli.text import usage_error, with_codes
from chaosdrill.errors import BadInput, problem
from chaosdrill.time_zones import Zone

if TYPE_CHECKING:
    from chaosdrill.runs.selection import RunStore

CANNOT = 2
PASSED = "passed"


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...", shell_complete=complete_run)
@click.option("--last", type=click.IntRange(2), metavar="N", help="The newest N runs that can be compared.")
@click.option("--experiment", metavar="E", help="With --last: of this experiment; default: that of the newest run.")
@click.option("--baseline", multiple=True, metavar="RUNS", help="Compare with these; may be given several times.")
@click.option("--candidate", multiple=True, metavar="RUNS", help="Compare these; may be given several times.")
@click.option("--gate", "gates", multiple=True, metavar="GATE", help="Whether this holds; may be given several times.")
@click.option("--all", "everything", is_flag=True, help="Also latencies that did not change.")
@junit_option
@html_options
@click.option("--json", "as_json", is_flag=True, help="For machines: everything.")
def compare(
    runs: Sequence[str],
    last: int | None,
    experiment: str | None,
    baseline: Sequence[str],
    candidate: Sequence[str],
    gates: Sequence[str],
    everything: bool,
    junit: Path | None,
    html: Path | None,
    language: str,
    zone: Zone,
    as_json: bool,
) -> None:
    """Compare runs: what changed, what flipped, what may explain it.

    \b
        chaosdrill compare 20260501T0930                       a baseline, with the newest run
        chaosdrill compare 20260501T0930 20260801T0930         a baseline, and a candidate
        chaosdrill compare RUN RUN RUN                         side by side, a column for each
        chaosdrill compare --last 5                            the newest, side by side
        chaosdrill compare --baseline tag:before --candidate tag:after
        chaosdrill compare --last 20 --html page.html          one page that can be mailed and read offline
        chaosdrill compare --gate 'recovery_time_s <= 120 and recovery_time_s.change <= 10%'

    RUNS is a run (its id, the beginning of it, or its directory), `tag:NAME`, a day or days `2026-05-01..2026-05-07`,
    or `passed:N`: the newest N that passed before the candidate and are like it.

    Shows every probe of the hypothesis before, during and after the method, with its tolerance and what flipped; every
    measurement with its uncertainty; and what was not the same: experiment, topology, versions, variables. Runs of
    another experiment, target or scale cannot be compared, and a run that proved nothing is left out by name.

    Of one run against one nothing is claimed. Of groups of runs each measurement is `better`, `worse`, `different`
    (where neither way is better), `no difference seen`, or there are `too few runs to tell`.

    \b
    A GATE compares figures: `recovery_time_s`, `lost_writes`, `availability_ratio`, `verdict`, phases such as
    `fail_over.database_switched_s`, latencies such as `latency.read.during.p95_s`; a misspelt name lists all.
        .change     the candidate's less the baseline's; with % as a share of that
        .before     the baseline's own
    Without runs a gate is about the newest run, and the baseline is the last one that passed before it.

    With --junit each gate is a test case: a failure where it is broken, an error where nobody can tell.

    Exit code: 0 when they were compared, or the gates held; 1 when a gate is broken; 2 when they cannot be compared,
    or when nobody can tell whether a gate holds: it was not measured, or its uncertainty straddles the limit.
    """
    asked = _Asked(runs, last, experiment, baseline, candidate, gates)
    if problems := _problems(asked, html, junit):
        raise usage_error(BadInput([problem("options-invalid", one) for one in problems]))
    shown = _Shown(everything, html, language, zone, as_json)
    from chaosdrill.runs.selection import the_store

    try:
        if gates:
            junit_file.prepare(junit)
            sys.exit(_gate(the_store(), asked, junit, as_json))
        if last is not None or len(runs) > 2:
            sys.exit(_many(the_store(), asked, shown))
        sys.exit(_sides(the_store(), asked, shown))
    except BadInput as error:
        raise usage_error(error) from error


@dataclass(frozen=True)
class _Asked:
    """The runs to compare, and the gates."""

    runs: Sequence[str]
    last: int | None
    experiment: str | None
    baseline: Sequence[str]
    candidate: Sequence[str]
    gates: Sequence[str]


@dataclass(frozen=True)
class _Shown:
    """The output options of a comparison."""

    everything: bool
    html: Path | None
    language: str
    zone: Zone
    as_json: bool


def _problems(asked: _Asked, html: Path | None, junit: Path | None) -> list[str]:
    sides = bool(asked.baseline or asked.candidate)
    problems = []
    if asked.last is None and asked.experiment is not None:
        problems.append("--experiment goes with --last: write `--last 5`")
    if asked.last is not None and (asked.runs or sides or asked.gates):
        problems.append("--last is of the newest runs: leave out the others, or write `--candidate` and `--baseline`")
    if asked.runs and sides:
        problems.append("name runs either as arguments, or with --baseline and --candidate")
    if asked.gates and len(asked.runs) > 2:
        problems.append("a gate is about one baseline and one candidate: name groups with --baseline and --candidate")
    if junit is not None and not asked.gates:
        problems.append("--junit has the result of gates: write `--gate GATE`, too")
    if asked.gates and html is not None:
        problems.append("a gate has no page: leave out --html, or --gate")
    if not (asked.runs or asked.last or asked.baseline or asked.gates):
        problems.append(
            "name runs to compare: `chaosdrill compare BASELINE CANDIDATE`, or `chaosdrill compare --last 5`"
        )
    return problems


def _many(store: "RunStore", asked: _Asked, shown: _Shown) -> int:
    from chaosdrill.analysis.many_runs import many_runs
    from chaosdrill.cli.compare_tables import show_many
    from chaosdrill.cli.screen import Screen, say_json
    from chaosdrill.runs.comparing import read_compared_runs
    from chaosdrill.runs.selection import chosen, newest_alike

    others: list[Path] = []
    if asked.last is not None:
        paths, left = newest_alike(store, asked.last, asked.experiment)
        others = store.paths(left)
    else:
        paths = chosen(store, asked.runs)
    known, unreadable = read_compared_runs([*paths, *others])
    found = many_runs(known)
    found = replace(found, left_out=(*unreadable, *found.left_out))
    if shown.html is not None:
        write_page(shown.html, shown.language, shown.zone, found)
    elif shown.as_json:
        say_json(found.as_json())
    else:
        show_many(Screen(), found, shown.everything)
    if len(found.runs) > 1:
        return 0
    why = f"{len(found.runs)} of them can be compared, it takes two: run a drill again, or name more"
    click.echo(with_codes(BadInput([problem("runs-too-few", why)])), err=True)
    return CANNOT


def _sides(store: "RunStore", asked: _Asked, shown: _Shown) -> int:
    candidates, baselines = _paths(store, asked)
    if len(candidates) == len(baselines) == 1:
        return _two(baselines[0], candidates[0], shown)
    return _groups(baselines, candidates, shown)


def _paths(store: "RunStore", asked: _Asked, or_else: Sequence[str] = ()) -> tuple[list[Path], list[Path]]:
    """Return the candidates, by default the newest run, and the baselines, by default ``or_else``."""
    from chaosdrill.runs.lookup import find_run
    from chaosdrill.runs.selection import chosen

    before, after = (asked.runs[:1], asked.runs[1:]) if asked.runs else (asked.baseline or or_else, asked.candidate)
    candidates = chosen(store, after) if after else [find_run()]
    return candidates, chosen(store, before, candidates)


def _two(baseline: Path, candidate: Path, shown: _Shown) -> int:
    from chaosdrill.analysis.comparison import comparison
    from chaosdrill.analysis.many_runs import many_runs
    from chaosdrill.cli.compare_tables import show_two
    from chaosdrill.cli.screen import Screen, say_json
    from chaosdrill.runs.comparing import read_compared_run

    found = comparison(read_compared_run(baseline), read_compared_run(candidate))
    if shown.html is not None:
        write_page(shown.html, shown.language, shown.zone, many_runs((found.baseline, found.candidate)), two=found)
    elif shown.as_json:
        say_json(found.as_json())
    else:
        show_two(Screen(), found, shown.everything)
    return CANNOT if found.why_not else 0


def _groups(baselines: Sequence[Path], candidates: Sequence[Path], shown: _Shown) -> int:
    from importlib.util import find_spec

    from chaosdrill.analysis.groups import groups
    from chaosdrill.cli.compare_tables import show_groups
    from chaosdrill.cli.screen import Screen, say_json
    from chaosdrill.extras import install_command
    from chaosdrill.runs.comparing import read_compared_runs

    if find_spec("scipy") is None:
        raise BadInput([f"comparing groups of runs needs SciPy: {install_command('report')}"])
    (before, unread), (after, unreadable) = read_compared_runs(baselines), read_compared_runs(candidates)
    found = groups(before, after)
    found = replace(found, left_out=(*unread, *unreadable, *found.left_out))
    if shown.html is not None:
        write_page(shown.html, shown.language, shown.zone, replace(found.runs, left_out=found.left_out), groups=found)
    elif shown.as_json:
        say_json(found.as_json())
    else:
        show_groups(Screen(), found, shown.everything)
    return 0 if found.comparable else CANNOT


def _gate(store: "RunStore", asked: _Asked, junit: Path | None, as_json: bool) -> int:
    from chaosdrill.cli.compare_gate import gated

    candidates, baselines = _paths(store, asked, or_else=(PASSED,))
    return gated(asked.gates, candidates, baselines, junit, as_json)
