"""botocore's standard retries without its quota.

The quota keeps a fleet from storming a service that fails: after some failures a client tries once only, until calls
succeed again. A drill looks each second while AWS is out of order, and would have spent it by the time when the call
that matters comes; and its few calls storm nobody.
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
    """Let ``client`` try what may pass as often as its configuration says, however much has failed before."""
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
        """:returns: seconds until the next try; False: the time is up; None: others may decide."""
        context = self._adapter.create_retry_context(**facts)
        if not self._conditions.is_retryable(context):
            return None
        return deadlines.retry_after(float(self._backoff.delay_amount(context)))
