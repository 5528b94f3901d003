"""An execution of the failover pair: named after the run, started when no other runs, and polled to its end."""

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from chaosdrill import history
from chaosdrill.aws import System, deadlines, stepfunctions
from chaosdrill.aws.ambiguous_result import change, describe_half_done
from chaosdrill.aws.polling import is_retryable, poll
from chaosdrill.errors import DrillError, Refused, TimedOut

logger = logging.getLogger("chaostoolkit")

STARTING = "execution-starting"
STARTED = "execution-started"
ENDED = "execution-ended"
TOLD_WITHIN_S = 30.0


def execute(system: System, machine: str, what: str, undo: str, timeout_s: float, name: str = "") -> dict[str, Any]:
    """Start an execution of ``machine`` and wait for its end, after a check that none of the pair runs.

    :param what: ``fail-over`` or ``fail-back``, for its name.
    :param undo: the action that reverses it.
    :param name: its name; empty: that of the run's next one.
    :returns: ``{done, status, execution_arn, seconds, states}``.
    """
    name = name or execution_name(what, len(_of_this_run()) + 1)
    arn = stepfunctions.execution_arn(machine, name)
    history.record("undo", undo=undo, execution_arn=arn)
    history.record(STARTING, what=what, execution_arn=arn)
    with deadlines.within(timeout_s):  # a new deadline: a rollback may have waited for another execution before
        _start(system, machine, name, arn)
        history.record(STARTED, what=what, execution_arn=arn)
        return follow(system, arn, timeout_s)


def _start(system: System, machine: str, name: str, arn: str) -> None:
    """Start the execution; when the call fails without a refusal, wait to see whether it was started all the same."""
    refused: list[Exception] = []

    def ask() -> None:
        try:
            stepfunctions.start(system, machine, name)
        except ClientError as error:
            if not is_retryable(error):
                refused.append(error)
            raise

    def was_started() -> bool:
        within_s = 0.0 if refused else stepfunctions.consistent_within_s(system)
        return stepfunctions.appears(system, arn, within_s)

    change(f"execution {arn}", ask, was_started)


def refuse_while_running(system: System, machine: str) -> None:
    """Wait until no execution of the pair, or of ``machine``, is shown as running: a list may be some seconds behind.

    :raises Refused: when one runs, naming it.
    """
    machines = (*stepfunctions.pair(system), machine)
    if not (running := _running(system, machines)):
        return
    for running in poll(lambda: _running(system, machines), stepfunctions.consistent_within_s(system)):
        if not running:
            return
    raise Refused(
        f"{len(running)} execution(s) of the failover pair run already: {', '.join(running)}: nothing was "
        "started; wait until they have ended",
        code="execution-running",
    )


def running_of_pair(system: System) -> list[str]:
    """List the running executions of the pair. One that was started a few seconds ago may be missing."""
    return _running(system, stepfunctions.pair(system))


def _running(system: System, machines: Sequence[str]) -> list[str]:
    listed = stepfunctions.running(system, machines)
    found = {arn: stepfunctions.described(system, arn) for arn in listed}
    return [arn for arn, execution in found.items() if execution is None or not execution.has_ended]


def execution_name(what: str, number: int, run: str = "") -> str:
    """Return a name that identifies the run and the step; outside a run it has the time instead.

    :param number: distinguishes several executions of the same run.
    :param run: the run; empty: the open drill's.
    """
    drill = history.current()
    run = run or (drill.run_id if drill else "") or datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    end = f"-{what}-{number}"
    return "chaosdrill-" + re.sub(r"[^A-Za-z0-9_-]", "-", run)[-(stepfunctions.LONGEST_NAME - 11 - len(end)) :] + end


