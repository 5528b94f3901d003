"""The comparison of calls with botocore's models notices what botocore itself lets pass."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.contract.call_recorder import TOLERATED, Recorder, recording
from tests.contract.documented_responses import model_of
from tests.contract.service_models import unknown_members, violations

ARN = "arn:aws:states:ap-northeast-3:123456789012:execution:m:e"


def of_request(service: str, operation: str, **parameters: Any) -> list[str]:
    return list(violations(model_of((service, operation)).input_shape, parameters))


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "wrong"),
    [
        ("stepfunctions", "DescribeExecution", {"executionArn": ARN}, []),
        ("stepfunctions", "DescribeExecution", {"executionArn": "a" * 257}, [".executionArn: 257 is more than 256"]),
        ("stepfunctions", "DescribeExecution", {"executionArn": 1}, [".executionArn: is int, not a string"]),
        ("stepfunctions", "DescribeExecution", {}, [".executionArn: is missing"]),
        ("stepfunctions", "DescribeExecution", {"executionArn": ARN, "name": "e"}, [".name: is unknown"]),
        ("stepfunctions", "ListExecutions", {"maxResults": 1001}, [".maxResults: 1001 is more than 1000"]),
        ("fis", "GetExperiment", {"id": "EXP 1"}, [".id: 'EXP 1' does not match \\A(?:[\\S]+)\\Z"]),
        ("iam", "GetRole", {"RoleName": "a/b"}, [".RoleName: 'a/b' does not match \\A(?:[\\w+=,.@-]+)\\Z"]),
    ],
)
def test_a_request_is_checked(service: str, operation: str, parameters: dict[str, Any], wrong: list[str]) -> None:
    assert of_request(service, operation, **parameters) == wrong


def test_an_enum_is_checked_inside_lists() -> None:
    entry = {"RoutingControlArn": "arn:aws:r::1:routingcontrol/1", "RoutingControlState": "ON"}
    wrong = of_request(
        "route53-recovery-cluster", "UpdateRoutingControlStates", UpdateRoutingControlStateEntries=[entry]
    )
    assert ".UpdateRoutingControlStateEntries[].RoutingControlState: 'ON' is none of On, Off" in wrong


def test_a_member_that_the_model_does_not_have_is_found_in_the_body() -> None:
    shape = model_of(("stepfunctions", "ListExecutions")).output_shape
    assert list(unknown_members(shape, {"executions": [{"executionArn": ARN, "result": 1}]})) == [
        ".executions[].result: is unknown"
    ]


def test_the_recorder_notices_both_sides_of_a_call(recorder: Recorder) -> None:
    make: Any = boto3.client
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    config = Config(user_agent_extra="chaosdrill/0")
    client = make("stepfunctions", region_name="ap-northeast-3", config=config, **keys)
    response = {"executionArn": ARN, "stateMachineArn": ARN, "status": "RUNS", "startDate": 1}
    client.meta.events.register("before-call", lambda **_: (SimpleNamespace(status_code=200), response))
    with recording() as own:
        client.describe_execution(executionArn="a" * 257)
    sides = [(one.side, one.what.partition(":")[0]) for one in own.take()]
    assert sides == [("request", ".executionArn"), ("response", ".status")]
    assert own.operations == {("stepfunctions", "DescribeExecution")}
    recorder.take()  # those were meant


def test_what_is_tolerated_has_a_reason() -> None:
    assert all(TOLERATED.values())
