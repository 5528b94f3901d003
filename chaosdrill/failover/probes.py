"""Probes of the failover pair's running and latest executions."""

from dataclasses import asdict
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import System, stepfunctions, system_of
from chaosdrill.aws.overrides import with_failover_region
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import CannotSee

__all__ = ["last_execution", "running_executions"]


@probe
def running_executions(
    state_machine: Optional[str] = None,
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> int:
    """Return how many executions of the failover pair run now, as Step Functions lists them, which is some seconds
    behind.

    :param state_machine: count those of one state machine only: its ARN, or the beginning of its name; default: of the
        pair.
    :param region: where the state machines are, by name or as home, standby, active; default: the topology's.
    :returns: their number.
    :raises ActivityFailed: when the state machines are not found or do not respond.
    :source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
    """
    system = _in_region(system_of(configuration, secrets), region)
    machines = [stepfunctions.machine_arn(system, state_machine)] if state_machine else stepfunctions.pair(system)
    return len(stepfunctions.running(system, machines))


@probe
def last_execution(
    prefix: Optional[str] = None,
    state_machine: Optional[str] = None,
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Return the latest execution of a state machine, with the time of each of its states.

    :param prefix: the beginning of the state machine's name, or its ARN; default: the topology's failover machine.
    :param state_machine: the state machine's ARN; it takes precedence over the prefix.
    :param region: where the state machine is, by name or as home, standby, active; default: the topology's.
    :returns: ``{arn, status, seconds, cause, started, stopped, states: [{name, seconds, visits, left, entered,
        exited}]}``, durations in seconds, times in UTC.
    :raises ActivityFailed: when the machine is not found, or was never started.
    :source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html
    """
    system = _in_region(system_of(configuration, secrets), region)
    named = state_machine or prefix or system.topology.failover.failover_prefix
    machine = stepfunctions.machine_arn(system, named)
    execution = stepfunctions.latest(system, machine)
    if execution is None:
        raise CannotSee(
            f"state machine {machine} has never been started (or its history is older than 90 days)",
            code="no-execution",
        )
    return {**asdict(execution), "states": [asdict(time) for time in stepfunctions.state_times(system, execution.arn)]}


def _in_region(system: System, region: Optional[str]) -> System:
    return with_failover_region(system, region_named(system, region) if region else None)
