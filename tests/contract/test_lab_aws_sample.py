"""State machines in the form of the public sample, loaded into the lab as its CDK code deploys them: with functions of
their own, and the initiator that asks two more.

:source: https://github.com/aws-samples/baseline-environment-on-aws-for-financial-services-institute
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.lab.aws.machines import Move, MoveRegion
from tests.contract import lab_aws
from tests.contract.documented_responses import model_of
from tests.contract.lab_aws import LabAws
from tests.contract.service_models import violations
from tests.waiting import wait_for

pytestmark = pytest.mark.long

TOKYO, OSAKA, OREGON = "ap-northeast-1", "ap-northeast-3", "us-west-2"
RETRY = [{"ErrorEquals": ["Lambda.ServiceException"], "IntervalSeconds": 2, "MaxAttempts": 6, "BackoffRate": 2}]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabAws]:
    """A lab whose three machines were replaced by those of somebody's CDK stack."""
    with lab_aws.running(Path(tmp_path_factory.mktemp("sample"))) as one:
        sides = {region: side_of(one, region) for region in (TOKYO, OSAKA)}
        for name, source, destination in (
            ("FailoverStateMachine", TOKYO, OSAKA),
            ("FailbackStateMachine", OSAKA, TOKYO),
        ):
            routing = one.topology["routing"]["cluster_endpoints"]
            endpoints = [{"Region": endpoint["region"], "Endpoint": endpoint["url"]} for endpoint in routing]
            proxy = function(one, f"CoreBanking-{name}ProxyHandler80919BBC-Kq3")
            cluster = one.topology["database"]["global_cluster"]
            move = Move(sides[source], sides[destination], proxy, endpoints, cluster)
            replace(one, name, move.definition())
        replace(one, "FailoverInitiatorStateMachine", json.dumps(initiator(one)))
        yield one


def side_of(lab: LabAws, region: str) -> MoveRegion:
    topology = lab.topology
    table, control = topology["stop_flag"]["tables"][region], topology["routing"]["controls"][region]
    return MoveRegion(region, table, control, topology["database"]["clusters"][region])


def function(lab: LabAws, name: str) -> str:
    made = lab.client("lambda").create_function(
        FunctionName=name,
        Runtime="nodejs20.x",
        Role=lab.client("iam").list_roles()["Roles"][0]["Arn"],
        Handler="index.handler",
        Code={"ZipFile": b"a bundle of JavaScript"},
    )
    return str(made["FunctionArn"])


def replace(lab: LabAws, name: str, definition: str) -> None:
    lab.client("stepfunctions").update_state_machine(stateMachineArn=lab.machine(name), definition=definition)


def initiator(lab: LabAws) -> dict[str, Any]:
    """It invokes its functions by their ARN, and starts the failover through Step Functions' own integration."""
    functions = {one["FunctionName"]: one["FunctionArn"] for one in lab.client("lambda").list_functions()["Functions"]}
    task = {"Type": "Task", "Retry": RETRY}
    alarms = {"Variable": "$.alarmResult.bothInAlarm", "BooleanEquals": True, "Next": "InvokeFailoverStateMachine"}
    start = {
        "StateMachineArn": lab.machine("FailoverStateMachine"),
        "Input": {"triggeredBy": "AlarmMonitor", "alarmResult.$": "$.alarmResult"},
    }
    states = {
        "CheckRunningStatus": {
            **task,
            "Resource": functions["check_running_status"],
            "ResultPath": "$.check",
            "Next": "AreBothIdle",
        },
        "AreBothIdle": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.check.bothIdle", "BooleanEquals": True, "Next": "Initialize"}],
            "Default": "ExitWithoutTrigger",
        },
        "ExitWithoutTrigger": {"Type": "Fail", "Error": "ConcurrentExecutionDetected", "Cause": "one is running"},
        "Initialize": {"Type": "Pass", "Result": 0, "ResultPath": "$.retryCount", "Next": "CheckAlarms"},
        "CheckAlarms": {
            **task,
            "Resource": functions["check_two_region_alarms"],
            "ResultPath": "$.alarmResult",
            "Next": "AlarmCheckChoice",
        },
        "AlarmCheckChoice": {"Type": "Choice", "Choices": [alarms], "Default": "Wait10Seconds"},
        "Wait10Seconds": {"Type": "Wait", "Seconds": 10, "Next": "IncrementRetry"},
        "IncrementRetry": {
            "Type": "Pass",
            "Parameters": {"retryCount.$": "States.MathAdd($.retryCount, 1)"},
            "Next": "RetryCheck",
        },
        "RetryCheck": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.retryCount", "NumericLessThanEquals": 10, "Next": "CheckAlarms"}],
            "Default": "GiveUp",
        },
        "GiveUp": {"Type": "Fail", "Error": "MaxRetriesExceeded", "Cause": "not both in ALARM"},
        "InvokeFailoverStateMachine": {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution",
            "Parameters": start,
            "End": True,
        },
    }
    return {"StartAt": "CheckRunningStatus", "States": states, "TimeoutSeconds": 1800}


