"""What Step Functions answers about executions.

Mends: moto forgets StopExecution's error and cause, gives no stop time for TIMED_OUT, and returns the whole history
whatever maxResults, nextToken and reverseOrder say.
"""

from datetime import UTC, datetime
from typing import Any

import moto.stepfunctions.urls as stepfunctions_urls
from moto.core.responses import ActionResult
from moto.stepfunctions.exceptions import ValidationException
from moto.stepfunctions.responses import StepFunctionResponse

PAGE = 100  # AWS's default


class LabStepFunctionResponse(StepFunctionResponse):
    """moto's, with the three mended."""

    def stop_execution(self) -> ActionResult:
        """StopExecution."""
        execution: Any = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        execution.stop(datetime.now(UTC), self._get_param("error"), self._get_param("cause"))
        return ActionResult({"stopDate": execution.stop_date})

    def describe_execution(self) -> ActionResult:
        """DescribeExecution."""
        answer: dict[str, Any] = super().describe_execution().result  # type: ignore[assignment]
        execution: Any = self.stepfunction_backend.describe_execution(answer["executionArn"])
        return ActionResult({**answer, "stopDate": execution.stop_date} if execution.stop_date else answer)

    def list_executions(self) -> ActionResult:
        """ListExecutions."""
        answer: dict[str, Any] = super().list_executions().result  # type: ignore[assignment]
        for item in answer["executions"]:
            execution: Any = self.stepfunction_backend.describe_execution(item["executionArn"])
            if execution.stop_date:
                item["stopDate"] = execution.stop_date
        return ActionResult(answer)

    def get_execution_history(self) -> ActionResult:
        """GetExecutionHistory, in pages."""
        events = list(self.stepfunction_backend.get_execution_history(self._get_param("executionArn"))["events"])
        if self._get_param("reverseOrder"):
            events.reverse()
        token = self._get_param("nextToken") or "0"
        if not token.isdigit():
            raise ValidationException(f"Invalid Token: {token!r}")
        start, size = int(token), int(self._get_param("maxResults") or PAGE)
        page: dict[str, Any] = {"events": events[start : start + size]}
        if start + size < len(events):
            page["nextToken"] = str(start + size)
        return ActionResult(page)


def install() -> None:
    """Use it for every request."""
    stepfunctions_urls.url_paths["{0}/$"] = LabStepFunctionResponse.dispatch
