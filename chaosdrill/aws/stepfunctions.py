"""State machines and their executions: found by prefix, started, polled, and timed by state."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from chaosdrill.aws import execution_memory
from chaosdrill.aws.access import Reach
from chaosdrill.aws.polling import poll
from chaosdrill.aws.read_coalescing import paced
from chaosdrill.aws.responses import answered
from chaosdrill.aws.system import System
from chaosdrill.errors import BadInput, ExecutionFailed, problem
from chaosdrill.topology.consistency import problem_of_machine

RUNNING = "RUNNING"
ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})  # PENDING_REDRIVE and all others are not final
LONGEST_NAME = 80
# ListExecutions has the smallest quota of all: a burst of 100 calls, then 2 a second, for the account. See:
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
LISTS_EVERY_S = 2.5
_found: dict[tuple[Reach, str, str], str] = {}  # state machines keep their ARN, so one listing is enough


@dataclass(frozen=True)
class Execution:
    """An execution as DescribeExecution reports it; ``seconds`` is AWS's own measure, None while it runs.

    :param started: start time, UTC, ISO 8601; empty when it was not reported.
    :param stopped: end time; empty while it runs.
    """

    arn: str
    status: str
    seconds: float | None
    cause: str = ""
    started: str = ""
    stopped: str = ""

    @property
    def name(self) -> str:
        """Its name, the ARN's last part."""
        return self.arn.rsplit(":", 1)[1]

    @property
    def has_ended(self) -> bool:
        """Whether it has reached a final status."""
        return self.status in ENDED


@dataclass(frozen=True)
class StateTime:
    """The total time that an execution spent in a state, in seconds, over all ``visits``; ``left``: it is not there
    now.

    :param entered: the first entry, UTC, ISO 8601, by AWS's clock.
    :param exited: the last exit; empty while the execution is in the state.
    """

    name: str
    seconds: float
    visits: int
    left: bool
    entered: str = ""
    exited: str = ""


def machine_arn(system: System, prefix: str) -> str:
    """Find a state machine of the failover region by the beginning of its name, and cache its ARN.

    :param prefix: the beginning, or a whole ARN.
    :raises BadInput: when none or several match; it lists those that exist; or when the ARN is none of a state machine.
    """
    if wrong := problem_of_machine(prefix):
        raise BadInput([problem("state-machine-invalid", "the state machine {}: {}".format(*wrong))])
    if prefix.startswith("arn:"):
        return prefix
    region = system.topology.failover.region
    key = (system.reach, region, prefix)
    if key not in _found:
        _found[key] = chosen(_machines(system, region), prefix, region)
    return _found[key]


def _machines(system: System, region: str) -> dict[str, str]:
    pages = system.client("stepfunctions", region).get_paginator("list_state_machines").paginate()
    found = [machine for page in pages for machine in page["stateMachines"]]
    return {str(machine["name"]): str(machine["stateMachineArn"]) for machine in found}


def chosen(machines: Mapping[str, str], prefix: str, region: str) -> str:
    """Return the ARN of the one state machine whose name begins with ``prefix``.

    :param machines: ARN by name.
    :raises BadInput: when none or several match; it lists those that exist.
    """
    fitting = sorted(name for name in machines if name.startswith(prefix))
    if len(fitting) == 1:
        return machines[fitting[0]]
    if not fitting:
        there = ", ".join(sorted(machines)) or "no state machine at all"
        why = f"no state machine of {region} has a name that begins with {prefix!r}; there is: {there}"
        raise BadInput([problem("state-machine-missing", why)])
    shown = ", ".join(fitting)
    why = f"{len(fitting)} state machines of {region} begin with {prefix!r}: {shown}: write more of it"
    raise BadInput([problem("state-machine-ambiguous", why)])


def pair(system: System) -> tuple[str, str]:
    """Return the ARNs of the failover and the failback state machine."""
    failover = system.topology.failover
    return machine_arn(system, failover.failover_prefix), machine_arn(system, failover.failback_prefix)


def _client(system: System, arn: str) -> Any:
    """Return a client for the region in the ARN of a machine or an execution: it need not be the topology's."""
    return system.client("stepfunctions", arn.split(":")[3])