def writer(lab: LabAws) -> str:
    members = lab.client("rds").describe_global_clusters()["GlobalClusters"][0]["GlobalClusterMembers"]
    return str(next(one["DBClusterArn"] for one in members if one["IsWriter"]).split(":")[3])


def set_alarms(lab: LabAws, state: str) -> None:
    for region in (OSAKA, OREGON):
        client = lab.client("cloudwatch", region)
        for alarm in client.describe_alarms()["MetricAlarms"]:
            client.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=state, StateReason="test")


def test_they_fail_over_and_back(lab: LabAws) -> None:
    for name, region in (("FailoverStateMachine", OSAKA), ("FailbackStateMachine", TOKYO)):
        execution = lab.run_machine(name)
        assert execution["status"] == "SUCCEEDED", execution.get("cause")
        output = json.loads(execution["output"])
        assert output["StartDestination"]["Payload"]["$metadata"]["httpStatusCode"] == 200
        assert output["SwitchOver"]["Payload"]["GlobalCluster"]["Status"] == "switching-over"
        assert writer(lab) == region


def test_their_switchover_is_called_in_the_region_that_is_entered(lab: LabAws) -> None:
    regions = [
        call["region"]
        for call in lab_aws.get(f"{lab.url}/chaosdrill/calls?since=0")[1]["calls"]
        if call["operation"] == "FailoverGlobalCluster"
    ]
    assert regions == [OSAKA, TOKYO]


def test_the_initiator_gives_up_without_alarms_and_starts_one_with_both(lab: LabAws) -> None:
    gave_up = lab.run_machine("FailoverInitiatorStateMachine")
    assert (gave_up["status"], gave_up["error"]) == ("FAILED", "MaxRetriesExceeded")
    set_alarms(lab, "ALARM")
    started = lab.run_machine("FailoverInitiatorStateMachine")
    assert started["status"] == "SUCCEEDED", started.get("cause")
    failover = json.loads(started["output"])["ExecutionArn"]
    wait_for(lambda: lab.client("stepfunctions").describe_execution(executionArn=failover)["status"] == "SUCCEEDED")
    assert writer(lab) == OSAKA


def test_a_function_of_another_name_is_not_pretended(lab: LabAws) -> None:
    arn = function(lab, "SomebodyElses")
    client = lab.client("lambda")
    with pytest.raises(client.exceptions.ClientError, match="NotImplementedByLab"):
        client.invoke(FunctionName=arn, Payload=b"{}")


def test_what_the_machines_ask_the_region_proxy_for_is_as_the_models_say(lab: LabAws) -> None:
    sfn = lab.client("stepfunctions")
    for name in ("FailoverStateMachine", "FailbackStateMachine"):
        definition = json.loads(sfn.describe_state_machine(stateMachineArn=lab.machine(name))["definition"])
        states = definition["States"].values()
        payloads = [state["Parameters"]["Payload"] for state in states if "Payload" in state.get("Parameters", {})]
        assert len(payloads) == 4
        for payload in payloads:
            shape = model_of((payload["service"], payload["action"])).input_shape
            assert list(violations(shape, payload["parameters"])) == []
