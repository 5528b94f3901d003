"""botocore's standard retries without its quota.

The quota keeps a fleet from overloading a failing service: after some failures a client no longer retries, until calls
succeed again. A drill polls each second during an outage, and would have used up the quota before the call that
matters; and its few calls overload no service.
"""

from typing import Any

from botocore.retries.standard import (
    ExponentialBackoff,
    RetryEventAdapter,
    StandardRetryConditions,
    ThrottlingErrorDetector,
)

from chaosdrill.aws import deadlines

TRIES = 6
LONGEST_PAUSE_S = 10.0


def retry_always(client: Any) -> None:
    """Make ``client`` retry as often as its configuration says, no matter how many calls have failed before."""
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"needs-retry.{service}", _Retries(client, service).needs_retry)


class _Retries:
    def __init__(self, client: Any, service: str) -> None:
        self._adapter = RetryEventAdapter()
        self._conditions = StandardRetryConditions(max_attempts=client.meta.config.retries["total_max_attempts"])
        self._backoff = ExponentialBackoff(
            max_backoff=LONGEST_PAUSE_S,
            service_name=service,
            throttling_detector=ThrottlingErrorDetector(self._adapter),
        )

    def needs_retry(self, **facts: Any) -> float | None:
        """Decide about the next attempt.

        :returns: seconds until it; False: no time is left; None: other handlers decide.
        """
        context = self._adapter.create_retry_context(**facts)
        if not self._conditions.is_retryable(context):
            return None
        return deadlines.retry_after(float(self._backoff.delay_amount(context)))