def consistent_within_s(system: System) -> float:
    """Return the seconds after which, by experience, Step Functions' responses show a change."""
    return execution_memory.CONSISTENT_WITHIN_S * system.topology.time_scale


def running(system: System, machines: Iterable[str], older_s: float = 0.0) -> list[str]:
    """List the running executions of these machines, corrected by what this process has learned of them.

    :param older_s: how old the lists may be, in seconds; by default they begin after this call.
    :returns: their ARNs.
    :raises BadInput: when there is no such machine.
    """
    return [arn for machine in dict.fromkeys(machines) for arn in _running(system, machine, older_s)]


def _running(system: System, machine: str, older_s: float) -> list[str]:
    def ask() -> list[tuple[str, int]]:
        client = _client(system, machine)
        pages = client.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter=RUNNING)
        items = [item for page in pages for item in page["executions"]]
        return [(str(item["executionArn"]), int(item.get("redriveCount", 0))) for item in items]

    listed = _list(system, "running executions", machine, ask, older_s)
    return execution_memory.still_running(listed, machine, _unlisted_within_s(system))


def _unlisted_within_s(system: System) -> float:
    return consistent_within_s(system) + LISTS_EVERY_S


def _list(system: System, what: str, machine: str, ask: Callable[[], Any], older_s: float = 0.0) -> Any:
    since_s = time.monotonic() - older_s
    try:
        return paced((system.reach, what, machine), ask, since_s, LISTS_EVERY_S).value
    except _client(system, machine).exceptions.StateMachineDoesNotExist as error:
        why = f"there is no state machine {machine}: correct the ARN, or name it by its prefix"
        raise BadInput([problem("state-machine-missing", why)]) from error


def latest(system: System, machine: str) -> Execution | None:
    """Return the machine's latest execution, None when there was none."""

    def ask() -> list[dict[str, Any]]:
        client = _client(system, machine)
        found: list[dict[str, Any]] = client.list_executions(stateMachineArn=machine, maxResults=1)["executions"]
        return found

    listed = _list(system, "latest execution", machine, ask)
    if unlisted := execution_memory.recent(machine, _unlisted_within_s(system)):
        return described(system, unlisted[0]) or Execution(unlisted[0], RUNNING, None)
    return (described(system, listed[0]["executionArn"]) or _execution(listed[0])) if listed else None


def execution_arn(machine: str, name: str) -> str:
    """Return the ARN that an execution of that name has or will have."""
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"


