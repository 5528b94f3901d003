"""Actions that fail the application over to the other region, and back."""

import shlex
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import action
from chaosdrill.aws import System, fis, stepfunctions, system_of
from chaosdrill.aws.active_region import is_placed_in
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.aws.database_readiness import wait_until_ready
from chaosdrill.aws.regions import region_named
from chaosdrill.aws.service_restoration import (
    restore_after_failure,
    restore_service,
    serve_at,
    writer_out_of_service,
)
from chaosdrill.errors import DrillError, ExecutionFailed, Refused
from chaosdrill.failover.executions import execute, refuse_while_running, wait_for_own

__all__ = ["fail_back", "fail_over"]

# the name of the execution, and of the action that reverses it
FAIL_OVER, FAIL_BACK = ("fail-over", "fail_back"), ("fail-back", "fail_over")


@action
def fail_over(
    region: str = "standby",
    state_machine_prefix: Optional[str] = None,
    state_machine: Optional[str] = None,
    timeout_s: float = 3600,
    undo_of: Optional[str] = None,
    when: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Fail the application over with the system's own state machine, and wait for its end.

    It does nothing when the region serves already. It first waits until the database can be switched over, as
    :func:`fail_back` does. An interruption does not stop a started execution. As a rollback (``undo_of``) it behaves as
    :func:`fail_back` does as a rollback.

    :param region: the destination: a region of the topology, or home, standby, active.
    :param state_machine_prefix: the beginning of the state machine's name, or its ARN; default: the topology's.
    :param state_machine: the state machine's ARN, in any region; it takes precedence over the prefix.
    :param timeout_s: how long to wait for the database, and again for the failover, in seconds.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param when: steady-state-missed: only when the steady state was observed not to hold after the method;
        steady-state-not-seen: only when it was not observed to hold, also because of a failed step or an interruption.
    :param standalone: allow it outside a drill.
    :returns: ``{done, status, execution_arn, seconds, states: [{name, seconds, visits, entered, exited}]}``, durations
        in seconds, times in UTC.
    :raises ActivityFailed: when none or several state machines match, one of the pair runs already, the region is the
        writer already, the database cannot be switched over in time (nothing was started in any of these cases), or the
        execution fails (state and cause) or lasts longer.
    :undo: fail_back
    :source: docs/drill.md, "The experiments";
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    system = system_of(configuration, secrets)
    named = state_machine or state_machine_prefix or system.topology.failover.failover_prefix
    machine = stepfunctions.machine_arn(system, named)
    return _moved(system, region_named(system, region), machine, FAIL_OVER, timeout_s, undo_of is not None)


@action
def fail_back(
    region: str = "home",
    state_machine_prefix: Optional[str] = None,
    state_machine: Optional[str] = None,
    timeout_s: float = 3600,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Fail the application back with the system's own state machine, and wait for its end.

    It does nothing when the region serves already. An interruption does not stop a started execution.

    It first waits until the global cluster is available and the region's cluster connected. After an unplanned failover
    Aurora rebuilds the old primary, in minutes to hours, and refuses a switchover to it; the state machine would have
    closed every region by then. If that takes too long, nothing is started, and the other region continues to serve.

    As a rollback (``undo_of``) it first waits for the failover of this run to end, if that still runs. A transition
    that stops halfway, before or during this rollback, leaves every region closed. The rollback then directs the domain
    to the region of the writer and opens it. If that region is the destination, it starts no state machine (which would
    fail at the switchover: "already the primary"); it fails and says so. It does the same when the state machine has
    succeeded, and the region of the writer is not the one region that is open and routed to.

    :param region: the destination: a region of the topology, or home, standby, active.
    :param state_machine_prefix: the beginning of the state machine's name, or its ARN; default: the topology's.
    :param state_machine: the state machine's ARN, in any region; it takes precedence over the prefix.
    :param timeout_s: how long to wait for a running failover, again for the database, and again for the failback, in
        seconds.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, status, execution_arn, seconds, states: [{name, seconds, visits, entered, exited}]}``, durations
        in seconds, times in UTC.
    :raises ActivityFailed: when one of the pair runs, a fault of this run is still in force, the region is the writer
        already (a rollback then restores service), the database cannot be switched over in time (nothing was started in
        any of these cases), or the execution fails (state and cause) or lasts longer.
    :undo: fail_over
    :source: docs/drill.md, "The experiments";
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    system = system_of(configuration, secrets)
    named = state_machine or state_machine_prefix or system.topology.failover.failback_prefix
    machine = stepfunctions.machine_arn(system, named)
    return _moved(system, region_named(system, region), machine, FAIL_BACK, timeout_s, undo_of is not None)


def _moved(
    system: System, region: str, machine: str, names: tuple[str, str], timeout_s: float, is_rollback: bool
) -> dict[str, Any]:
    """Move the application to ``region`` with the state machine, once nothing prevents it.

    :param names: FAIL_OVER or FAIL_BACK.
    """
    if is_rollback:
        wait_for_own(system, timeout_s)
    if (idle := _already(system, region, machine)) is not None:
        return idle
    if is_rollback:
        _serve_before_waiting(system, region)
    if names is FAIL_BACK:
        _refuse_under_fault(system)
    then = shlex.join(["--state-machine-arn", machine, "--region", machine.split(":")[3]])
    then = f"`aws stepfunctions start-execution {then}`"
    cluster, waited = wait_until_ready(system, region, timeout_s, then, is_rollback)
    if waited and (idle := _already(system, region, machine)) is not None:
        return idle
    if cluster.writer == region and not is_rollback:
        raise Refused(
            f"{region} is the writer already, so the switchover of {machine} would be refused when every region is "
            f"closed: nothing was started; route the domain to {region} (set_routing) and open it (set_stop_flag)",
            code="writer-already",
        )
    return _executed(system, region, machine, names, timeout_s, is_rollback)


def _already(system: System, region: str, machine: str) -> Optional[dict[str, Any]]:
    """Return the result of a transition to a region that serves already, else None. Running executions are checked
    first: the facts are not final while a region is being entered or left.
    """
    refuse_while_running(system, machine)
    if not is_placed_in(system, region):
        return None
    return {"done": False, "region": region, "why": f"{region} serves already: open, routed to, and the writer"}


def _serve_before_waiting(system: System, region: str) -> None:
    """Restore service when every region is closed, before a wait that may take hours.

    :raises DrillError: when that completed the rollback, because the writer is in the destination: a state machine
        would close every region again, and fail at the switchover ("already the primary").
    """
    if restore_service(system, "a transition stopped half way") == region:
        raise DrillError(
            f"a transition stopped half way, with every region closed and the writer in {region}: this rollback has "
            f"routed the domain there and opened {region} by its stop flag, without the state machine; find out why "
            "the transition stopped",
            code="service-restored-by-rollback",
        )


def _executed(
    system: System, region: str, machine: str, names: tuple[str, str], timeout_s: float, is_rollback: bool
) -> dict[str, Any]:
    """Execute the state machine. A rollback whose state machine stops halfway serves in the writer's region."""
    try:
        done = execute(system, machine, *names, timeout_s)
    except ExecutionFailed as error:
        if not is_rollback:
            raise
        try:
            restored = restore_after_failure(system, str(error))
        except FAILURES as second:
            raise ExecutionFailed(
                f"{error}; and serving where the writer is failed, too: {second}", code="service-not-restored"
            ) from error
        if restored is None:
            raise
        raise ExecutionFailed(
            f"{error}. No region was in service: this rollback has routed the domain to {restored}, where the writer "
            f"is, opened {restored} by its stop flag and closed every other region; find out why the state machine "
            "failed",
            code="service-restored-by-rollback",
        ) from error
    if is_rollback:
        _serve_at_writer(system, region, machine, str(done["execution_arn"]))
    return done


def _serve_at_writer(system: System, region: str, machine: str, execution: str) -> None:
    """Check after a successful execution that the writer's region is in service, and restore service if it is not.

    :raises DrillError: when it was not in service, whether service was restored or not.
    """
    try:
        if (writer := writer_out_of_service(system, region)) is None:
            return
        refuse_while_running(system, machine)  # the system may have begun to fail over by itself
        serve_at(system, writer, f"execution {execution} succeeded, and {region} is not in service")
    except FAILURES as error:
        raise DrillError(
            f"execution {execution} succeeded, and serving where the writer is failed: {error}: read region_facts",
            code="service-not-restored",
        ) from error
    if writer == region:
        observed = f"{region}, where the writer is, was not the one region that is open and routed to"
        advice = "check which state of the execution had no effect"
    else:
        observed = f"the writer is still {writer}, so {region} could not write"
        advice = "read the events of the cluster in RDS"
    raise DrillError(
        f"execution {execution} succeeded, and {observed}: this rollback has routed the domain to {writer}, opened "
        f"{writer} by its stop flag and closed every other region; {advice}",
        code="service-restored-by-rollback",
    )


def _refuse_under_fault(system: System) -> None:
    drill = history.current()
    active = [one for one in fis.of_run(system, drill.run_id) if one.active] if drill else []
    if active:
        shown = ", ".join(f"{one.id} ({one.state})" for one in active)
        raise Refused(
            f"a fault of this run is still in force: {shown}: heal it with heal_packet_loss, then fail back",
            code="fault-in-force",
        )
