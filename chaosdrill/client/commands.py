"""Shell commands on the client host, through SSM Run Command."""

from chaosdrill.aws import System, ssm
from chaosdrill.errors import CannotSee


def run_on_client(
    system: System,
    script: str,
    timeout_s: float = 30.0,
    allowed_exit_codes: tuple[int, ...] = (0,),
    called: str = "",
    reads: str = "",
) -> ssm.Invocation:
    """Run a shell script on the client host.

    :param script: what ``sh`` runs there.
    :param timeout_s: for everything together, in seconds.
    :param allowed_exit_codes: those that are answers, not failures.
    :param called: what messages say instead of the script: one that is long, or holds what nobody else may read.
    :param reads: the command's name in :data:`lease_guard.READING_COMMANDS` when it changes nothing there.
    :returns: how it ended and what it printed.
    :raises CannotSee: when the host takes no commands, or the script failed or did not end in time.
    :source: https://docs.aws.amazon.com/systems-manager/latest/userguide/run-command.html
    """
    host = system.topology.client
    done = ssm.run_shell(system, host.instance_id, host.region, script, timeout_s, called, reads)
    if done.exit_code not in allowed_exit_codes or done.status not in ("Success", "Failed"):
        printed = (done.stderr.strip() or done.stdout.strip() or "nothing printed")[:500]
        raise CannotSee(
            f"the command {called or repr(script)} on the client host {host.instance_id} (SSM command {done.command}) "
            f"ended {done.status} with exit code {done.exit_code}: {printed}",
            code="client-command-failed",
        )
    return done
