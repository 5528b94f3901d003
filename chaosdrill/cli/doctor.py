"""The ``chaosdrill doctor`` command: whether this machine can run the lab."""

import json
import sys
from dataclasses import asdict

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines: a list of checks.")
def doctor(as_json: bool) -> None:
    """Check this machine, and say for each failure what to do.

    Looks at the system, Python, the extra `lab`, the directory for runs, util-linux, namespaces and packet loss.
    A drill on the lab makes the same checks before it starts anything.
    Exit code: 0 when the lab can run here, 1 when not.
    """
    from chaosdrill.lab import doctor as machine

    found = list(machine.checks())
    if as_json:
        click.echo(json.dumps([{**asdict(check), "ok": check.ok} for check in found], indent=1))
    else:
        for check in found:
            click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.trouble or check.seen}")
            if check.advice:
                click.echo(f"      {check.advice}")
    sys.exit(0 if all(check.ok for check in found) else 1)
