"""The ``chaosdrill preflight`` command: whether a drill could begin now, as a table of checks."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.rehearse import EXISTING, variables_of

if TYPE_CHECKING:
    from chaosdrill.preflight import CheckResult

WIDTH_IN_FILES = 200
COLOURS = {"ok": "green", "warning": "yellow", "refuse": "red"}


@click.command()
@click.argument("experiment", type=EXISTING)
@click.option("--topology", type=EXISTING, help="The topology file.  [default: CHAOSDRILL_TOPOLOGY]")
@click.option("--var", multiple=True, callback=variables_of, help="As for `chaos run`: name:type=value.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def preflight(experiment: Path, topology: Path | None, var: dict[str, Any], as_json: bool) -> None:
    """Check whether a drill with EXPERIMENT could begin now.

    \b
        chaosdrill preflight experiments/failover.yaml --topology topology/aws.yaml
        chaosdrill preflight experiments/failover.yaml --topology topology/aws.yaml --json

    Nothing is changed; on the client host commands run that only read. Each check is ok, a warning, or refuses the
    drill, and says what to do: account, permissions (each statement of the experiment's policy), credentials, clock,
    disk, region state, stop flags, routing controls and each cluster endpoint, database, state machines and their
    executions, the rule of the automatic failover, the domain, the client host and its tools, FIS and the targets.
    Exit code: 0 when a drill could begin, also with warnings; 1 when a check refuses, or an input cannot be used;
    2 for wrong arguments.
    """
    from chaosdrill.preflight import preflight as run
    from chaosdrill.rehearsal.loading import load

    results = run(load(experiment, var, topology).context())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in results], indent=1, ensure_ascii=False))
    else:
        _show(results)
    sys.exit(1 if any(one.outcome == "refuse" for one in results) else 0)


def _show(results: "Sequence[CheckResult]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("part", "check", "observed", "", "fix"):
        table.add_column(heading, overflow="fold")  # a truncated ARN would be useless
    for one in results:
        observed = ": ".join(text for text in (one.value, str(one.why)) if text)
        outcome = Text(one.outcome, COLOURS[one.outcome])
        table.add_row(Text(one.part), Text(one.what), Text(observed), outcome, Text(one.fix))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_IN_FILES)
    console.print(table)
    counts = {outcome: sum(one.outcome == outcome for one in results) for outcome in COLOURS}
    click.echo(f"{counts['ok']} ok, {counts['warning']} warnings, {counts['refuse']} refuse the drill")
