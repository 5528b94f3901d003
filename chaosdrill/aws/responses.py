"""Responses of AWS, apart from the metadata that the transport added."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class AwsResponse:
    """A response of AWS and its request id, by which CloudTrail and AWS Support find the request."""

    answer: Mapping[str, Any]
    request_id: str


def answered(raw: Mapping[str, Any]) -> AwsResponse:
    """Take apart a response as boto3 returns it."""
    answer = {name: value for name, value in raw.items() if name != "ResponseMetadata"}
    return AwsResponse(answer, str(raw.get("ResponseMetadata", {}).get("RequestId") or ""))
