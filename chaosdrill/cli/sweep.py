"""The ``chaosdrill sweep`` command: leftovers of drills in a system, and their removal."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.named_system import drilled_system, named_system
from chaosdrill.cli.text import usage_error
from chaosdrill.errors import BadInput, problem

if TYPE_CHECKING:
    from chaosdrill.aws import System
    from chaosdrill.parts.interface import Leftover
    from chaosdrill.rescue.sweep import Sweep

WIDTH_IN_FILES = 200
NOTHING, SOMETHING = 0, 1  # exit codes


@click.command()
@click.argument("system", metavar="[RUN|TOPOLOGY]", default="", shell_complete=complete_run)
@click.option("--remove", is_flag=True, help="Remove the leftovers, after a confirmation.")
@click.option("--reused", is_flag=True, help="With --remove: also what the next drill would use again.")
@click.option("--yes", is_flag=True, help="With --remove: without asking.")
@click.option("--json", "as_json", is_flag=True, help="For machines; with --remove it needs --yes.")
def sweep(system: str, remove: bool, reused: bool, yes: bool, as_json: bool) -> None:
    """Find what drills left of a system.

    \b
        chaosdrill sweep                             of CHAOSDRILL_TOPOLOGY, or of the lab that runs here
        chaosdrill sweep topology/aws.yaml
        chaosdrill sweep topology/aws.yaml --remove

    Also of drills that ran elsewhere, or whose run directory is gone: faults of FIS that are in force, netem rules,
    programs and files on the client host, objects in its S3 bucket, executions that still run, regions that are half
    switched, leases that expired and undos that are owed. Each has the command that removes it by hand. Templates and
    roles have no effect by themselves and are used again; they are listed, and do not count. What belongs to a drill
    that goes on, or to another system, is not touched; while an undo is owed, nothing is. Exit code: 0 when nothing is
    left, 1 when something is or a part could not be read, 2 when an input cannot be used.
    """
    if (reused or yes) and not remove:
        raise click.UsageError("--reused and --yes go with --remove")
    if remove and as_json and not yes:
        raise click.UsageError("--json with --remove needs --yes: it does not prompt")
    try:
        swept = _system(system)
        live = _live_here(swept)
    except BadInput as error:
        raise usage_error(error) from error
    _sweep(swept, live, remove, reused, yes, as_json)


def _system(text: str) -> "System":
    """Return access to the named system, or the default one.

    :raises BadInput: when no topology is known, it is invalid, or the text is neither a file nor a run on this machine.
    """
    named = named_system(text)
    if named.run and not named.is_here:
        why = f"{named.run}: there is no such file, and no such run on this machine: name the system's topology"
        raise BadInput([problem("run-missing", why)])
    return drilled_system(named)


def _live_here(system: "System") -> frozenset[str]:
    from chaosdrill.paths import runs_directory
    from chaosdrill.rescue.sweep import live_runs_here

    return live_runs_here(runs_directory(), system.topology)


def _sweep(system: "System", live: frozenset[str], remove: bool, reused: bool, yes: bool, as_json: bool) -> None:
    from chaosdrill.rescue import sweep as sweeping

    found, failed = sweeping.find(system, live), dict["Leftover", str]()
    chosen = [one for one in (found.leftovers if reused else found.left) if one.is_removable] if remove else []
    if not as_json:
        _show(found)
    if chosen and (yes or click.confirm(f"remove {len(chosen)} of them", err=True)):
        with _locked(system):
            failed = sweeping.remove(system, chosen)
        found = sweeping.find(system, live)
        if not as_json:
            _show_removed(len(chosen) - len(failed), failed)
            _show(found)
    if as_json:
        click.echo(json.dumps(_plain(found, chosen, failed), indent=1, ensure_ascii=False))
    sys.exit(NOTHING if found.is_clean else SOMETHING)


@contextmanager
def _locked(system: "System") -> Iterator[None]:
    """Hold the lock that keeps drills on this machine from running."""
    from chaosdrill.controls.lock import take_lock

    lock = take_lock(None if system.topology.target == "lab" else system.topology.path.absolute())
    try:
        yield
    finally:
        os.close(lock)


def _plain(found: "Sweep", chosen: "Sequence[Leftover]", failed: "Mapping[Leftover, str]") -> dict[str, object]:
    return {
        "leftovers": [asdict(one) for one in found.leftovers],
        "live_runs": found.live_runs,
        "unreadable": found.unreadable,
        "removed": [asdict(one) for one in chosen if one not in failed],
        "not_removed": [{**asdict(one), "why": why} for one, why in failed.items()],
    }


def _show(found: "Sweep") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("part", "kind", "id", "region", "run", "what it is", "to remove it by hand"):
        table.add_column(heading, overflow="fold")  # a truncated ARN would be useless
    for one in found.leftovers:
        row = (one.part, one.kind, one.id, one.region, one.run, one.what, one.remove_by_hand)
        table.add_row(*map(Text, row), style="dim" if one.is_reused else None)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_IN_FILES)
    if found.leftovers:
        console.print(table)
    for name, why in found.unreadable.items():
        click.echo(f"{name} could not be read: {why}")
    if found.live_runs:
        click.echo(f"drills that go on, and are left alone: {', '.join(found.live_runs)}")
    click.echo(f"{len(found.left)} left, {len(found.leftovers) - len(found.left)} that the next drill uses again")


def _show_removed(number: int, failed: "Mapping[Leftover, str]") -> None:
    click.echo(f"removed: {number}")
    for one, why in failed.items():
        click.echo(f"not removed: {one.kind} {one.id}: {why}")
