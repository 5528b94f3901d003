"""The ``chaosdrill runs`` command group: stored runs."""

import click

from chaosdrill.cli.runs_export import export
from chaosdrill.cli.runs_import import import_run
from chaosdrill.cli.runs_judge import judge
from chaosdrill.cli.runs_list import list_runs, tag
from chaosdrill.cli.runs_prune import prune
from chaosdrill.cli.runs_show import show
from chaosdrill.cli.runs_verdict import verdict
from chaosdrill.cli.runs_verify import verify


@click.group()
def runs() -> None:
    """The runs: what drills left behind, in the directory `runs` of chaosdrill's home.

    \b
        chaosdrill runs list
        chaosdrill runs judge
        chaosdrill runs judge 20260501T093000Z-failover-ab12 --json

    A run is a plain directory; it can be copied, kept, and judged again anywhere.
    """


runs.add_command(export)
runs.add_command(import_run)
runs.add_command(judge)
runs.add_command(list_runs)
runs.add_command(prune)
runs.add_command(show)
runs.add_command(tag)
runs.add_command(verdict)
runs.add_command(verify)
