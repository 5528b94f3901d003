"""SSM that runs commands.

Fixes: moto 5.2.5 reports Success for every command without running anything, for any instance, and lacks
ListCommandInvocations and DescribeInstanceInformation. Here AWS-RunShellScript runs on the client host.
"""

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import moto.ssm.urls as ssm_urls
from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse

from chaosdrill.errors import LabError
from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.runtime import ask

SHELL_SCRIPT = "AWS-RunShellScript"
FAULT_DOCUMENT = "AWSFIS-Run-Network-Packet-Loss-Sources"
# https://docs.aws.amazon.com/fis/latest/userguide/actions-ssm-agent.html
PARAMETERS = {
    "DurationSeconds": "",
    "FlowsPercent": "100",
    "InstallDependencies": "True",
    "Interface": "DEFAULT",
    "LossPercent": "7",
    "Sources": "",
    "TrafficType": "ingress",
}
PLUGIN = "aws:runShellScript"
ERROR_MARK = "\n----------ERROR-------\n"  # before a step's stderr
OUTPUT_LIMIT = 24_000  # characters that GetCommandInvocation returns on AWS
PLUGIN_OUTPUT_LIMIT = 2_500  # and ListCommandInvocations
EXECUTION_TIMEOUT_S = 3600
ENDED_AT_TIMEOUT = 124  # the client host's exit code for a script killed at its timeout
ANSWER_MARGIN_S = 10


@dataclass(frozen=True)
class ManagedInstance:
    """An instance whose SSM agent is online."""

    instance_id: str
    region: str
    address: str

    def described(self) -> dict[str, Any]:
        """Return the instance as DescribeInstanceInformation does."""
        agent = {"PingStatus": "Online", "LastPingDateTime": datetime.now(UTC), "AgentVersion": "3.3.0.0"}
        system = {"PlatformType": "Linux", "PlatformName": "Amazon Linux", "PlatformVersion": "2023"}
        place = {"ResourceType": "EC2Instance", "IPAddress": self.address, "ComputerName": "bastion"}
        return {"InstanceId": self.instance_id, **agent, **system, **place}


@dataclass
class DocumentStep:
    """A step of a command's document, and its result."""

    name: str
    status: str = "Pending"
    exit_code: int = -1
    stdout: str = ""
    stderr: str = ""

    def described(self) -> dict[str, Any]:
        """Return the step as ListCommandInvocations does."""
        output = self.stdout + (f"{ERROR_MARK}{self.stderr}" if self.stderr else "")
        outcome = {"Status": self.status, "StatusDetails": self.status, "ResponseCode": self.exit_code}
        return {"Name": self.name, **outcome, "Output": output[:PLUGIN_OUTPUT_LIMIT]}


@dataclass
class Command:
    """A command and its result."""

    instance_id: str
    region: str
    script: str
    timeout_s: float
    comment: str
    document: str = SHELL_SCRIPT
    steps: list[DocumentStep] = field(default_factory=lambda: [DocumentStep(PLUGIN, "InProgress")])
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    status: str = "InProgress"

    def run(self) -> None:
        """Run it on the client host and store its output."""
        begin, step = time.monotonic(), self.steps[0]
        try:
            done = ask("client.run", self.timeout_s + ANSWER_MARGIN_S, command=self.script, timeout_s=self.timeout_s)
        except LabError as error:
            step.stderr, step.exit_code, status = str(error), 1, "Failed"
        else:
            step.stdout, step.stderr, step.exit_code = done["stdout"], done["stderr"], done["exit_code"]
            late = step.exit_code == ENDED_AT_TIMEOUT and time.monotonic() - begin >= self.timeout_s
            status = "TimedOut" if late else "Success" if step.exit_code == 0 else "Failed"
        self.ended, step.status = datetime.now(UTC), status
        self.status = status  # last: a final status implies that the output is stored


