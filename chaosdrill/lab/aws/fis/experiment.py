"""A running experiment, whose states follow the actual faults and the elapsed time."""

import threading
import time
from collections.abc import Iterable
from typing import Any

from moto.core.utils import unix_time
from moto.fis.models import Experiment

from chaosdrill.errors import LabError
from chaosdrill.lab.aws.events import alarm_state
from chaosdrill.lab.aws.fis import isolation, lever, packet_loss, permissions, targets
from chaosdrill.lab.aws.fis.catalogue import DISRUPT, PAUSE, SEND_COMMAND
from chaosdrill.lab.aws.fis.document import FaultCommand
from chaosdrill.lab.aws.fis.durations import seconds
from chaosdrill.lab.aws.fis.replication_pause import ReplicationPause
from chaosdrill.lab.aws.iam import refused_to_role
from chaosdrill.lab.aws.runtime import logger, scaled
from chaosdrill.lab.aws.ssm import MANAGED

REASONS = {
    "pending": "Experiment is pending.",
    "initiating": "Experiment is initiating.",
    "running": "Experiment is running.",
    "completed": "Experiment completed.",
    "stopping": "Experiment is stopping.",
    "stopped": "Experiment was stopped by the user.",
    "cancelled": "Experiment was cancelled.",
    "halted": "Experiment halted by stop condition.",
}
LOOKS_EVERY_S = 0.2
FINAL = frozenset({"completed", "stopped", "failed", "skipped", "cancelled"})


