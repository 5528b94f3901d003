"""What the failover pair does and did last."""

from dataclasses import asdict
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import stepfunctions, system_of
from chaosdrill.errors import CannotSee

__all__ = ["last_execution", "running_executions"]


@probe
def running_executions(configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None) -> int:
    """How many executions of the failover pair run now.

    :returns: their number.
    :raises ActivityFailed: when the state machines are not found or do not answer.
    :source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
    """
    system = system_of(configuration, secrets)
    return len(stepfunctions.running(system, stepfunctions.pair(system)))


@probe
def last_execution(
    prefix: Optional[str] = None, configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None
) -> dict[str, Any]:
    """The last execution of a state machine, with the time of each of its states.

    :param prefix: how the state machine's name begins, or its ARN; default: the topology's failover machine.
    :returns: ``{arn, status, seconds, cause, states: [{name, seconds, visits, left}]}``, times in seconds.
    :raises ActivityFailed: when the machine is not found, or was never started.
    :source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html
    """
    system = system_of(configuration, secrets)
    machine = stepfunctions.machine_arn(system, prefix or system.topology.failover.failover_prefix)
    execution = stepfunctions.latest(system, machine)
    if execution is None:
        raise CannotSee(f"state machine {machine} has never been started (or its history is older than 90 days)")
    return {**asdict(execution), "states": [asdict(time) for time in stepfunctions.state_times(system, execution.arn)]}
