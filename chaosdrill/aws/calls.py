"""The log of every call to AWS, reads included, at level debug, with the request id that AWS Support needs.

It uses botocore's event system, so that no call is missed. Chaos Toolkit always writes these lines to its log file, and
to the screen with ``--verbose``.
"""

import logging
from typing import Any

logger = logging.getLogger("chaostoolkit")


def log_calls(client: Any, region: str) -> None:
    """Make ``client`` log each call: service, operation, region, request id, status, error, retries."""
    service = client.meta.service_model.service_id.hyphenize()
    name = client.meta.service_model.service_name

    def answered(model: Any, parsed: Any, **_: Any) -> None:
        facts = parsed.get("ResponseMetadata") or {}
        error = (parsed.get("Error") or {}).get("Code")
        said = f"HTTP {facts.get('HTTPStatusCode')}{f' {error}' if error else ''}"
        told = f"{said}, request id {facts.get('RequestId')}, {facts.get('RetryAttempts', 0)} retries"
        logger.debug(f"AWS: {name} {model.name} {region}: {told}")

    def unanswered(event_name: str, exception: Exception, **_: Any) -> None:
        why = " ".join(f"{type(exception).__name__}: {exception}".split())
        logger.debug(f"AWS: {name} {event_name.rpartition('.')[2]} {region}: no response: {why}")

    client.meta.events.register(f"after-call.{service}", answered)
    client.meta.events.register(f"after-call-error.{service}", unanswered)