def start(system: System, machine: str, name: str) -> None:
    """Start an execution. The same name again changes nothing, so the request may be repeated."""
    client = _client(system, machine)
    # names are unique to this run: an earlier attempt has started it
    with suppress(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(**start_request(machine, name))
    execution_memory.note_running(execution_arn(machine, name))


def start_request(machine: str, name: str) -> dict[str, str]:
    """Return the parameters of the StartExecution that :func:`start` sends."""
    return {"stateMachineArn": machine, "name": name, "input": "{}"}


def described(system: System, arn: str) -> Execution | None:
    """Read an execution; None when none has that ARN, or when it has just been started. One that is known to have
    ended may be shown as RUNNING for a moment.
    """
    try:
        answer = _client(system, arn).describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return None
        raise
    execution = _execution(answer)
    redriven = int(answer.get("redriveCount", 0))
    if execution.has_ended:
        execution_memory.note_ended(arn, redriven)
    elif not execution_memory.has_ended(arn, redriven):
        execution_memory.note_running(arn)
    return execution


def appears(system: System, arn: str, within_s: float) -> bool:
    """Wait until DescribeExecution shows an execution.

    :param within_s: seconds; 0 gives one call.
    :returns: whether it did in time.
    :raises CannotSee: when the last call got no response.
    """
    return any(execution is not None for execution in poll(lambda: described(system, arn), within_s))


def _execution(answer: Mapping[str, Any]) -> Execution:
    """Parse a response of DescribeExecution, or an item of ListExecutions."""
    cause = ": ".join(str(answer[key]) for key in ("error", "cause") if answer.get(key))
    times = (_moment(answer.get("startDate")), _moment(answer.get("stopDate")))
    return Execution(str(answer["executionArn"]), str(answer["status"]), _seconds(answer), cause, *times)


def _moment(date: datetime | None) -> str:
    """Format a time as in the history: UTC with milliseconds, which is the precision of Step Functions."""
    return date.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if date else ""


def _seconds(answer: Mapping[str, Any]) -> float | None:
    if not answer.get("stopDate"):
        return None
    return round(float((answer["stopDate"] - answer["startDate"]).total_seconds()), 3)


def state_times(system: System, arn: str) -> list[StateTime]:
    """Return the time of each state that the execution has entered so far; none while AWS does not show the
    execution.
    """
    client = _client(system, arn)
    try:
        pages = list(client.get_paginator("get_execution_history").paginate(executionArn=arn))
    except client.exceptions.ExecutionDoesNotExist:
        return []
    return times_of([event for page in pages for event in page["events"]])


def recorded(system: System, arn: str) -> dict[str, Any]:
    """Read Step Functions' own record of an execution.

    :returns: the responses by call, ``DescribeExecution`` and ``GetExecutionHistory`` (all pages), and the
        ``request_ids`` of both.
    """
    client = _client(system, arn)
    described = answered(client.describe_execution(executionArn=arn))
    pages = [answered(page) for page in client.get_paginator("get_execution_history").paginate(executionArn=arn)]
    return {
        "DescribeExecution": described.answer,
        "GetExecutionHistory": {"events": [event for page in pages for event in page.answer["events"]]},
        "request_ids": [one.request_id for one in (described, *pages)],
    }


def times_of(events: Sequence[Mapping[str, Any]]) -> list[StateTime]:
    """Return the time of each state, in the order in which they were first entered.

    :param events: an execution's history, oldest first.
    """
    total: dict[str, float] = {}
    visits: dict[str, int] = {}
    inside: dict[str, datetime] = {}
    entered: dict[str, datetime] = {}
    exited: dict[str, datetime] = {}
    for event in events:
        if name := event.get("stateEnteredEventDetails", {}).get("name"):
            total.setdefault(name, 0.0)
            visits[name] = visits.get(name, 0) + 1
            inside[name] = event["timestamp"]
            entered.setdefault(name, event["timestamp"])
        elif (name := event.get("stateExitedEventDetails", {}).get("name")) in inside:
            total[name] += (event["timestamp"] - inside.pop(name)).total_seconds()
            exited[name] = event["timestamp"]
    for name, since in inside.items():
        total[name] += (events[-1]["timestamp"] - since).total_seconds()
        exited.pop(name, None)
    return [
        StateTime(
            name,
            round(total[name], 3),
            visits[name],
            name not in inside,
            _moment(entered[name]),
            _moment(exited.get(name)),
        )
        for name in total
    ]


def execution_record(execution: Execution, times: Sequence[StateTime]) -> dict[str, Any]:
    """Return the record of an execution that has ended for a run's history, from which its phases are judged."""
    return {
        "execution_arn": execution.arn,
        "status": execution.status,
        "seconds": execution.seconds,
        "started": execution.started,
        "stopped": execution.stopped,
        "states": [asdict(time) for time in times],
    }


def failure(execution: Execution, times: Sequence[StateTime]) -> ExecutionFailed:
    """Return an error that states how an execution failed, and in which state."""
    where = next((state.name for state in reversed(times) if not state.left), times[-1].name if times else "no state")
    return ExecutionFailed(
        f"execution {execution.name} ended {execution.status} in state {where} after {execution.seconds} s: "
        f"{_readable(execution.cause) or 'no cause given'}: check the state of the region before continuing "
        f"({execution.arn})"
    )


def _readable(cause: str) -> str:
    """Extract the message from a Lambda function's failure, which is its type and a JSON text with a traceback."""
    kind, brace, rest = cause.partition("{")
    try:
        message = json.loads(brace + rest)["errorMessage"]
    except (ValueError, KeyError, TypeError):
        return cause
    return f"{kind}{message}"
