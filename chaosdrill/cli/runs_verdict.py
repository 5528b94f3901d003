"""The ``chaosdrill runs verdict`` command: the recorded verdicts of runs."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.text import one_line

PASSED, OTHER, NONE = 0, 1, 2  # exit codes


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...", shell_complete=complete_run)
@click.option("--json", "as_json", is_flag=True, help="For machines: a list, one object a run.")
def verdict(runs: Sequence[str], as_json: bool) -> None:
    """Say how RUNs ended (default: the newest one), a line each: the verdict and why.

    \b
        chaosdrill runs verdict
        chaosdrill runs verdict 20260501T0930 20260801T0930
        chaosdrill runs verdict --json || echo 'not passed'

    It reads what stands in the run's summary and judges nothing, so it is instantaneous; `chaosdrill runs judge` works
    the verdict out again from everything that the run left behind, and finds what was changed since.

    \b
    Exit code, for scripts:
        0   every one of them passed
        1   one has another verdict: failed, invalid, refused or interrupted
        2   there is no such run, or no verdict is stored for one; what to do about it is said on standard error
    """
    found = [_verdict_of(run) for run in runs or [""]]
    if as_json:
        click.echo(json.dumps(found, indent=1))
    for one in found:
        if one["verdict"] is None:
            click.echo(one_line(f"{one['run']}: {one['why']}"), err=True)
        elif not as_json:
            click.echo(one_line(f"{one['run']}: {one['verdict']}: {'; '.join(one['reasons'])}"))
    words = {one["verdict"] for one in found}
    sys.exit(NONE if None in words else PASSED if words == {"passed"} else OTHER)


def _verdict_of(run: str) -> dict[str, Any]:
    from chaosdrill.errors import BadInput
    from chaosdrill.runs.liveness import goes_on
    from chaosdrill.runs.lookup import find_run
    from chaosdrill.runs.summaries import read_summary

    known: dict[str, Any] = {"run": run, "verdict": None, "reasons": [], "source": None, "why": ""}
    try:
        directory = find_run(run)
    except BadInput as error:
        return {**known, "why": str(error)}
    known["run"] = directory.name
    summary = read_summary(directory)
    if summary.missing:
        judge = f"no verdict is stored: `chaosdrill runs judge {known['run']}` works it out"
        return {**known, "why": "the drill still goes on" if goes_on(directory) else judge}
    if summary.why_not:
        return {**known, "why": f"its summary {summary.why_not}"}
    return {**known, "verdict": summary.verdict, "reasons": list(summary.reasons), "source": summary.source}