class LabExperiment(Experiment):
    """moto's experiment, with a thread that carries it out."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(**facts)
        self._reason = REASONS["pending"]
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._halted = False
        self._faults: list[isolation.IsolatedSubnets | ReplicationPause] = []
        self._commands: dict[str, FaultCommand] = {}  # by action name
        self.state = "pending"
        self._thread = threading.Thread(target=self._run, name=f"fis-{self.id[:8]}", daemon=True)

    def begin(self) -> None:
        """Start it; called once."""
        self._thread.start()

    def end(self) -> None:
        """StopExperiment; has no effect when it has ended or is stopping."""
        with self._lock:
            if self.state not in FINAL:
                self._become("stopping")
                self._stop.set()

    def to_dict(self, tags: dict[str, str] | None = None) -> dict[str, Any]:
        """Return the experiment as GetExperiment does."""
        return {**super().to_dict(tags), **self._shown_state()}

    def to_summary_dict(self, tags: dict[str, str] | None = None) -> dict[str, Any]:
        """Return the experiment as ListExperiments does."""
        return {**super().to_summary_dict(tags), **self._shown_state()}

    def _shown_state(self) -> dict[str, Any]:
        return {"state": {"status": self.state, "reason": self._reason}}

    def _sync_state(self) -> str:
        return self.state

    def _become(self, state: str, reason: str | None = None) -> None:
        self._reason = reason or REASONS[state]
        if state in FINAL:
            self.end_time = unix_time()
        self.state = self.status = state

    def _run(self) -> None:
        if lever.engaged(self.region_name):
            return self._finish("cancelled", "Experiment was cancelled: the safety lever is engaged.")
        try:
            self._enter("initiating")
            resolved = self._resolve()
            if self.experiment_options["actionsMode"] == "skip-all":
                self._actions_become("skipped", "Action was skipped: actionsMode is skip-all.")
                return self._finish("completed", "Experiment completed, all actions were skipped.")
            self._enter("running")
            duration_s = max([self._start(name, action, resolved) for name, action in self.actions.items()], default=0)
            stopped = self._waited(scaled(duration_s))
            if stopped:
                self._heal()
            self._clear_policies()
        except Exception as error:  # noqa: BLE001  the thread's boundary: an experiment must end
            return self._fail(error)
        self._finish("stopped" if stopped else "completed", REASONS["halted"] if self._halted else None)

    def _waited(self, duration_s: float) -> bool:
        """Wait for the end of the actions, or until a user or an alarm stops them.

        :returns: whether they were stopped.
        :raises LabError: when the command of an action fails.
        """
        alarms = [stop["value"] for stop in self.stop_conditions if stop.get("value")]
        if not alarms and not self._commands:
            return self._stop.wait(duration_s)
        until = time.monotonic() + duration_s
        while (left_s := until - time.monotonic()) > 0:
            if any(alarm_state(arn) == "ALARM" for arn in alarms):
                self._halted = True
                self.end()
            self._refuse_failed_commands()
            if self._stop.wait(min(left_s, LOOKS_EVERY_S)):
                return True
        return False

    def _refuse_failed_commands(self) -> None:
        for name, command in self._commands.items():
            if command.failure:
                self._action_becomes(self.actions[name], "failed", command.failure)
                raise LabError(f"Action {name} failed: {command.failure}")

    def _fail(self, error: Exception) -> None:
        logger.error("experiment %s failed: %s", self.id, error, exc_info=not isinstance(error, LabError))
        try:
            self._heal()
        except LabError as another:
            logger.error("experiment %s: its faults were not healed: %s", self.id, another)
        self._actions_become("stopped", "The experiment failed.", only="running")
        self._actions_become("cancelled", "The experiment failed.")
        self._finish("failed", str(error))

    def _enter(self, state: str) -> None:
        with self._lock:
            if not self._stop.is_set():
                self._become(state)

    def _finish(self, state: str, reason: str | None = None) -> None:
        if state != "failed":
            self._actions_become(state, REASONS[state].replace("Experiment", "Action"))
        with self._lock:
            self._become(state, reason)

    def _resolve(self) -> dict[str, list[str]]:
        resolved = {name: targets.resolve(self.region_name, target) for name, target in self.targets.items()}
        for name, arns in resolved.items():
            self.targets[name]["resourceArns"] = arns
            if not arns and self.experiment_options["emptyTargetResolutionMode"] == "fail":
                raise LabError(f"Target resolution returned empty set for target {name}.")
        return resolved

    def _start(self, name: str, action: dict[str, Any], resolved: dict[str, list[str]]) -> float:
        """Start one action.

        :returns: its duration, in the reference system's seconds.
        """
        duration_s = seconds(action["parameters"]["duration"])
        if self._stop.is_set():
            return 0
        self._action_becomes(action, "initiating", "Action is initiating.")
        try:
            arns = [arn for target in action.get("targets", {}).values() for arn in resolved[target]]
            if action["actionId"] == SEND_COMMAND:
                self._send(name, action, arns)
            elif action["actionId"] == DISRUPT:
                self._require(permissions.ISOLATION)
                self._begin(isolation.from_action(self.region_name, action["parameters"], arns))
            elif action["actionId"] == PAUSE:
                self._pause(arns, duration_s)
        except LabError as error:
            self._action_becomes(action, "failed", str(error))
            raise LabError(f"Action {name} failed: {error}") from error
        self._action_becomes(action, "running", "Action is running.")
        return duration_s

    def _require(self, actions: Iterable[str], *resources: str) -> None:
        for action in actions:
            if refusal := refused_to_role(self.role_arn, action, resources or ("*",)):
                raise LabError(refusal)

    def _send(self, name: str, action: dict[str, Any], arns: list[str]) -> None:
        unmanaged = [arn for arn in arns if arn.rsplit("/", 1)[1] not in MANAGED]
        if unmanaged:
            raise LabError(f"{', '.join(unmanaged)}: not managed by SSM, so no command can be sent there")
        parameters = action["parameters"]
        self._require(permissions.COMMANDS)
        self._require(permissions.SEND, parameters["documentArn"], *arns)
        fault = packet_loss.from_document(parameters["documentArn"], parameters.get("documentParameters", ""))
        for arn in arns:
            self._commands[name] = FaultCommand(arn.rsplit("/", 1)[1], self.region_name, fault)

    def _pause(self, arns: list[str], duration_s: float) -> None:
        self._require(permissions.TABLES, *arns)
        self._require(permissions.PAUSE, *arns, *(targets.stream_of(self.region_name, arn) for arn in arns))
        self._require(permissions.TAGS)
        for arn in arns:
            stream = targets.stream_of(self.region_name, arn)
            self._begin(ReplicationPause(self.region_name, arn, stream, self.id, duration_s))

    def _begin(self, fault: isolation.IsolatedSubnets | ReplicationPause) -> None:
        self._faults.append(fault)
        fault.inject()

    def _heal(self) -> None:
        for name, command in list(self._commands.items()):
            command.cancel()
            del self._commands[name]
        while self._faults:
            self._faults[-1].heal()
            self._faults.pop()

    def _clear_policies(self) -> None:
        for fault in self._faults:  # faults that ended by themselves
            if isinstance(fault, ReplicationPause):
                fault.clear_policies()

    def _actions_become(self, status: str, reason: str, only: str | None = None) -> None:
        for action in self.actions.values():
            if action["state"]["status"] not in FINAL and only in (None, action["state"]["status"]):
                self._action_becomes(action, status, reason)

    def _action_becomes(self, action: dict[str, Any], status: str, reason: str) -> None:
        action["state"] = {"status": status, "reason": reason}
        action.setdefault("startTime", time.time())
        if status in FINAL:
            action["endTime"] = time.time()
