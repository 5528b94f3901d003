"""How executions start and stop.

Mends: in moto unnamed executions are all called ``None`` and collide; two calls with one name at the same moment both
start; an execution stopped while a task works stays RUNNING; one asked about right after its start has no environment.
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


class LabWorker(execution_worker.ExecutionWorker):
    """Has its environment before its thread starts, and can be stopped from then on."""

    def start(self) -> None:
        """Begin to run the state machine."""
        environment = self._get_evaluation_environment()
        self.env = environment
        environment.next_state_name = ""  # makes it running, which is what can be stopped
        self._get_evaluation_environment = lambda: environment  # type: ignore[method-assign]
        super().start()  # type: ignore[no-untyped-call]


class LabWorkerCommunication(execution.BaseExecutionWorkerCommunication):
    """Leaves an execution that was stopped as it is."""

    def terminated(self) -> None:
        """The states have ended; reflect how, unless StopExecution came first."""
        if self.execution.exec_status == ExecutionStatus.RUNNING:
            super().terminated()


class LabExecution(execution.Execution):
    """An execution that is ABORTED from the moment it is stopped."""

    def stop(self, stop_date: datetime.datetime, error: str | None, cause: str | None) -> None:
        """Stop it; a task that is under way is not waited for."""
        if self.exec_status != ExecutionStatus.RUNNING:
            return
        self.exec_status, self.stop_date = ExecutionStatus.ABORTED, stop_date
        self.error, self.cause = error, cause
        super().stop(stop_date=stop_date, error=error, cause=cause)

    def _get_start_execution_worker_comm(self) -> Any:
        return LabWorkerCommunication(self)


class LabStepFunctionsBackend(models.StepFunctionsParserBackend):
    """Starts executions one at a time, and names them when the caller does not."""

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
        """StartExecution: the same name and input while it runs is the same execution."""
        with self._starting:
            return super().start_execution(state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header)


def install() -> None:
    """Use them in every region."""
    replace(models.stepfunctions_parser_backends, "backend", LabStepFunctionsBackend)
    replace(models, "Execution", LabExecution)
    replace(execution, "ExecutionWorker", LabWorker)
