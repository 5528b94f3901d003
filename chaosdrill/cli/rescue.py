"""The ``chaosdrill rescue`` command: recovery of a system after the driver of a drill died, from any machine."""

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.named_system import drilled_system, named_system
from chaosdrill.cli.text import usage_error, with_codes
from chaosdrill.errors import BadInput, CannotSee, Refused, problem

if TYPE_CHECKING:
    from chaosdrill.aws import System
    from chaosdrill.rescue.report import RescueReport
    from chaosdrill.rescue.situation import Situation

PAID, LEFT, REFUSED = 0, 1, 2  # exit codes
UNCONFIRMED = "a rescue changes the system: add --yes where no person can confirm it"


@click.command()
@click.argument("system", metavar="[RUN|TOPOLOGY]", default="", shell_complete=complete_run)
@click.option("--yes", is_flag=True, help="Act without asking.")
@click.option("--when-stale", is_flag=True, help="For a timer: act, without asking, only where a lease has expired.")
@click.option(
    "--data-loss",
    type=click.Choice(["allowed"]),
    help="A database without a writer may be promoted; commits that were not replicated are lost.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines; needs --yes or --when-stale.")
def rescue(system: str, yes: bool, when_stale: bool, data_loss: str | None, as_json: bool) -> None:
    """Bring a system back after the driver of a drill died, and pay what its drills owe. From any machine.

    \b
        chaosdrill rescue topology/aws.yaml               shows what it would do, and asks
        chaosdrill rescue 20260501T0930 --yes             the system of that run
        chaosdrill rescue topology/aws.yaml --when-stale  from a timer, each minute

    It reads what is owed and the state of every part, shows what is in force and its plan, and asks. Then it takes the
    system's lease over, when no request of the dead driver can be under way any more; ends the drill's faults; waits
    for the end of what the drill has started; closes, routes, opens and moves until the region that should serve does;
    restores automatic failover and capacity; ends load and heartbeat; reads everything again; and releases the lease.
    Repeated it does nothing. docs/rescue-states.md lists what it does in which state.

    It never acts while a driver lives, never makes two regions serve, and promotes a database that loses writes only
    with `--data-loss allowed`. What was handed over to an experiment is left to that.

    Exit code: 0 when nothing is owed any more; 1 when something stays, with what a person must do; 2 when the input
    cannot be used or the rescue refuses, and nothing was changed. With --when-stale also 0 when there is nothing to
    act on.
    """
    if as_json and not (yes or when_stale):
        raise click.UsageError("--json needs --yes or --when-stale: it does not prompt")
    try:
        drilled, found = _read(system)
        report = _report(drilled, found, data_loss or "", yes, when_stale, as_json)
    except BadInput as error:
        raise usage_error(error) from error
    except (CannotSee, Refused) as error:
        click.echo(f"chaosdrill: {with_codes(error)}", err=True)
        sys.exit(REFUSED)
    from chaosdrill.cli.rescue_screen import as_plain, report_lines

    _print([json.dumps(as_plain(report), indent=1, ensure_ascii=False)] if as_json else report_lines(report))
    sys.exit(PAID if report.is_paid or (when_stale and report.idle) else LEFT)


def _read(text: str) -> "tuple[System, Situation]":
    """Return the system, with its leases and owed undos.

    :raises BadInput: when no system is named, or the run is unknown.
    """
    from chaosdrill.paths import runs_directory
    from chaosdrill.rescue.situation import situation_of
    from chaosdrill.runs.unended import SystemFile

    named = named_system(text)
    system = drilled_system(named)
    path = Path(system.topology.path)
    file = SystemFile(system.topology.target, path, hashlib.sha256(path.read_bytes()).hexdigest())
    found = situation_of(system, runs_directory(), file)
    if named.run and not (named.is_here or found.knows(named.run)):
        why = f"no lease or owed undo of a run {named.run!r} is known in {found.coordination}: check its id"
        raise BadInput([problem("run-missing", why)])
    return system, found


def _report(
    system: "System", found: "Situation", data_loss: str, yes: bool, when_stale: bool, as_json: bool
) -> "RescueReport":
    """Rescue the system if a rescue is needed and allowed.

    :raises Refused: when a driver is alive, or there was no confirmation; nothing was changed.
    """
    from chaosdrill.cli.rescue_screen import RescueScreen, plan_lines
    from chaosdrill.parts.registry import lease_keys
    from chaosdrill.rescue.owing_runs import owed_of, plan_for
    from chaosdrill.rescue.report import RescueReport, rescue_under_lease

    lives, where = found.driver_lives(), (str(system.topology.path), str(found.coordination))
    if when_stale and (why := lives or found.no_lease_expired()):
        return RescueReport(*where, idle=why, left=tuple(owed_of(found.state)))
    if lives is not None:
        raise Refused(lives, code=lives.code)
    if found.is_clear:
        dead = tuple(one.run for one in found.unknown)
        return RescueReport(*where, idle="" if dead else _nothing(system), unknown=dead)
    if not as_json:
        for one in found.runs:
            _print(plan_lines(plan_for(system, one, data_loss), system.topology))
    if not (yes or when_stale):
        _confirm(found)
    try:
        with RescueScreen(system.topology) as screen:
            return rescue_under_lease(system, found, data_loss, screen)
    except Refused as refusal:
        if not (when_stale and refusal.code == "lease-held"):
            raise
        left = owed_of(found.coordination.read(lease_keys(system.topology)))
        return RescueReport(*where, idle=str(refusal), left=tuple(left))  # the timer's next rescue reads it again


def _nothing(system: "System") -> str:
    if system.topology.coordination is not None:
        return "nothing is owed"
    return "nothing is owed, by what this machine knows: the topology names no table (`coordination:`)"


def _confirm(found: "Situation") -> None:
    """Ask for confirmation.

    :raises Refused: when there is no terminal, or the answer is no.
    """
    if not sys.stdin.isatty():
        raise Refused(UNCONFIRMED, code="confirmation-missing")
    owed = sum(len(one.owed) for one in found.runs)
    if not click.confirm(f"act now, for {owed} owed undos of {len(found.runs)} runs?", err=True):
        raise Refused("nothing was changed", code="confirmation-missing")


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
