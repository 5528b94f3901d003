"""Checks of the pair of state machines before a drill."""

from collections.abc import Iterator
from functools import partial

from chaosdrill.aws import System, stepfunctions
from chaosdrill.failover.executions import running_of_pair
from chaosdrill.parts.interface import Check, CheckContext, Reading

_FIX = "allow states:ListStateMachines, or correct `failover:`"


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks: both machines exist, and neither runs."""
    if not context.changes_regions():
        return
    system, failover = context.system, context.system.topology.failover
    for prefix in (failover.failover_prefix, failover.failback_prefix):
        what = f"state machine {prefix} in {failover.region}"
        yield Check("failover", "failover.state-machine", what, _FIX, partial(_machine, system, prefix))
    if context.steps:
        fix = "wait until it has ended; `aws stepfunctions describe-execution` shows it"
        idle = partial(_idle, system)
        yield Check("failover", "failover.no-execution", "running executions", fix, idle, quick=True)


def _machine(system: System, prefix: str) -> Reading:
    return Reading(stepfunctions.machine_arn(system, prefix).rsplit(":", 1)[1])


def _idle(system: System) -> Reading:
    if running := running_of_pair(system):
        why = f"{len(running)} execution(s) of the failover pair run already: {', '.join(running)}"
        return Reading(", ".join(running), "refuse", why, code="execution-running")
    return Reading("none")