MANAGED: dict[str, ManagedInstance] = {}
COMMANDS: dict[str, Command] = {}


class LabSsmResponse(SimpleSystemManagerResponse):
    """moto's, with real commands and managed instances."""

    def describe_instance_information(self) -> ActionResult:
        """DescribeInstanceInformation, with its filters."""
        filters = {one["Key"]: one["Values"] for one in self._get_param("Filters") or ()}
        filters.update({one["key"]: one["valueSet"] for one in self._get_param("InstanceInformationFilterList") or ()})
        found = [one.described() for one in MANAGED.values() if one.region == self.region]
        keys = {"InstanceIds": "InstanceId", "PlatformTypes": "PlatformType"}
        shown = [one for one in found if all(one.get(keys.get(k, k)) in values for k, values in filters.items())]
        return ActionResult({"InstanceInformationList": shown})

    def describe_document(self) -> ActionResult:
        """DescribeDocument; of AWS's own documents only that of the packet loss."""
        if self._get_param("Name") != FAULT_DOCUMENT:
            return super().describe_document()
        parameters = [{"Name": name, "Type": "String", "DefaultValue": value} for name, value in PARAMETERS.items()]
        named = {"Name": FAULT_DOCUMENT, "Owner": "Amazon", "DocumentType": "Command", "SchemaVersion": "2.2"}
        return ActionResult({"Document": {**named, "Parameters": parameters, "PlatformTypes": ["Linux"]}})

    def get_document(self) -> ActionResult:
        """GetDocument; of AWS's own documents only that of the packet loss."""
        if self._get_param("Name") != FAULT_DOCUMENT:
            return super().get_document()
        steps = [{"action": PLUGIN, "name": name} for name in ("InstallDependencies", "FaultInjection")]
        content = {"schemaVersion": "2.2", "description": "Loses packets with netem.", "mainSteps": steps}
        named = {"Name": FAULT_DOCUMENT, "DocumentType": "Command", "DocumentFormat": "JSON"}
        return ActionResult({**named, "Content": json.dumps(content)})

    def send_command(self) -> ActionResult:
        """SendCommand, which starts the script at once."""
        if self._get_param("DocumentName") not in (SHELL_SCRIPT, f"arn:aws:ssm:{self.region}::document/{SHELL_SCRIPT}"):
            text = f"the lab runs {SHELL_SCRIPT} only, not {self._get_param('DocumentName')}"
            raise AwsError("InvalidDocument", text)
        parameters = self._get_param("Parameters") or {}
        if not parameters.get("commands"):
            raise AwsError("InvalidParameters", "the parameter commands is required")
        commands = [self._command(instance_id, parameters) for instance_id in self._targets()]
        if len(commands) != 1:
            raise AwsError("InvalidTarget", f"the lab has one managed instance, {len(commands)} were given")
        COMMANDS[commands[0].id] = commands[0]
        threading.Thread(target=commands[0].run, name=f"ssm-{commands[0].id[:8]}", daemon=True).start()
        return ActionResult({"Command": _summary(commands[0])})

    def get_command_invocation(self) -> ActionResult:
        """GetCommandInvocation."""
        command = COMMANDS.get(self._get_param("CommandId"))
        if command is None or command.instance_id != self._get_param("InstanceId") or command.region != self.region:
            raise AwsError("InvocationDoesNotExist", "no such command on this instance")
        return ActionResult(_invocation(command, self._step(command)))

    def _step(self, command: Command) -> DocumentStep:
        """Return the step in PluginName, which may be omitted when there is only one step."""
        name = self._get_param("PluginName")
        found = [step for step in command.steps if name in (None, step.name)]
        if len(found) != 1:
            raise AwsError("InvalidPluginName", f"PluginName: name one of {', '.join(s.name for s in command.steps)}")
        return found[0]

    def list_commands(self) -> ActionResult:
        """ListCommands."""
        return ActionResult({"Commands": [_summary(command) for command in self._listed()]})

    def list_command_invocations(self) -> ActionResult:
        """ListCommandInvocations, with Details."""
        details = bool(self._get_param("Details"))
        return ActionResult({"CommandInvocations": [_listed(command, details) for command in self._listed()]})

    def _command(self, instance_id: str, parameters: dict[str, Any]) -> Command:
        managed = MANAGED.get(instance_id)
        if managed is None or managed.region != self.region:
            raise AwsError("InvalidInstanceId", f"Instances [[{instance_id}]] not in a valid state for account")
        directory = (parameters.get("workingDirectory") or [""])[0]
        script = "\n".join([f"cd '{directory}' || exit 1"] * bool(directory) + list(parameters["commands"]))
        limit = float((parameters.get("executionTimeout") or [EXECUTION_TIMEOUT_S])[0])
        return Command(instance_id, self.region, script, limit, self._get_param("Comment") or "")

    def _targets(self) -> list[str]:
        targets = self._get_param("Targets") or ()
        by_id = [one["Values"] for one in targets if one["Key"] == "InstanceIds"]
        if len(by_id) != len(targets):
            raise AwsError("InvalidTarget", "the lab resolves targets by InstanceIds only")
        return list(self._get_param("InstanceIds") or ()) + [instance_id for ids in by_id for instance_id in ids]

    def _listed(self) -> list[Command]:
        given = {"id": self._get_param("CommandId"), "instance_id": self._get_param("InstanceId")}
        wanted = {**given, "region": self.region}
        filters = {one["key"]: one["value"] for one in self._get_param("Filters") or ()}
        return [
            command
            for command in COMMANDS.values()
            if all(value in (None, getattr(command, name)) for name, value in wanted.items())
            and _passes(command, filters)
        ]


