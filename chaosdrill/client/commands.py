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

    :param script: the script, run by ``sh``.
    :param timeout_s: time limit for the whole call, in seconds.
    :param allowed_exit_codes: exit codes that are results, not failures.
    :param called: what messages show instead of the script, when it is long or confidential.
    :param reads: the command's name in :data:`lease_guard.READING_COMMANDS` when it changes nothing on the host.
    :returns: the exit status and the output.
    :raises CannotSee: when the host accepts no commands, or the script failed or timed out.
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
