"""The fault document as SSM runs it on the host: one command that installs its dependencies, and then injects the
fault.

The experiment's action is running from the moment the command is sent. The dependencies are installed once per host. On
AWS that takes about a minute; here less, so that drills on the lab stay short.

:source: https://docs.aws.amazon.com/fis/latest/userguide/actions-ssm-agent.html (InstallDependencies)
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from chaosdrill.errors import LabError
from chaosdrill.lab.aws.fis.packet_loss import DOCUMENT, PacketLossParameters
from chaosdrill.lab.aws.runtime import logger, scaled, strict
from chaosdrill.lab.aws.ssm import COMMANDS, Command, DocumentStep

INSTALLS_REFERENCE_S = 10.0
CHECKS_REFERENCE_S = 1.0  # when everything is already installed
INSTALL, INJECT = "InstallDependencies", "FaultInjection"
_installed: set[str] = set()  # hosts


class FaultCommand:
    """One run of the document on one host.

    :param fault: the fault that it injects once its dependencies are installed.
    """

    def __init__(self, instance_id: str, region: str, fault: PacketLossParameters) -> None:
        self._fault = fault
        self._cancelled, self._ended = threading.Event(), threading.Event()
        self._command = Command(
            instance_id, region, "", fault.duration_s, "", DOCUMENT, [DocumentStep(INSTALL), DocumentStep(INJECT)]
        )
        self._injected = False
        COMMANDS[self._command.id] = self._command
        threading.Thread(target=self._run, name=f"fault-{self._command.id[:8]}", daemon=True).start()

    @property
    def failure(self) -> str:
        """Why FIS considers it failed; empty while it runs, and after success."""
        if self._command.status != "Failed":
            return ""
        return f"SSM command {self._command.id} on {self._command.instance_id} ended with status Failed."

    def cancel(self) -> None:
        """End it, and its fault.

        :raises LabError: when the fault cannot be ended.
        """
        self._cancelled.set()
        self._ended.wait()
        if self._injected:
            self._fault.heal()
            self._injected = False

    def _run(self) -> None:
        try:
            for step, act in zip(self._command.steps, (self._install, self._inject), strict=True):
                if not self._do(step, act):
                    return
            self._command.ended = datetime.now(UTC)
            self._command.status = "Success"
        finally:
            self._ended.set()

    def _do(self, step: DocumentStep, act: Callable[[], None]) -> bool:
        """Run one step.

        :returns: whether the command continues.
        """
        step.status = "InProgress"
        try:
            act()
        except LabError as error:
            self._end("Failed", step, str(error))
            return False
        if self._cancelled.is_set():
            self._end("Cancelled", step, "")
            return False
        step.status, step.exit_code = "Success", 0
        return True

    def _install(self) -> None:
        host = self._command.instance_id
        reference_s = CHECKS_REFERENCE_S if host in _installed else INSTALLS_REFERENCE_S
        if strict("fis-document-at-once"):
            self._cancelled.wait(scaled(reference_s))
        _installed.add(host)

    def _inject(self) -> None:
        self._fault.inject()
        self._injected = True
        self._cancelled.wait(scaled(self._fault.duration_s))

    def _end(self, status: str, step: DocumentStep, stderr: str) -> None:
        logger.info("the document on %s: %s %s", self._command.instance_id, status, stderr)
        step.status, step.stderr, step.exit_code = status, stderr, 1
        self._command.ended = datetime.now(UTC)
        self._command.status = status  # last: a final status implies that all other fields are final
