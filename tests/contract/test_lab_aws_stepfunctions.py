"""Each behaviour of moto's Step Functions that the lab mends."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chaosdrill.lab.aws import asl
from chaosdrill.lab.plan import MAIN_TABLE
from tests.contract.lab_aws import SCALE, LabAws
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long

ROLE = "arn:aws:iam::123456789012:role/test"


@contextmanager
def machine(lab: LabAws, states: dict[str, Any], timeout_s: int = 3600) -> Iterator[str]:
    """A state machine of these states, until the end of the block."""
    sfn = lab.client("stepfunctions")
    definition = asl.machine(states, "test", timeout_s)
    arn = sfn.create_state_machine(name=f"test-{time.monotonic_ns()}", definition=definition, roleArn=ROLE)
    yield arn["stateMachineArn"]
    sfn.delete_state_machine(stateMachineArn=arn["stateMachineArn"])


def output(lab: LabAws, states: dict[str, Any]) -> Any:
    with machine(lab, states) as arn:
        started = lab.client("stepfunctions").start_execution(stateMachineArn=arn)["executionArn"]
        execution = lab.ended(started)
        assert execution["status"] == "SUCCEEDED", execution.get("cause")
        return json.loads(execution["output"])


def test_a_path_with_an_index_names_one_value(aws: LabAws) -> None:
    states = {
        "Given": asl.give({"a": [{"b": "available"}]}),
        "Choose": asl.choose(
            {"Variable": "$.a[0].b", "StringEquals": "available", "Next": "Matched"}, otherwise="Unmatched"
        ),
        "Unmatched": asl.fail("Unmatched", "$.a[0].b was no string"),
        "Matched": {"Type": "Pass", "Parameters": {"seen.$": "$.a[0].b"}},
    }
    assert output(aws, states) == {"seen": "available"}


def test_the_end_of_math_random_is_exclusive(aws: LabAws) -> None:
    draws = output(aws, {"Draw": asl.give({f"n{i}.$": "States.MathRandom(0, 1)" for i in range(16)})})
    assert set(draws.values()) == {0}


def test_tasks_take_and_give_pascal_case_and_dates_as_text(aws: LabAws) -> None:
    listing = {"StateMachineArn": aws.machine("FailoverStateMachine")}
    shown = output(aws, {"List": asl.call("sfn:describeStateMachine", listing, into="$")})
    assert shown["StateMachineArn"] == listing["StateMachineArn"]
    assert shown["CreationDate"].endswith("Z")


def test_unnamed_executions_do_not_collide(aws: LabAws) -> None:
    sfn = aws.client("stepfunctions")
    with machine(aws, {"Wait": asl.wait(60)}) as arn, ThreadPoolExecutor(8) as pool:
        started = pool.map(lambda _: sfn.start_execution(stateMachineArn=arn)["executionArn"], range(8))
        arns = set(started)
        assert len(arns) == 8
        wait_for(
            lambda: {one["executionArn"] for one in sfn.list_executions(stateMachineArn=arn)["executions"]} == arns
        )
        assert {aws.ended(arn)["status"] for arn in arns} == {"SUCCEEDED"}


def test_the_same_name_and_input_is_the_same_execution_while_it_runs(aws: LabAws) -> None:
    sfn = aws.client("stepfunctions")
    with machine(aws, {"Wait": asl.wait(3000)}) as arn:
        facts = {"stateMachineArn": arn, "name": "drill", "input": "{}"}
        arns = {sfn.start_execution(**facts)["executionArn"] for _ in range(2)}
        assert len(arns) == 1
        with pytest.raises(sfn.exceptions.ExecutionAlreadyExists):
            sfn.start_execution(**{**facts, "input": '{"other": 1}'})
        sfn.stop_execution(executionArn=arns.pop())
        with pytest.raises(sfn.exceptions.ExecutionAlreadyExists):
            sfn.start_execution(**facts)


def test_calls_at_the_same_moment_start_a_name_once(aws: LabAws) -> None:
    sfn = aws.client("stepfunctions")
    together = threading.Barrier(8)
    long = json.dumps([{}] * 60_000)  # takes so long to parse that other calls come in between

    def start(name: str) -> None:
        together.wait(LONG_S)
        sfn.start_execution(stateMachineArn=arn, name=name, input=long)

    with machine(aws, {"Wait": asl.wait(600)}) as arn, ThreadPoolExecutor(8) as pool:
        for name in "ABC":
            list(pool.map(start, name * 8))
        listed = wait_for(lambda: sfn.list_executions(stateMachineArn=arn)["executions"], lambda found: len(found) >= 3)
        assert sorted(one["name"] for one in listed) == ["A", "B", "C"]


def test_waits_are_scaled(aws: LabAws) -> None:
    begin = time.monotonic()
    output(aws, {"Wait": asl.wait(30)})
    took_s = time.monotonic() - begin
    assert 30 * SCALE <= took_s < 30


def test_retry_intervals_are_scaled(aws: LabAws) -> None:
    unknown = asl.call("rds:describeGlobalClusters", {"GlobalClusterIdentifier": "unknown"})
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 15, "MaxAttempts": 2, "BackoffRate": 1}
    with machine(aws, {"Ask": {**unknown, "Retry": [retry]}}) as arn:
        begin = time.monotonic()
        execution = aws.ended(aws.client("stepfunctions").start_execution(stateMachineArn=arn)["executionArn"])
    assert execution["status"] == "FAILED"
    assert 30 * SCALE <= time.monotonic() - begin < 30


def test_the_machines_timeout_is_scaled_and_has_a_stop_time(aws: LabAws) -> None:
    sfn = aws.client("stepfunctions")
    with machine(aws, {"Wait": asl.wait(3000)}, timeout_s=20) as arn:
        begin = time.monotonic()
        execution = aws.ended(sfn.start_execution(stateMachineArn=arn)["executionArn"])
        assert time.monotonic() - begin >= 20 * SCALE
        assert execution["status"] == "TIMED_OUT"
        assert execution["stopDate"] >= execution["startDate"]
        wait_for(lambda: "stopDate" in sfn.list_executions(stateMachineArn=arn)["executions"][0])


def test_a_stopped_execution_is_aborted_at_once_with_its_reason(aws: LabAws) -> None:
    sfn = aws.client("stepfunctions")
    with machine(aws, {"Wait": asl.wait(3000)}) as arn:
        started = sfn.start_execution(stateMachineArn=arn)["executionArn"]
        stopped = sfn.stop_execution(executionArn=started, error="Drill", cause="operator said stop")
        execution = aws.ended(started)
        assert (execution["status"], execution["error"], execution["cause"]) == (
            "ABORTED",
            "Drill",
            "operator said stop",
        )
        assert execution["stopDate"] == stopped["stopDate"]
        again = sfn.stop_execution(executionArn=started, error="Other", cause="other")
        assert again["stopDate"] == stopped["stopDate"]
        assert sfn.describe_execution(executionArn=started)["error"] == "Drill"


def test_an_execution_stopped_before_its_first_state_enters_none(aws: LabAws) -> None:
    sfn = aws.client("stepfunctions")
    many = {f"State{number}": asl.give({}) for number in range(300)}  # so long to parse that stopping comes first
    with machine(aws, many) as arn:
        started = sfn.start_execution(stateMachineArn=arn)["executionArn"]
        sfn.stop_execution(executionArn=started)

        def ended() -> list[str]:
            types = [event["type"] for event in sfn.get_execution_history(executionArn=started)["events"]]
            return types if "ExecutionAborted" in types else []

        assert wait_for(ended) == ["ExecutionStarted", "ExecutionAborted"]


def test_history_comes_in_pages_and_in_both_orders(aws: LabAws) -> None:
    sfn = aws.client("stepfunctions")
    with machine(aws, {name: asl.give({}) for name in "ABCD"}) as arn:
        started = sfn.start_execution(stateMachineArn=arn)["executionArn"]
        aws.ended(started)
        whole = sfn.get_execution_history(executionArn=started)["events"]
        pages = list(
            sfn.get_paginator("get_execution_history").paginate(
                executionArn=started, reverseOrder=True, PaginationConfig={"PageSize": 3}
            )
        )
    assert [event["id"] for event in whole] == list(range(1, 11))
    assert [len(page["events"]) for page in pages] == [3, 3, 3, 1]
    assert [event for page in pages for event in page["events"]] == whole[::-1]


def region_proxy(lab: LabAws) -> str:
    listed = lab.client("lambda").list_functions()["Functions"]
    return str(next(one["FunctionArn"] for one in listed if one["FunctionName"].startswith("region-proxy")))


def proxied(lab: LabAws, **event: Any) -> tuple[str | None, Any]:
    """The error's name and the payload of one invocation."""
    response = lab.client("lambda").invoke(FunctionName=region_proxy(lab), Payload=json.dumps(event))
    payload = json.loads(response["Payload"].read())
    return payload["errorType"] if "FunctionError" in response else None, payload


