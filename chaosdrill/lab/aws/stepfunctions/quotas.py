"""API throttling of Step Functions: a token bucket per operation and region of an account.

Fixes: moto accepts any number of calls. The buckets have AWS's sizes, and refill in real time: a program's call rate
does not scale.

:source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (API action throttling)
"""

import threading
import time
from dataclasses import dataclass, field

LARGE_REGIONS = frozenset({"us-east-1", "us-west-2", "eu-west-1"})
LENIENT = "step-functions-quotas"

# bucket size and refill per second, by operation: in the three large regions, in all others
QUOTAS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "CreateStateMachine": ((100, 1), (100, 1)),
    "DeleteStateMachine": ((100, 1), (100, 1)),
    "DescribeExecution": ((300, 15), (250, 10)),
    "DescribeStateMachine": ((200, 20), (200, 20)),
    "DescribeStateMachineForExecution": ((200, 1), (200, 1)),
    "GetExecutionHistory": ((400, 20), (400, 20)),
    "ListExecutions": ((200, 5), (100, 2)),
    "ListStateMachines": ((100, 5), (100, 5)),
    "ListTagsForResource": ((100, 1), (100, 1)),
    "StartExecution": ((1300, 300), (800, 150)),
    "StopExecution": ((1000, 200), (500, 25)),
    "TagResource": ((200, 1), (200, 1)),
    "UntagResource": ((200, 1), (200, 1)),
    "UpdateStateMachine": ((100, 1), (100, 1)),
}


@dataclass
class TokenBucket:
    """A token bucket.

    :param size: tokens when it is full.
    :param refill_per_s: tokens per second.
    """

    size: float
    refill_per_s: float
    _tokens: float = field(init=False)
    _counted_s: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._tokens = self.size

    def take(self, now_s: float | None = None) -> bool:
        """Take a token.

        :param now_s: time on the monotonic clock; default: now.
        :returns: whether there was one.
        """
        now_s = time.monotonic() if now_s is None else now_s
        self._tokens = min(self.size, self._tokens + (now_s - self._counted_s) * self.refill_per_s)
        self._counted_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


_lock = threading.Lock()
_buckets: dict[tuple[str, str, str], TokenBucket] = {}


def may_call(account: str, region: str, operation: str) -> bool:
    """Count a call.

    :returns: False when the response must be ThrottlingException.
    """
    if operation not in QUOTAS:
        return True
    with _lock:
        key = (account, region, operation)
        if key not in _buckets:
            _buckets[key] = TokenBucket(*QUOTAS[operation][region not in LARGE_REGIONS])
        return _buckets[key].take()