def follow(system: System, arn: str, timeout_s: float) -> dict[str, Any]:
    """Wait for the end of an execution. An interruption does not stop it: half a failover is worse than a complete one.

    :returns: ``{done: True, status, execution_arn, seconds, states: [{name, seconds, visits, entered, exited}]}``.
    :raises DrillError: when it failed: in which state, and why.
    :raises TimedOut: when it still runs after ``timeout_s`` seconds; it is left running.
    """
    execution = _ended(system, arn, timeout_s)
    times = _state_times(system, arn, execution)
    states = [{key: value for key, value in asdict(time).items() if key != "left"} for time in times]
    if execution is None:
        there = next((time.name for time in times if not time.left), "no state")
        raise TimedOut(
            f"execution {arn} still runs after {timeout_s:g} s, in state {there}: it was left going",
            code="execution-running",
        )
    history.record(ENDED, **stepfunctions.execution_record(execution, times))
    if execution.status != "SUCCEEDED":
        raise stepfunctions.failure(execution, times)
    return {
        "done": True,
        "status": execution.status,
        "execution_arn": arn,
        "seconds": execution.seconds,
        "states": states,
    }


def _state_times(
    system: System, arn: str, execution: stepfunctions.Execution | None
) -> Sequence[stepfunctions.StateTime]:
    """Return the time of each state; none when an execution has failed and its states cannot be read: the rollback
    must learn of the failure all the same, to restore service.
    """
    try:
        with describe_half_done(
            f"execution {arn} {'goes on' if execution is None else f'has ended {execution.status}'}"
        ):
            within_s = 0.0 if execution is None else TOLD_WITHIN_S
            return next(poll(lambda: stepfunctions.state_times(system, arn), within_s))
    except DrillError as error:
        if execution is None or execution.status == "SUCCEEDED":
            raise
        logger.warning(f"  the states of the execution that has failed are unknown: {error}")
        return ()


def wait_for_own(system: System, timeout_s: float) -> None:
    """Wait until no execution that this run has started is running, whether it succeeds or fails.

    :raises TimedOut: when one still runs after ``timeout_s`` seconds.
    """
    for arn in _of_this_run():
        if not _was_started(system, arn):
            continue  # recorded, but the run was interrupted before the start
        if _ended(system, arn, timeout_s) is None:
            raise TimedOut(
                f"execution {arn}, started by this run, still runs after {timeout_s:g} s: nothing was started; wait "
                "for its end and fail back by hand",
                code="execution-running",
            )


def _was_started(system: System, arn: str) -> bool:
    """Return whether an execution of this run exists. One whose start was not confirmed may have been started as the
    run was interrupted, and may not be shown yet.
    """
    drill = history.current()
    rows = [row for row in drill.history.events() if row.get("execution_arn") == arn] if drill else []
    if any(row["event"] == STARTED for row in rows):
        return True
    announced_s = max(float(row["monotonic_s"]) for row in rows if row["event"] == STARTING)
    left_s = announced_s + stepfunctions.consistent_within_s(system) - time.monotonic()
    return stepfunctions.appears(system, arn, max(0.0, left_s))


def _ended(system: System, arn: str, timeout_s: float) -> stepfunctions.Execution | None:
    """Wait for the end of an execution; None when it still runs after ``timeout_s`` seconds.

    :raises DrillError: when it is still missing after the time within which AWS shows it.
    """
    shown_s = time.monotonic()
    with describe_half_done(
        f"execution {arn} was started and continues by itself; read last_execution and region_state"
    ):
        for execution in poll(lambda: stepfunctions.described(system, arn), timeout_s):
            if execution is not None:
                shown_s = time.monotonic()
                if execution.has_ended:
                    return execution
            elif time.monotonic() - shown_s > stepfunctions.consistent_within_s(system):
                raise DrillError(
                    f"there is no execution {arn} any more: check the state machine's executions", code="no-execution"
                )
    return None


def _of_this_run() -> Sequence[str]:
    drill = history.current()
    return [str(row["execution_arn"]) for row in drill.history.events(STARTING)] if drill else []
