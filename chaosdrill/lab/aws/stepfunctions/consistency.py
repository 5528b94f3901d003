"""Eventual consistency of DescribeExecution and ListExecutions: each returns a change some time after it was made.

Fixes: moto returns every change at once. On AWS an execution that was just started may be missing, and one that has
ended may still be RUNNING; GetExecutionHistory is not documented as eventually consistent, and StartExecution detects a
running execution of the same name at once.

:source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
:source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
"""

import random
import time
from enum import Enum

from chaosdrill.lab.aws import runtime
from chaosdrill.lab.plan import EXECUTION_LAG_REFERENCE_S

LENIENT = "step-functions-lag"


class Reader(Enum):
    """An eventually consistent operation with its own lag."""

    DESCRIBE = "DescribeExecution"
    LIST = "ListExecutions"


class ExecutionChange:
    """A change of an execution, made now; each reader returns it after a lag of its own."""

    def __init__(self) -> None:
        made_s = time.monotonic()
        self._shown_at_s = {reader: made_s + _lag_s() for reader in Reader}

    def is_shown_by(self, reader: Reader) -> bool:
        """Return whether the reader's responses include the change by now."""
        return time.monotonic() >= self._shown_at_s[reader]


def _lag_s() -> float:
    if LENIENT in runtime.plan().lenient:
        return 0.0
    return runtime.scaled(random.uniform(*EXECUTION_LAG_REFERENCE_S))
