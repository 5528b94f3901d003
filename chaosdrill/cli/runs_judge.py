"""The ``chaosdrill runs judge`` command: the judgement of a stored run."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosdrill.cli import junit_option as junit_file
from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.junit_option import junit_option
from chaosdrill.cli.screen import Screen
from chaosdrill.cli.text import usage_error

if TYPE_CHECKING:
    from chaosdrill.analysis.judgement import Judgement
    from chaosdrill.analysis.run import Run


@click.command()
@click.argument("named", metavar="[RUN]", default="", shell_complete=complete_run)
@junit_option
@click.option("--json", "as_json", is_flag=True, help="For machines: the whole judgement, with every write and phase.")
def judge(named: str, junit: Path | None, as_json: bool) -> None:
    """Judge a stored RUN again, from nothing but what it left behind.

    \b
        chaosdrill runs judge                        the newest run
        chaosdrill runs judge 20260501T0930          the run whose id begins like that
        chaosdrill runs judge /backup/some-run       a run directory, wherever it is

    Shows the verdict and why; every finding by name; what was measured, each figure with its uncertainty and how it
    was obtained; the phases of each failover and failback with the evidence they rest on; lost writes by id. What was
    not measured is "not measured", with the reason. When the history or the records were cut or changed, that is
    found, and the verdict is never the better for it. Neither a network nor the target is needed. What a drill wrote is
    never changed; a drill that died gets the journal and the summary that it did not come to write, marked as rebuilt.

    With --junit the verdict, each check of the steady state and each finding is a test case: a failure where the
    verdict is failed, an error where it is invalid, refused or interrupted.

    Exit code: 0 when the verdict is passed; 1 when it is failed, invalid, refused or interrupted; 2 when there is no
    such run, or FILE cannot be written.
    """
    from chaosdrill.analysis.judgement import judge as judged
    from chaosdrill.errors import BadInput
    from chaosdrill.runs import find_run, read_run
    from chaosdrill.runs.liveness import goes_on

    try:
        junit_file.prepare(junit)
        directory = find_run(named)
    except BadInput as error:
        raise usage_error(error) from error
    if goes_on(directory):
        click.echo("the drill still goes on: this is of what it has left so far", err=True)
    run = read_run(directory)
    judgement = judged(run)
    _rebuild(directory, run, judgement)
    _write_junit(junit, directory, run, judgement)
    if as_json:
        click.echo(json.dumps({"run": directory.name, **judgement.as_json()}, indent=1))
    else:
        _show(directory.name, judgement)
    sys.exit(0 if judgement.verdict == "passed" else 1)


def _write_junit(path: Path | None, directory: Path, run: "Run", judgement: "Judgement") -> None:
    from chaosdrill.analysis.summary_fields import DRILL, summary_fields
    from chaosdrill.history.run_directory import experiment_of
    from chaosdrill.runs.junit import cases_of_run

    known = summary_fields(experiment_of(directory.name), run.events, DRILL)
    findings = [one.as_json() for one in judgement.findings]
    cases = cases_of_run(judgement.verdict, [str(one) for one in judgement.reasons], findings, known["hypothesis"])
    junit_file.write(path, str(known["experiment"]), cases, {"run": directory.name})


def _rebuild(directory: Path, run: "Run", judgement: "Judgement") -> None:
    """Write the journal and summary of a drill that died, and report it on standard error, apart from the command's
    output.
    """
    from chaosdrill.runs.rebuilding import rebuild_journal, rebuild_summary

    try:
        made = {
            "journal": rebuild_journal(directory),
            "summary": rebuild_summary(directory, run, judgement),
        }
    except OSError as error:
        click.echo(f"its journal and summary could not be written: {error}", err=True)
        return
    if names := [name for name, done in made.items() if done]:
        were = "were" if len(names) > 1 else "was"
        click.echo(f"the drill died: its {' and '.join(names)} {were} made from its history", err=True)


def _show(name: str, judgement: "Judgement") -> None:
    screen = Screen()
    screen.say(f"{name}: {judgement.verdict}", "bold")
    for reason in judgement.reasons:
        screen.say(f"  {reason}")
    for headings, rows in _tables(judgement):
        screen.say("")
        screen.table(headings, rows)


def _tables(judgement: "Judgement") -> Iterator[tuple[Sequence[str], Sequence[Sequence[str]]]]:
    if judgement.findings:
        rows = [(one.name, one.verdict, one.text, ", ".join(one.evidence)) for one in judgement.findings]
        yield (("finding", "asks for", "what was seen", "evidence"), rows)
    figures = [(name, figure.in_words(), figure.how) for name, figure in judgement.figures.items()]
    yield (("figure", "measured", "how"), figures)
    for one in judgement.movements:
        heading = f"{one.leg.what} to {one.leg.destination or '?'}"
        phases = [(phase.name, phase.in_words(), ", ".join(phase.evidence)) for phase in one.phases]
        yield ((heading, "took", "evidence"), phases)
    for truth in judgement.truths:
        named = {"lost": truth.lost, "lost, not reported": truth.not_reported, "reported, not lost": truth.not_lost}
        counted = [(name, str(len(ids)), " ".join(ids)) for name, ids in named.items()]
        yield ((f"by the databases in {truth.region}, {truth.label}", "number", "ids"), counted)
    for losses in judgement.losses:
        groups = [(name, str(len(ids)), " ".join(ids)) for name, ids in losses.groups().items() if ids]
        yield ((f"writes {losses.label}", "number", "ids"), [("accepted", str(losses.accepted), ""), *groups])
