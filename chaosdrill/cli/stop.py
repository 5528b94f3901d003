"""The ``chaosdrill stop`` command: request the end of a system's drill, from any machine."""

import sys

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.named_system import drilled_system, live_run, named_system
from chaosdrill.cli.text import one_line, usage_error, with_codes
from chaosdrill.errors import BadInput, CannotSee


@click.command()
@click.argument("system", metavar="[RUN|TOPOLOGY]", default="", shell_complete=complete_run)
@click.option("--why", default="", metavar="TEXT", help="The reason, which the drill records.")
def stop(system: str, why: str) -> None:
    """Ask the drill of a system to stop, from any machine.

    \b
        chaosdrill stop topology/aws.yaml --why "customers call"
        chaosdrill stop 20260501T0930
        chaosdrill stop                          of CHAOSDRILL_TOPOLOGY, or of the lab that runs here

    The request is written into the lease of the drill, which reads it with its next renewal, and begins its rollbacks.
    A failover that has started is let finish first. Of several requests the first one stays. Nothing but the lease is
    written; what the drill then does, `chaosdrill status` shows.

    Exit code: 0 when the request stands in the lease; 1 when no live lease exists, with the reason; 2 when the input
    cannot be used, or the leases cannot be read or written.
    """
    try:
        run, by = _request(system, why)
    except BadInput as error:
        raise usage_error(error) from error
    except CannotSee as error:
        click.echo(f"chaosdrill: {with_codes(error)}", err=True)
        sys.exit(2)
    click.echo(
        one_line(f"run {run} was requested to stop, by {by}: its rollbacks begin with the next renewal of its lease")
    )


def _request(system: str, why: str) -> tuple[str, str]:
    """Write the stop request.

    :returns: the run, and the requesting user.
    """
    import socket

    from chaosdrill.coordination import coordination_of
    from chaosdrill.coordination.holders import user_name

    named = named_system(system)
    drilled = drilled_system(named)
    coordination = coordination_of(drilled)
    run = live_run(coordination, drilled.topology, named.run)
    by = f"{user_name()}@{socket.gethostname()}"
    coordination.request_stop(run, by, why)
    return run, by
