"""DescribeExecution and ListExecutions are eventually consistent: each shows a change some time after it was made.

Fixes: moto shows every change at once. On AWS an execution that was just started may be missing, and one that has ended
may still be RUNNING; GetExecutionHistory is not documented as eventually consistent, and StartExecution finds a running
execution of the same name at once.

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
    """An operation with a view of its own."""

    DESCRIBE = "DescribeExecution"
    LIST = "ListExecutions"


class Change:
    """A change of an execution, made now; each reader shows it after a lag of its own, and from then on."""

    def __init__(self) -> None:
        made_s = time.monotonic()
        self._shown_at_s = {reader: made_s + _lag_s() for reader in Reader}

    def is_shown_by(self, reader: Reader) -> bool:
        """:returns: whether the reader's responses have the change by now."""
        return time.monotonic() >= self._shown_at_s[reader]


def _lag_s() -> float:
    if LENIENT in runtime.plan().lenient:
        return 0.0
    return runtime.scaled(random.uniform(*EXECUTION_LAG_REFERENCE_S))
