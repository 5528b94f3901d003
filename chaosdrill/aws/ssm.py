"""SSM: commands on a host, and the status of its agent."""

import functools
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from chaosdrill.aws import deadlines, lease_guard
from chaosdrill.aws.ambiguous_result import describe_half_done
from chaosdrill.aws.polling import pause, poll
from chaosdrill.aws.system import System
from chaosdrill.errors import CannotSee

_ONGOING = {"Pending", "InProgress", "Delayed", "Cancelling"}
_LATE = {"TimedOut", "Delivery Timed Out", "Execution Timed Out"}
_REPORTED_WITHIN_S = 5.0
_SHORTEST_S = 0.3
_SHOWN = 800  # characters of a step's output in a message
_LOOK_EVERY_S = 0.4  # at first; the interval grows with the time spent


@dataclass(frozen=True)
class Invocation:
    """The result of a command on one host. SSM keeps the first 24,000 characters of the output.

    :param command: its id in CloudTrail and in SSM's own history.
    """

    status: str
    exit_code: int
    stdout: str
    stderr: str
    command: str = ""


@dataclass(frozen=True)
class StepOfDocument:
    """The state of a step of an SSM document on one host. SSM keeps the first 2,500 characters of its output."""

    name: str
    status: str
    exit_code: int
    output: str


@dataclass(frozen=True)
class DocumentRun:
    """A command that runs a document on one host."""

    command: str
    status: str
    steps: tuple[StepOfDocument, ...]

    def __str__(self) -> str:
        steps = ", ".join(f"{one.name} {one.status}" for one in self.steps)
        printed = next((one for one in reversed(self.steps) if one.output.strip()), None)
        said = f"; {printed.name} printed: {printed.output.strip()[-_SHOWN:]}" if printed else ""
        return f"SSM command {self.command} is {self.status} ({steps or 'no steps'}){said}"


def document_runs(system: System, instance_id: str, region: str, document: str, since: datetime) -> list[DocumentRun]:
    """List the commands with that document on a host since a moment, no matter who sent them, the newest first.

    :param document: its name.
    :source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListCommandInvocations.html
    """
    answer = system.client("ssm", region).list_command_invocations(
        InstanceId=instance_id,
        Details=True,
        Filters=[
            {"key": "DocumentName", "value": document},
            {"key": "InvokedAfter", "value": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"},
        ],
    )
    found = sorted(answer.get("CommandInvocations", ()), key=lambda one: one["RequestedDateTime"], reverse=True)
    return [
        DocumentRun(
            str(one["CommandId"]),
            str(one["Status"]),
            tuple(
                StepOfDocument(
                    str(step["Name"]),
                    str(step["Status"]),
                    int(step.get("ResponseCode", -1)),
                    str(step.get("Output") or ""),
                )
                for step in one.get("CommandPlugins") or ()
            ),
        )
        for one in found
    ]


def agent_status(system: System, instance_id: str, region: str) -> str:
    """Return the status of a host's agent: ``Online``, ``ConnectionLost``, ``Inactive``, or ``not registered``."""
    answer = system.client("ssm", region).describe_instance_information(
        Filters=[{"Key": "InstanceIds", "Values": [instance_id]}]
    )
    hosts: list[dict[str, Any]] = answer.get("InstanceInformationList", [])
    return str(hosts[0]["PingStatus"]) if hosts else "not registered"


def run_shell(
    system: System, instance_id: str, region: str, script: str, timeout_s: float, called: str = "", reads: str = ""
) -> Invocation:
    """Run a shell script on a host and wait for its end.

    :param timeout_s: how long it may run, in seconds, at least 1; SSM ends it then.
    :param called: text for messages instead of a script that is long or confidential.
    :param reads: the command's name in :data:`lease_guard.READING_COMMANDS` when it changes nothing on the host: it
        then needs no lease, and SSM gets the name as the command's comment.
    :raises CannotSee: when the host does not accept commands, or the command did not end in time.
    """
    client = system.client("ssm", region)
    limit_s = max(1, math.ceil(timeout_s))  # SSM accepts whole seconds only
    with deadlines.extended(deadlines.REQUEST_S), lease_guard.reading(reads):
        comment = f"chaosdrill: {reads}" if reads else "chaosdrill"
        command = _send(system, client, instance_id, region, script, limit_s, comment)
    with deadlines.extended(limit_s + _REPORTED_WITHIN_S + deadlines.LEAST_S):
        return _ended(system, client, command, instance_id, region, limit_s, called or repr(script))


def _ended(
    system: System, client: Any, command: str, instance_id: str, region: str, limit_s: int, called: str
) -> Invocation:
    invocation = None
    pause(_SHORTEST_S)  # no command ends at once, and most end within this time: an earlier poll would be wasted
    look = functools.partial(_invocation, client, command, instance_id)
    with describe_half_done(f"command {command} on {instance_id} ({region}) was sent and may run: {called}"):
        for invocation in poll(look, limit_s + _REPORTED_WITHIN_S, _LOOK_EVERY_S):
            if invocation is not None and invocation.status not in _ONGOING:
                break
    if invocation is not None and invocation.status not in (*_ONGOING, *_LATE):
        return invocation
    raise CannotSee(
        f"command {command} on {instance_id} ({region}) is {invocation.status if invocation else 'unknown'} after "
        f"{limit_s} s (SSM agent: {agent_status(system, instance_id, region)}): {called}",
        code="command-timed-out",
    )


def _send(system: System, client: Any, instance_id: str, region: str, script: str, limit_s: int, comment: str) -> str:
    try:
        answer = client.send_command(
            InstanceIds=[instance_id],
            DocumentName="AWS-RunShellScript",
            Parameters={"commands": [script], "executionTimeout": [str(limit_s)]},
            TimeoutSeconds=max(30, limit_s),  # how long it may wait for the agent; SSM's minimum is 30
            Comment=comment,
        )
    except client.exceptions.InvalidInstanceId as error:
        status = agent_status(system, instance_id, region)
        raise CannotSee(
            f"the host {instance_id} ({region}) takes no commands: its SSM agent is {status}: start the agent, or "
            "correct `client:` in the topology",
            code="ssm-agent-offline",
        ) from error
    return str(answer["Command"]["CommandId"])


def _invocation(client: Any, command: str, instance_id: str) -> Invocation | None:
    """Read the result of a command; None while SSM does not know the command yet, for a moment after it was sent."""
    try:
        answer = client.get_command_invocation(CommandId=command, InstanceId=instance_id)
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvocationDoesNotExist":
            return None
        raise
    return Invocation(
        status=str(answer["Status"]),
        exit_code=int(answer.get("ResponseCode", -1)),
        stdout=str(answer.get("StandardOutputContent", "")),
        stderr=str(answer.get("StandardErrorContent", "")),
        command=command,
    )
