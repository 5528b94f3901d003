"""The pair of state machines as a part of a drilled system, which moves the application between the regions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from chaosdrill.aws import System, aurora, stepfunctions
from chaosdrill.aws.active_region import is_placed_in
from chaosdrill.aws.database_readiness import refuse_unready
from chaosdrill.aws.polling import poll
from chaosdrill.coordination.resources import Resource
from chaosdrill.errors import Refused, TimedOut
from chaosdrill.failover.checks import checks
from chaosdrill.failover.executions import execute, execution_name, refuse_while_running, running_of_pair
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.fact_reading import fact_or_unreadable
from chaosdrill.parts.interface import (
    BasePart,
    Check,
    CheckContext,
    Fact,
    Leftover,
    PlannedCall,
    PlannedStep,
    Role,
    SweepScope,
    UndoRule,
)
from chaosdrill.topology import Topology

# by action: the experiment that reverses it, and the state machine of a reversal by hand
_REVERSED_BY: Mapping[str, tuple[str, str]] = {
    "fail_over": ("experiments/failback.yaml", "failback"),
    "fail_back": ("experiments/failover.yaml", "failover"),
}

# in the form of executions.execution_name
_NAME = re.compile(r"chaosdrill-(?P<run>.+)-fail-(over|back)-(?P<number>\d+)")

_COLONS = 7  # arn:PARTITION:states:REGION:ACCOUNT:execution:MACHINE:NAME


class FailoverPart(BasePart):
    """The failover and failback state machines."""

    name: ClassVar[str] = "failover"
    role: ClassVar[Role] = "orchestrator"
    facts: ClassVar[tuple[str, ...]] = ("none", "to-home", "to-standby", "foreign")
    undo_rules: ClassVar[tuple[UndoRule, ...]] = (
        UndoRule("fail_over", "fail_back"),
        UndoRule("fail_back", "fail_over"),
    )

    def undo_by_hand(self, owed: OwedUndo, now: datetime) -> Sequence[str]:
        experiment, machine = _REVERSED_BY[owed.action]
        return (f"`chaos run {experiment}`, or run the {machine} state machine as the runbook does",)

    def resources(self, topology: Topology) -> Sequence[Resource]:
        failover = topology.failover
        prefixes = (failover.failover_prefix, failover.failback_prefix)
        return tuple(Resource("state-machine", f"{failover.region}/{prefix}") for prefix in prefixes)

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Read which executions of the pair run.

        Step Functions lists an execution up to some seconds after its start, so those that the drill recorded are also
        read by their ARN.

        :param run: the run of the drill.
        :returns: one of ``facts``. ``to-home`` and ``to-standby``: of that run; ``foreign``: one that the run did not
            start, or several. Details: ``{executions: [ARN]}``.
        """
        return fact_or_unreadable(lambda: _fact(system, run, owed))

    def leftovers(self, system: System, scope: SweepScope) -> Iterable[Leftover]:
        """List the running executions that drills have started, except those of live runs.

        A sweep does not stop them: a half-done failover may leave every region closed.
        """
        for arn in running_of_pair(system):
            found = _NAME.fullmatch(arn.rsplit(":", 1)[-1])
            if found is None or any(is_of_run(arn, run) for run in scope.live_runs):
                continue
            region = arn.split(":")[3]
            by_hand = f"wait for its end; aws stepfunctions stop-execution --execution-arn {arn} --region {region}"
            what = "execution that runs; stopped half way it may leave every region closed"
            yield Leftover(self.name, "execution", arn, region, what, by_hand, found["run"], is_removable=False)

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the start of the one execution; the changes of its states belong to the state machine."""
        given, failover = step.arguments, system.topology.failover
        is_back = step.action == "fail_back"
        prefix = failover.failback_prefix if is_back else failover.failover_prefix
        machine = stepfunctions.machine_arn(
            system, given.get("state_machine") or given["state_machine_prefix"] or prefix
        )
        started = sum(call.operation == "StartExecution" for call in earlier)
        name = execution_name("fail-back" if is_back else "fail-over", started + 1)
        parameters = stepfunctions.start_request(machine, name)
        return (PlannedCall("stepfunctions", "StartExecution", machine.split(":")[3], parameters),)

    def wait(self, system: System, fact: Fact, timeout_s: float) -> None:
        """Wait until the executions of a fact have ended, whether they succeed or fail.

        :param timeout_s: seconds, for each.
        :raises TimedOut: when one still runs then; it is left running.
        """
        for arn in fact.details["executions"]:
            _wait_for_end(system, str(arn), timeout_s)

    def move(
        self, system: System, region: str, run: str, owed: Sequence[OwedUndo], timeout_s: float
    ) -> Mapping[str, Any]:
        """Move the application to a region with the state machine for it, and wait for its end.

        It does nothing when the region serves. The execution is named after the run, so that a later rescue of the run
        recognizes it.

        :param timeout_s: seconds for the execution; it is left running then.
        :returns: ``{done, status, execution_arn, seconds, states}``, or ``{done: false}``.
        :raises Refused: when an execution of the pair runs, the writer cannot be moved to the region now, or is there
            already; nothing was started.
        :raises ExecutionFailed: when the execution failed: in which state, and why.
        :raises TimedOut: when it still runs.
        """
        to_standby, to_home = stepfunctions.pair(system)
        is_back = region == system.topology.regions.home
        machine, what, undo = (to_home, "fail-back", "fail_over") if is_back else (to_standby, "fail-over", "fail_back")
        refuse_while_running(system, machine)
        if is_placed_in(system, region):
            return {"done": False}
        _refuse_unmovable(system, region)
        return execute(system, machine, what, undo, timeout_s, _unused_name(system, machine, what, run, owed))


def _refuse_unmovable(system: System, region: str) -> None:
    """Refuse to start a state machine that would close every region and then fail at the switchover."""
    cluster = aurora.global_cluster(system)
    refuse_unready(system, cluster, region)
    if cluster.writer == region:
        raise Refused(
            f"{region} is the writer already, so the switchover would fail when every region is closed: nothing was "
            f"started; lead the domain to {region} and open it by its stop flag",
            code="writer-already",
        )


def _unused_name(system: System, machine: str, what: str, run: str, owed: Sequence[OwedUndo]) -> str:
    """Return a name that no execution of the run has: Step Functions does not start two under one name."""
    found = [_NAME.fullmatch(arn.rsplit(":", 1)[-1]) for arn in _recorded(owed)]
    number = max((int(one["number"]) for one in found if one), default=0) + 1
    while stepfunctions.described(system, stepfunctions.execution_arn(machine, execution_name(what, number, run))):
        number += 1
    return execution_name(what, number, run)


def is_of_run(execution: str, run: str) -> bool:
    """Return whether a run started an execution, by the execution's name.

    :param execution: its ARN or its name. For a run with a long id, the name holds only the end of the id.
    """
    found = _NAME.fullmatch(execution.rsplit(":", 1)[-1])
    if found is None:
        return False
    kept = stepfunctions.LONGEST_NAME - len(found[0]) + len(found["run"])
    return found["run"] == re.sub(r"[^A-Za-z0-9_-]", "-", run)[-kept:]


def _fact(system: System, run: str, owed: Sequence[OwedUndo]) -> Fact:
    pair = stepfunctions.pair(system)
    to_standby, to_home = (
        _running(system, machine, _recorded([undo for undo in owed if undo.action == action], pair))
        for machine, action in zip(pair, ("fail_over", "fail_back"), strict=True)
    )
    executions = [*to_standby, *to_home]
    if not executions:
        return Fact("none", {"executions": []})
    if len(executions) > 1 or not is_of_run(executions[0], run):
        return Fact("foreign", {"executions": executions})
    return Fact("to-standby" if to_standby else "to-home", {"executions": executions})


def _recorded(owed: Sequence[OwedUndo], pair: Sequence[str] = ()) -> list[str]:
    """List the executions that the drill recorded before it started them.

    :param pair: the machines of the topology: only executions of their account; without any: all.
    """
    accounts = {machine.split(":")[4] for machine in pair}
    found = [str(undo.before.get("execution_arn") or "") for undo in owed]
    return [arn for arn in found if arn.count(":") == _COLONS and (not accounts or arn.split(":")[4] in accounts)]


def _running(system: System, machine: str, recorded: Sequence[str]) -> list[str]:
    """List the executions of a machine that have not ended; a list of Step Functions may be some seconds behind.

    :param recorded: further ones, which may never have been started.
    """
    listed = stepfunctions.running(system, [machine])
    described = {arn: stepfunctions.described(system, arn) for arn in dict.fromkeys((*listed, *recorded))}
    return [arn for arn, one in described.items() if (arn in listed if one is None else not one.has_ended)]


def _wait_for_end(system: System, arn: str, timeout_s: float) -> None:
    for execution in poll(lambda: stepfunctions.described(system, arn), timeout_s):
        if execution is not None and execution.has_ended:
            return
    raise TimedOut(
        f"execution {arn} still runs after {timeout_s:g} s: it was left running; wait for its end",
        code="execution-running",
    )


PART = FailoverPart


def part_of(topology: Topology) -> FailoverPart:
    """Return the part; every topology has it."""
    return FailoverPart()