def test_an_error_of_the_region_proxy_fails_the_task(aws: LabAws) -> None:
    asked = {"targetRegion": "us-west-2", "service": "rds", "action": "DescribeGlobalClusters"}
    parameters = {"GlobalClusterIdentifier": "unknown"}
    with machine(aws, {"Ask": asl.invoke(region_proxy(aws), {**asked, "parameters": parameters})}) as arn:
        execution = aws.ended(aws.client("stepfunctions").start_execution(stateMachineArn=arn)["executionArn"])
    assert (execution["status"], execution["error"]) == ("FAILED", "GlobalClusterNotFoundFault")


@pytest.mark.parametrize("action", ["ListTables", "listTables", "list_tables"])
def test_the_region_proxy_calls_the_region_it_is_given(aws: LabAws, action: str) -> None:
    error, payload = proxied(aws, targetRegion="ap-northeast-1", service="dynamodb", action=action, parameters={})
    assert (error, set(payload["TableNames"])) == (None, {aws.plan.home.flag_table, MAIN_TABLE})
    assert payload["$metadata"]["httpStatusCode"] == 200


def test_the_region_proxy_knows_services_by_the_names_of_javascripts_sdk(aws: LabAws) -> None:
    from chaosdrill.lab.aws.region_proxy import SDK_NAMES  # imports moto

    error, payload = proxied(
        aws, targetRegion="ap-northeast-3", service="sfn", action="ListStateMachines", parameters={}
    )
    assert (error, len(payload["stateMachines"]) >= 3) == (None, True)
    names = {
        name: boto3.Session().client(name, region_name="us-east-1").meta.service_model.service_id.hyphenize()
        for name in ("dynamodb", "rds", "cloudwatch", "route53-recovery-cluster", *SDK_NAMES.values())
    }
    assert {SDK_NAMES.get(sdk, sdk): name for name, sdk in names.items()} == {name: name for name in names}


def test_an_operation_that_the_sdk_does_not_have_fails_the_function(aws: LabAws) -> None:
    error, payload = proxied(aws, targetRegion="ap-northeast-1", service="rds", action="MoveEverything", parameters={})
    assert (error, "MoveEverythingCommand" in payload["errorMessage"]) == ("Error", True)


def test_a_function_whose_code_cannot_be_run_is_not_pretended(aws: LabAws) -> None:
    client = aws.client("lambda", "ap-northeast-1")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.invoke(FunctionName="unknown")
