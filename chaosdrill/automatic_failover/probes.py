"""Probes of the automatic failover: its alarms, and the failover that it starts."""

import time
from dataclasses import asdict
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import probe
from chaosdrill.automatic_failover import triggers
from chaosdrill.aws import System, stepfunctions, system_of
from chaosdrill.aws.overrides import with_failover_region
from chaosdrill.aws.polling import poll, poll_until
from chaosdrill.aws.regions import any_region, region_named
from chaosdrill.errors import TimedOut

__all__ = ["alarm_state", "automatic_failover"]


@probe
def alarm_state(
    alarm: str,
    region: Optional[str] = None,
    within_s: float = 0,
    expected: str = "OK",
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> str:
    """Return the state of a CloudWatch alarm, in any region.

    :param alarm: its name.
    :param region: where it is, by name, also outside the topology's regions, or as home, standby, active; default: the
        topology's failover region.
    :param within_s: wait up to so many seconds for ``expected``; default: read once.
    :param expected: the state to wait for.
    :returns: OK, ALARM or INSUFFICIENT_DATA, by the last read.
    :raises ActivityFailed: when there is no such alarm, or CloudWatch does not respond.
    :source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    """
    system = system_of(configuration, secrets)
    where = any_region(system, region)
    return poll_until(
        lambda: triggers.alarm_state(system, where, alarm), lambda state: state == expected, float(within_s)
    )


@probe
def automatic_failover(
    within_s: float = 900,
    timeout_s: float = 3600,
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Wait for the failover that the system starts by itself, and for its end.

    :param within_s: how long to wait for its beginning, in seconds: canaries and alarms take minutes.
    :param timeout_s: how long to wait for its end then, in seconds.
    :param region: where the failover machine is, by name or as home, standby, active; default: the topology's.
    :returns: ``{execution_arn, status, seconds, waited_s, states: [{name, seconds, visits, left, entered, exited}]}``,
        durations in seconds, times in UTC.
    :raises ActivityFailed: when none begins in time, or it fails (state and cause) or lasts longer.
    :source: docs/lab.md, "What is real";
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
    """
    system = system_of(configuration, secrets)
    system = with_failover_region(system, region_named(system, region) if region else None)
    arn, waited_s = _begun(system, float(within_s))
    execution = _ended(system, arn, float(timeout_s))
    times = stepfunctions.state_times(system, arn)
    history.record("execution-ended", **stepfunctions.execution_record(execution, times))
    if execution.status != "SUCCEEDED":
        raise stepfunctions.failure(execution, times)
    return {
        "execution_arn": arn,
        "status": execution.status,
        "seconds": execution.seconds,
        "waited_s": round(waited_s, 1),
        "states": [asdict(state) for state in times],
    }


def _begun(system: System, within_s: float) -> tuple[str, float]:
    began = time.monotonic()
    for arn in poll(lambda: triggers.failover_since(system), within_s):
        if arn:
            return arn, time.monotonic() - began
    raise TimedOut(
        f"no failover began by itself within {within_s:g} s: check the alarms (probe alarm_state), the "
        "EventBridge rule and the initiator's executions for the one that did not react",
        code="failover-not-begun",
    )


def _ended(system: System, arn: str, timeout_s: float) -> stepfunctions.Execution:
    for execution in poll(lambda: stepfunctions.described(system, arn), timeout_s):
        if execution is not None and execution.has_ended:
            return execution
    raise TimedOut(
        f"the automatic failover {arn} still runs after {timeout_s:g} s: it was left going", code="execution-running"
    )
