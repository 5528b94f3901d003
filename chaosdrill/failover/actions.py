"""Fail the application over to the other region, and back."""

from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import action
from chaosdrill.aws import System, deadlines, dynamodb, fis, stepfunctions, system_of
from chaosdrill.aws.placement import is_dark_in, is_placed_in
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import ExecutionFailed, Refused
from chaosdrill.failover.executions import execute, refuse_while_running, wait_for_own

__all__ = ["fail_back", "fail_over"]

OPENS_WITHIN_S = 120.0


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
    """Fail the application over with the system's own state machine, and follow it to its end.

    Does nothing when the region serves already. An interruption leaves a started execution going. As a rollback
    (``undo_of``) it goes about like :func:`fail_back`.

    :param region: the region to enter: a region of the topology, or home, standby, active.
    :param state_machine_prefix: how the state machine's name begins, or its ARN; default: the topology's.
    :param state_machine: the state machine's ARN, in whatever region; it wins over the prefix.
    :param timeout_s: how long to follow it, in seconds.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param when: steady-state-missed: only when the steady state was seen not to hold after the method;
        steady-state-not-seen: only when it was not seen to hold, a failed step or an interruption included.
    :param standalone: allow it outside a drill.
    :returns: ``{done, status, execution_arn, seconds, states: [{name, seconds, visits, entered, exited}]}``, times in
        seconds, moments UTC.
    :raises ActivityFailed: when none or several state machines fit, one of the pair runs already, or the execution
        fails (state and cause) or lasts longer.
    :undo: fail_back
    :source: the reference system's runbook, step 3
    """
    system = system_of(configuration, secrets)
    region = region_named(system, region)
    named = state_machine or state_machine_prefix or system.topology.failover.failover_prefix
    machine = stepfunctions.machine_arn(system, named)
    if undo_of is not None:
        wait_for_own(system, timeout_s)
    if (idle := _already(system, region, machine)) is not None:
        return idle
    return _entered(system, region, machine, ("fail-over", "fail_back"), timeout_s, undo_of is not None)


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
    """Fail the application back with the system's own state machine, and follow it to its end.

    As a rollback (``undo_of``) it first waits for the failover of this run to end, if that still goes on. Does nothing
    when the region serves already. An interruption leaves a started execution going.

    The reference's state machine cannot mend a failover that stopped before the database had moved: it fails at the
    switchover ("already the primary") and leaves every region closed. As a rollback this then does the machine's last
    step itself, and opens the region that is routed to and the writer; it still fails, and says so.

    :param region: the region to enter: a region of the topology, or home, standby, active.
    :param state_machine_prefix: how the state machine's name begins, or its ARN; default: the topology's.
    :param state_machine: the state machine's ARN, in whatever region; it wins over the prefix.
    :param timeout_s: how long to wait for a failover that goes on, and again to follow the failback, in seconds.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, status, execution_arn, seconds, states: [{name, seconds, visits, entered, exited}]}``, times in
        seconds, moments UTC.
    :raises ActivityFailed: when one of the pair runs, when a fault of this run is still in force, or when the execution
        fails (state and cause) or lasts longer.
    :undo: fail_over
    :source: the reference system's runbook, step 4
    """
    system = system_of(configuration, secrets)
    region = region_named(system, region)
    named = state_machine or state_machine_prefix or system.topology.failover.failback_prefix
    machine = stepfunctions.machine_arn(system, named)
    if undo_of is not None:
        wait_for_own(system, timeout_s)
    if (idle := _already(system, region, machine)) is not None:
        return idle
    _refuse_under_fault(system)
    return _entered(system, region, machine, ("fail-back", "fail_over"), timeout_s, undo_of is not None)


def _already(system: System, region: str, machine: str) -> Optional[dict[str, Any]]:
    """A region that is entered or left right now is no answer, so running executions come first."""
    refuse_while_running(system, machine)
    if not is_placed_in(system, region):
        return None
    return {"done": False, "region": region, "why": f"{region} serves already: open, routed to, and the writer"}


def _entered(
    system: System, region: str, machine: str, names: tuple[str, str], timeout_s: float, is_rollback: bool
) -> dict[str, Any]:
    """Execute the machine that enters ``region``; a rollback opens it when only that was left undone.

    :param names: of the execution, and of the action that reverses it.
    """
    try:
        return execute(system, machine, *names, timeout_s)
    except ExecutionFailed as error:
        if not is_rollback:
            raise
        with deadlines.within(OPENS_WITHIN_S):  # the time of the rollback may be up
            if not is_dark_in(system, region):
                raise
            history.record("opening-region", region=region, why=str(error))
            dynamodb.write_stop_flag(system, region, value=False, expected=True)
        raise ExecutionFailed(
            f"{error}. {region} was routed to and the writer, but every region was closed: this rollback has opened "
            f"{region} by its stop flag; look why the state machine could not",
            code="service-restored-by-rollback",
        ) from error


def _refuse_under_fault(system: System) -> None:
    drill = history.current()
    active = [one for one in fis.of_run(system, drill.run_id) if one.active] if drill else []
    if active:
        shown = ", ".join(f"{one.id} ({one.state})" for one in active)
        raise Refused(
            f"a fault of this run is still in force: {shown}: heal it with heal_packet_loss, then fail back",
            code="fault-in-force",
        )
