"""The record of every changing call in the history, with the request id by which CloudTrail and AWS Support find it.

It uses botocore's event system, so that no activity can omit it.
"""

from typing import Any

from chaosdrill.aws.guard import changes_something
from chaosdrill.errors import ChangeNotSent, Refused
from chaosdrill.history import record

EVENT = "aws-call"


def record_changes(client: Any, region: str) -> None:
    """Make ``client`` record each changing call in the open drill's history: operation, region, request id, retries.

    A call of which a guard kept every attempt from being sent has ``sent: false``.
    """
    service = client.meta.service_model.service_id.hyphenize()
    known = {"service": client.meta.service_model.service_name, "region": region}

    def answered(model: Any, parsed: Any, **_: Any) -> None:
        if changes_something(model.name):
            facts = parsed.get("ResponseMetadata") or {}
            record(
                EVENT,
                **known,
                operation=model.name,
                request_id=facts.get("RequestId"),
                http_status=facts.get("HTTPStatusCode"),
                error=(parsed.get("Error") or {}).get("Code"),
                retries=facts.get("RetryAttempts", 0),
            )

    def unanswered(operation: str, exception: Exception, **_: Any) -> None:
        if changes_something(operation):
            why = f"{type(exception).__name__}: {exception}"
            unsent = {"sent": False} if _was_never_sent(exception) else {}
            record(EVENT, **known, operation=operation, request_id=None, http_status=None, error=why, **unsent)

    client.meta.events.register(f"after-call.{service}", answered)
    client.meta.events.register(
        f"after-call-error.{service}",
        lambda exception, event_name, **_: unanswered(event_name.rpartition(".")[2], exception),
    )


def _was_never_sent(error: Exception) -> bool:
    return isinstance(error, Refused) or (isinstance(error, ChangeNotSent) and not error.attempts_sent)
