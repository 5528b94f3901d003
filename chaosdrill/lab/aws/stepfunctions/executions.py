"""Start and stop of executions.

Fixes: in moto unnamed executions are all called ``None`` and collide; two concurrent calls with the same name both
start; an execution that is stopped during a task stays RUNNING; one that is described right after its start has no
environment.
"""

import datetime
import threading
import uuid
from typing import Any

import moto.stepfunctions.urls as stepfunctions_urls
from moto.stepfunctions.parser import models
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.backend import execution, execution_worker

from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.stepfunctions.consistency import ExecutionChange, Reader


class LabWorker(execution_worker.ExecutionWorker):
    """A worker that has its environment before its thread starts, and can be stopped from then on."""

    def start(self) -> None:
        """Start to run the state machine."""
        environment = self._get_evaluation_environment()
        self.env = environment
        environment.next_state_name = ""  # makes its status running, so that it can be stopped
        self._get_evaluation_environment = lambda: environment  # type: ignore[method-assign]
        super().start()  # type: ignore[no-untyped-call]


class LabWorkerCommunication(execution.BaseExecutionWorkerCommunication):
    """Communication with a worker that does not change a stopped execution."""

    def terminated(self) -> None:
        """Set the final status after the last state, unless StopExecution came first."""
        if self.execution.exec_status == ExecutionStatus.RUNNING:
            super().terminated()


class LabExecution(execution.Execution):
    """An execution that is ABORTED from the moment it is stopped, with a delayed status for each reader."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._started = ExecutionChange()
        self._ended: ExecutionChange | None = None
        super().__init__(*args, **kwargs)

    @property
    def exec_status(self) -> ExecutionStatus | None:
        """The actual status."""
        return self._exec_status

    @exec_status.setter
    def exec_status(self, status: ExecutionStatus | None) -> None:
        self._exec_status = status
        if status not in (None, ExecutionStatus.RUNNING) and self._ended is None:
            self._ended = ExecutionChange()

    def shown_by(self, reader: Reader) -> ExecutionStatus | None:
        """Return the status for a reader; None until the reader returns the execution."""
        if not self._started.is_shown_by(reader):
            return None
        if self._ended is not None and not self._ended.is_shown_by(reader):
            return ExecutionStatus.RUNNING
        return self.exec_status

    def stop(self, stop_date: datetime.datetime, error: str | None, cause: str | None) -> None:
        """Stop it, without waiting for a running task."""
        if self.exec_status != ExecutionStatus.RUNNING:
            return
        self.exec_status, self.stop_date = ExecutionStatus.ABORTED, stop_date
        self.error, self.cause = error, cause
        super().stop(stop_date=stop_date, error=error, cause=cause)

    def _get_start_execution_worker_comm(self) -> Any:
        return LabWorkerCommunication(self)


class LabStepFunctionsBackend(models.StepFunctionsParserBackend):
    """moto's backend, which starts executions one at a time, and generates missing names."""

    _url_module = stepfunctions_urls

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._starting = threading.Lock()

    def start_execution(
        self,
        state_machine_arn: str,
        name: Any = None,
        execution_input: Any = None,
        trace_header: Any = None,
    ) -> Any:
        """StartExecution; with the name and input of a running execution it returns that one."""
        with self._starting:
            return super().start_execution(state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header)


def install() -> None:
    """Use them in every region."""
    replace(models.stepfunctions_parser_backends, "backend", LabStepFunctionsBackend)
    replace(models, "Execution", LabExecution)
    replace(execution, "ExecutionWorker", LabWorker)
