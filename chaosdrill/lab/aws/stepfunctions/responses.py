"""Step Functions' responses about executions, and to calls over the quota.

Fixes: moto drops StopExecution's error and cause, has no stop time for TIMED_OUT, returns the whole history regardless
of maxResults, nextToken and reverseOrder, lists PENDING_REDRIVE without a Map Run, returns changes at once
(``consistency``) and does not limit calls (``quotas``).
"""

from datetime import UTC, datetime
from typing import Any

import moto.stepfunctions.urls as stepfunctions_urls
from moto.core.responses import ActionResult
from moto.stepfunctions.exceptions import ExecutionDoesNotExist, ValidationException
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.responses import StepFunctionResponse

from chaosdrill.lab.aws import runtime
from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.stepfunctions import quotas
from chaosdrill.lab.aws.stepfunctions.consistency import Reader

PAGE = 100  # AWS's default
PENDING_REDRIVE = "PENDING_REDRIVE"  # only of the children of a Map Run
OF_THE_END = ("stopDate", "output", "outputDetails", "error", "cause")
RUNS = {"status": ExecutionStatus.RUNNING.value}


class LabStepFunctionResponse(StepFunctionResponse):
    """moto's, with these fixes."""

    def stop_execution(self) -> ActionResult:
        """StopExecution."""
        execution: Any = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        execution.stop(datetime.now(UTC), self._get_param("error"), self._get_param("cause"))
        return ActionResult({"stopDate": execution.stop_date})

    def call_action(self) -> Any:
        """Execute an operation, unless its quota is exceeded."""
        action = self._get_action()
        is_strict = quotas.LENIENT not in runtime.plan().lenient
        if is_strict and not quotas.may_call(self.current_account, self.region, action):
            return self.serialized(ActionResult(AwsError("ThrottlingException", "Rate exceeded")))
        return super().call_action()

    def describe_execution(self) -> ActionResult:
        """DescribeExecution, eventually consistent."""
        arn = self._get_param("executionArn")
        execution: Any = self.stepfunction_backend.describe_execution(arn)
        status = execution.shown_by(Reader.DESCRIBE)
        if status is None:
            raise ExecutionDoesNotExist(f"Execution Does Not Exist: '{arn}'")
        found: dict[str, Any] = super().describe_execution().result  # type: ignore[assignment]
        if status == ExecutionStatus.RUNNING:
            return ActionResult({name: value for name, value in found.items() if name not in OF_THE_END} | RUNS)
        return ActionResult({**found, "stopDate": execution.stop_date} if execution.stop_date else found)

    def list_executions(self) -> ActionResult:
        """ListExecutions, eventually consistent, latest first, in pages."""
        wanted = self._get_param("statusFilter")
        if wanted == PENDING_REDRIVE:
            raise ValidationException("PENDING_REDRIVE as statusFilter needs a mapRunArn")
        machine: Any = self.stepfunction_backend.describe_state_machine(self._get_param("stateMachineArn"))
        shown = [(one, one.shown_by(Reader.LIST)) for one in machine.executions]
        items = [_list_item(one, status) for one, status in shown if status and wanted in (None, status.value)]
        items.sort(key=lambda item: item["startDate"], reverse=True)
        return ActionResult(self._page("executions", items))

    def get_execution_history(self) -> ActionResult:
        """GetExecutionHistory, in pages."""
        events = list(self.stepfunction_backend.get_execution_history(self._get_param("executionArn"))["events"])
        if self._get_param("reverseOrder"):
            events.reverse()
        return ActionResult(self._page("events", events))

    def _page(self, name: str, items: list[Any]) -> dict[str, Any]:
        token = self._get_param("nextToken") or "0"
        if not token.isdigit():
            raise AwsError("InvalidToken", f"Invalid Token: {token!r}")
        start, size = int(token), int(self._get_param("maxResults") or PAGE)
        page: dict[str, Any] = {name: items[start : start + size]}
        if start + size < len(items):
            page["nextToken"] = str(start + size)
        return page


def _list_item(execution: Any, status: ExecutionStatus) -> dict[str, Any]:
    item = {
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": status.value,
        "startDate": execution.start_date,
    }
    return item if status == ExecutionStatus.RUNNING else {**item, "stopDate": execution.stop_date}


def install() -> None:
    """Use it for every request."""
    stepfunctions_urls.url_paths["{0}/$"] = LabStepFunctionResponse.dispatch
