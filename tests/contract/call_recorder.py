"""Watches every call that is made from this process, and compares request and response with botocore's models."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from botocore.parsers import ResponseParser

from tests.contract.service_models import unknown_members, violations

OWN_AGENT = "chaosdrill/"  # in the user agent of the product's clients
# errors of every service, which the models of its operations do not name
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonErrors.html and its like of other services
COMMON_ERRORS = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"),
        *("ExpiredToken", "ExpiredTokenException", "RequestExpired"),
        *("InternalError", "InternalFailure", "InternalServerError", "InternalServerException", "ServiceUnavailable"),
        *("Throttling", "ThrottlingException", "RequestLimitExceeded"),
        "NotImplementedByLab",
        *("InvalidParameterCombination", "InvalidParameterValue", "ValidationError", "ValidationException"),
    }
)


# Where the models are stricter than AWS itself, or moto differs in what nobody reads: pattern -> why
TOLERATED = {
    r"rds \w+ response .*FailoverState\.Status: 'switching-over' ": "the model's text has it, its list has not",
    r"ssm GetCommandInvocation response \.Execution(Start|End)DateTime": "AWS's examples have milliseconds, or nothing",
    r"route53 \w+ response .*HostedZones?\b.*\.Id: ": "the model's 32 characters are without /hostedzone/",
    r"dynamodb \w+ response .*NumberOfDecreasesToday: 0 is less than 1": "AWS responds with 0",
    r"route53 \w+ response .*\.(Marker|MaxItems|IsTruncated|Location|CallerReference): ": "moto; no reader of ours",
    r"route53 \w+ request \.HostedZoneId: 34 is more than 32": "botocore takes /hostedzone/ away before it sends it",
    r"ec2 DescribeInstances response .*HttpTokens: '\*\*\*' ": "a recording that was redacted, played again",
    r"dynamodb ListTables error ProvisionedThroughputExceededException": "of the lab's faults: one error for a service",
    r"events ListRules response .*\.CreatedBy: is unknown": "moto; no reader of ours",
    r"\w+ Head\w+ error \d+:": "a response to HEAD has no body, so its code is the status",
}
_TOLERATED = re.compile("|".join(f"(?:{pattern})" for pattern in TOLERATED))


@dataclass(frozen=True, order=True)
class Violation:
    """A call that is not as the model says.

    :param side: request, response or error.
    """

    service: str
    operation: str
    side: str
    what: str

    def __str__(self) -> str:
        return f"{self.service} {self.operation} {self.side} {self.what}"


class Recorder:
    """Remembers the violations; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Violation] = []
        self.operations: set[tuple[str, str]] = set()

    def take(self) -> list[Violation]:
        """:returns: what was found since the last time."""
        with self._lock:
            found, self._found = self._found, []
        return found

    def check(self, client: BaseClient, operation: str, side: str, wrong: Iterator[str]) -> None:
        """Remember what is wrong with one side of a call."""
        service = client.meta.service_model.service_name
        found = [Violation(service, operation, side, what) for what in wrong]
        found = [one for one in found if not _TOLERATED.match(str(one))]
        with self._lock:
            self.operations.add((service, operation))
            self._found += found


@contextmanager
def recording() -> Iterator[Recorder]:
    """Compare every call of this process with the models, until the end of the block."""
    recorder, body = Recorder(), threading.local()
    call, parse = BaseClient._make_api_call, ResponseParser.parse

    def watched(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        model = client.meta.service_model.operation_model(operation)
        if OWN_AGENT in (client.meta.config.user_agent_extra or ""):
            recorder.check(client, operation, "request", violations(model.input_shape, parameters))
        body.json = None
        try:
            response = call(client, operation, parameters)
        except ClientError as error:
            recorder.check(client, operation, "error", _unknown_error(model, error))
            raise
        recorder.check(client, operation, "response", violations(model.output_shape, response))
        if body.json is not None and "payload" not in (model.output_shape.serialization if model.output_shape else {}):
            recorder.check(client, operation, "response", unknown_members(model.output_shape, body.json))
        return response

    def watched_parse(parser: ResponseParser, response: dict[str, Any], shape: Any) -> Any:
        body.json = None
        if shape is not None and type(parser).__name__ in ("JSONParser", "RestJSONParser"):
            with suppress(ValueError, TypeError):  # an empty body, or one that is streamed
                body.json = json.loads(response["body"])
        return parse(parser, response, shape)

    with patch.object(BaseClient, "_make_api_call", watched), patch.object(ResponseParser, "parse", watched_parse):
        yield recorder


def _unknown_error(model: OperationModel, error: ClientError) -> Iterator[str]:
    code = error.response["Error"]["Code"]
    known = {shape.name for shape in model.error_shapes} | {shape.error_code for shape in model.error_shapes}
    if model.error_shapes and code not in known | COMMON_ERRORS:  # EC2's models name no errors
        yield f"{code}: is none of the operation's errors"