def _passes(command: Command, filters: dict[str, str]) -> bool:
    """Return whether a command passes the filters.

    :source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CommandFilter.html
    """
    if unknown := set(filters) - {"DocumentName", "InvokedAfter", "Status"}:
        raise AwsError("InvalidFilterKey", f"the lab does not filter commands by {', '.join(sorted(unknown))}")
    after = filters.get("InvokedAfter")
    return (
        filters.get("DocumentName") in (None, command.document)
        and filters.get("Status") in (None, command.status)
        and (after is None or command.started >= datetime.fromisoformat(after))
    )


def _summary(command: Command) -> dict[str, Any]:
    counts = {"TargetCount": 1, "CompletedCount": int(command.ended is not None)}
    parameters = {"commands": command.script.split("\n")}
    states = {"Status": command.status, "StatusDetails": command.status, "RequestedDateTime": command.started}
    named = {"CommandId": command.id, "DocumentName": command.document, "Comment": command.comment}
    return {**named, "Parameters": parameters, "InstanceIds": [command.instance_id], **states, **counts}


def _invocation(command: Command, step: DocumentStep) -> dict[str, Any]:
    times = {"ExecutionStartDateTime": _iso(command.started), "ExecutionEndDateTime": _iso(command.ended)}
    output = {
        "ResponseCode": step.exit_code,
        "StandardOutputContent": step.stdout[:OUTPUT_LIMIT],
        "StandardErrorContent": step.stderr[:OUTPUT_LIMIT],
    }
    return {**_listed(command, False), "PluginName": step.name, **times, **output}


def _listed(command: Command, details: bool) -> dict[str, Any]:
    named = {"CommandId": command.id, "InstanceId": command.instance_id, "DocumentName": command.document}
    status = {"Status": command.status, "StatusDetails": command.status, "Comment": command.comment}
    answer = {**named, **status, "RequestedDateTime": command.started}
    return {**answer, "CommandPlugins": [step.described() for step in command.steps]} if details else answer


def _iso(moment: datetime | None) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else ""


def install() -> None:
    """Use it for every request."""
    ssm_urls.url_paths["{0}/$"] = LabSsmResponse.dispatch
