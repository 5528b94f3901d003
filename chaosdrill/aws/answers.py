"""An answer of AWS as it came, kept apart from what the transport added."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What AWS answered, and under which request id: the thread to CloudTrail and support."""

    answer: Mapping[str, Any]
    request_id: str


def answered(raw: Mapping[str, Any]) -> Answer:
    """:returns: an answer as boto3 gives it, taken apart."""
    answer = {name: value for name, value in raw.items() if name != "ResponseMetadata"}
    return Answer(answer, str(raw.get("ResponseMetadata", {}).get("RequestId") or ""))
