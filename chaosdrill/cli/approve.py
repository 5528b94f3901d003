"""The ``chaosdrill approve`` command: approve a step of a drill that waits for a person, from any machine."""

import sys
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.named_system import drilled_system, live_run, named_system
from chaosdrill.cli.text import one_line, usage_error, with_codes
from chaosdrill.errors import BadInput, CannotSee, Refused

if TYPE_CHECKING:
    from chaosdrill.coordination.interface import Approval, Coordination


@click.command()
@click.argument("system", metavar="[RUN|TOPOLOGY]", default="", shell_complete=complete_run)
def approve(system: str) -> None:
    """Approve the step for which a drill waits (`confirm:` of a step), from any machine.

    \b
        chaosdrill approve 20260501T0930
        chaosdrill approve topology/aws.yaml
        chaosdrill approve                       of CHAOSDRILL_TOPOLOGY, or of the lab that runs here

    `chaosdrill status` shows the step and its question. The drill goes on within a few seconds; it records who
    approved the step, and when. To refuse it, ask the drill to stop (`chaosdrill stop`), or let the time pass.

    Exit code: 0 when the approval stands; 1 when no step waits for one, with the reason; 2 when the input cannot be
    used, or the leases cannot be read or written.
    """
    try:
        approved = _approve(system)
    except BadInput as error:
        raise usage_error(error) from error
    except CannotSee as error:
        click.echo(f"chaosdrill: {with_codes(error)}", err=True)
        sys.exit(2)
    click.echo(one_line(f"run {approved.run}: {approved.step} is approved, by {approved.by} at {approved.at}"))


def _approve(text: str) -> "Approval":
    """Write the approval.

    :returns: the request with its state.
    """
    import socket

    from chaosdrill.coordination import coordination_of
    from chaosdrill.coordination.holders import user_name

    named = named_system(text)
    drilled = drilled_system(named)
    coordination = coordination_of(drilled)
    pending = _pending(coordination, live_run(coordination, drilled.topology, named.run))
    stands = coordination.answer_approval(
        pending.run, pending.number, "approved", f"{user_name()}@{socket.gethostname()}"
    )
    if stands.state != "approved":
        why = f"{stands.step} of run {stands.run} has been refused at {stands.at}, by {stands.by}"
        raise Refused(why, code="approval-not-pending")
    return stands


def _pending(coordination: "Coordination", run: str) -> "Approval":
    """Return the pending approval request of a run.

    :raises Refused: when no step waits for an approval any more.
    """
    state = coordination.read_run(run)
    for one in state.approvals:
        if one.is_pending and one.until_ms >= state.now_ms:
            return one
    why = f"no step of run {run} waits for an approval: `chaosdrill status {run}` shows its state"
    raise Refused(why, code="approval-not-pending")
