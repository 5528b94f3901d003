"""The reference's state machines on the lab's endpoint: what they do, in which order, and what follows from it."""

import json
import socket
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.contract.lab_aws import SCALE, LabAws, get
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
STATES = [
    "ParseInput",
    "SelectEndpoint",
    "StopSource",
    "WaitForParameterPropagation",
    "SwitchRoute53Arc",
    "SwitchOver",
    "DescribeGlobalCluster",
    "IsClusterAvailable?",
    "Wait Polling",
    "StartDestination",
]


def flag(lab: LabAws, region: str) -> str:
    table = lab.topology["stop_flag"]["tables"][region]
    item = lab.client("dynamodb", region).get_item(TableName=table, Key={"PK": {"S": "stopFlag"}})["Item"]
    return str(item["value"]["S"])


def routing(lab: LabAws) -> dict[str, str]:
    topology = lab.topology["routing"]
    endpoint = topology["cluster_endpoints"][2]
    client = lab.client("route53-recovery-cluster", endpoint["region"], endpoint["url"])
    return {
        region: client.get_routing_control_state(RoutingControlArn=arn)["RoutingControlState"]
        for region, arn in topology["controls"].items()
    }


def writer(lab: LabAws) -> str:
    found = lab.client("rds").describe_global_clusters(GlobalClusterIdentifier="chaosdrill-global")["GlobalClusters"]
    return str(next(m["DBClusterArn"] for m in found[0]["GlobalClusterMembers"] if m["IsWriter"]).split(":")[3])


def answers(lab: LabAws, over: Any) -> set[str]:
    query = dns.message.make_query("api.example.com", "A")
    reply = over(query, "127.0.0.1", port=lab.plan.dns_port, timeout=LONG_S)
    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.answer[0].ttl == lab.plan.ttl_s
    return {record.address for record in reply.answer[0]}


def serving(lab: LabAws) -> tuple[str, str, dict[str, str], str, set[str], set[str]]:
    """Everything that makes a region serve."""
    over_udp, over_tcp = answers(lab, dns.query.udp), answers(lab, dns.query.tcp)
    return flag(lab, HOME), flag(lab, STANDBY), routing(lab), writer(lab), over_udp, over_tcp


def in_order(names: list[str]) -> list[str]:
    """Each state once, in the order they were first entered: how often it polls depends on the swap."""
    return list(dict.fromkeys(names))


def entered(lab: LabAws, execution: dict[str, Any]) -> list[str]:
    pages = lab.client("stepfunctions").get_paginator("get_execution_history")
    events = pages.paginate(executionArn=execution["executionArn"]).search("events[]")
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def test_failover_then_failback_move_everything_there_and_back(aws: LabAws) -> None:
    home_addresses, standby_addresses = (set(region.load_balancer_addresses) for region in aws.plan.regions)
    at_home = ("false", "true", {HOME: "On", STANDBY: "Off"}, HOME, home_addresses, home_addresses)
    at_standby = ("true", "false", {HOME: "Off", STANDBY: "On"}, STANDBY, standby_addresses, standby_addresses)
    assert serving(aws) == at_home

    there = aws.run_machine("FailoverStateMachine")
    assert (there["status"], in_order(entered(aws, there))) == ("SUCCEEDED", STATES)
    assert serving(aws) == at_standby

    back = aws.run_machine("FailbackStateMachine")
    assert (back["status"], in_order(entered(aws, back))) == ("SUCCEEDED", STATES)
    assert serving(aws) == at_home
    assert aws.supervisor.calls == [
        ("database.switchover", {"to_region": STANDBY}),
        ("database.switchover", {"to_region": HOME}),
    ]


def test_without_any_cluster_endpoint_the_failover_stops_with_both_regions_closed(aws: LabAws) -> None:
    endpoints = [one["region"] for one in aws.topology["routing"]["cluster_endpoints"]]
    for region in endpoints:
        get(f"{aws.url}/chaosdrill/arc-endpoints/{region}", {"impaired": True}, "PUT")
    try:
        execution = aws.run_machine("FailoverStateMachine")
    finally:
        for region in endpoints:
            get(f"{aws.url}/chaosdrill/arc-endpoints/{region}", {"impaired": False}, "PUT")
    assert execution["status"] == "FAILED"
    assert "unavailable" in json.loads(execution["cause"])["errorMessage"]
    assert entered(aws, execution)[-1] == "SwitchRoute53Arc"
    assert (flag(aws, HOME), flag(aws, STANDBY), writer(aws)) == ("true", "true", HOME)

    item = {"PK": {"S": "stopFlag"}, "value": {"S": "false"}}
    aws.client("dynamodb", HOME).put_item(TableName=aws.plan.home.flag_table, Item=item)


def set_alarm(lab: LabAws, region: str, state: str) -> None:
    lab.client("cloudwatch", region).set_alarm_state(
        AlarmName=f"canaryAlerm-{region}", StateValue=state, StateReason="t"
    )


def executions(lab: LabAws, prefix: str, status: str | None = None) -> list[dict[str, Any]]:
    chosen = {"statusFilter": status} if status else {}
    listed = lab.client("stepfunctions").list_executions(stateMachineArn=lab.machine(prefix), **chosen)
    return list(listed["executions"])


def test_alarms_in_both_places_start_a_failover_by_themselves(aws: LabAws) -> None:
    rule = aws.client("events")
    before, initiated_before = (
        {one["executionArn"] for one in executions(aws, name)}
        for name in ("FailoverStateMachine", "FailoverInitiatorStateMachine")
    )

    def initiating() -> list[str]:
        arns = (one["executionArn"] for one in executions(aws, "FailoverInitiatorStateMachine"))
        return [arn for arn in arns if arn not in initiated_before]

    rule.enable_rule(Name="start-failover-on-alarm")
    try:
        set_alarm(aws, "us-west-2", "ALARM")
        set_alarm(aws, STANDBY, "ALARM")
        initiated = aws.ended(wait_for(initiating)[0])
    finally:
        rule.disable_rule(Name="start-failover-on-alarm")
        for region in ("us-west-2", STANDBY):
            set_alarm(aws, region, "OK")
    assert initiated["status"] == "SUCCEEDED", initiated.get("cause")
    started = wait_for(
        lambda: [one for one in executions(aws, "FailoverStateMachine") if one["executionArn"] not in before]
    )
    assert len(started) == 1
    assert aws.ended(started[0]["executionArn"])["status"] == "SUCCEEDED"
    assert writer(aws) == STANDBY
    assert aws.run_machine("FailbackStateMachine")["status"] == "SUCCEEDED"


def test_one_alarm_alone_starts_nothing(aws: LabAws) -> None:
    initiator = aws.run_machine("FailoverInitiatorStateMachine")
    assert (initiator["status"], initiator["error"]) == ("FAILED", "NotBothInAlarm")
    assert Counter(entered(aws, initiator))["Wait Alarms"] == 9


def test_no_failover_is_initiated_while_one_runs(aws: LabAws) -> None:
    sfn = aws.client("stepfunctions")
    with aws.supervisor.writer_held():
        running = sfn.start_execution(stateMachineArn=aws.machine("FailoverStateMachine"))["executionArn"]
        wait_for(lambda: executions(aws, "FailoverStateMachine", "RUNNING"))
        initiator = aws.run_machine("FailoverInitiatorStateMachine")
    assert (initiator["status"], initiator["error"]) == ("FAILED", "AlreadyMoving")
    assert aws.ended(running)["status"] == "SUCCEEDED"
    assert aws.run_machine("FailbackStateMachine")["status"] == "SUCCEEDED"


def test_a_disabled_rule_starts_nothing(aws: LabAws) -> None:
    assert aws.client("events").describe_rule(Name="start-failover-on-alarm")["State"] == "DISABLED"
    before = len(executions(aws, "FailoverInitiatorStateMachine"))
    for state in ("ALARM", "OK"):
        set_alarm(aws, STANDBY, state)  # starting an execution would be done before this answers
    aws.become_consistent()
    assert len(executions(aws, "FailoverInitiatorStateMachine")) == before


@pytest.mark.parametrize("service", ["transaction", "balance", "count"])
def test_services_have_a_desired_count(aws: LabAws, service: str) -> None:
    ecs = aws.client("ecs", HOME)
    described = ecs.describe_services(cluster="tokyo-app", services=[service])["services"]
    assert [one["desiredCount"] for one in described] == [2]


def test_the_client_host_and_the_load_balancers_are_there(aws: LabAws) -> None:
    topology = aws.topology
    named = [{"Name": "tag:Name", "Values": ["BastionHost"]}]
    instance = aws.client("ec2", HOME).describe_instances(Filters=named)["Reservations"][0]["Instances"][0]
    assert instance["InstanceId"] == topology["client"]["instance_id"]
    assert instance["PrivateIpAddress"] == aws.plan.client_address
    for region, balancer in topology["load_balancers"].items():
        found = aws.client("elbv2", region).describe_load_balancers(LoadBalancerArns=[balancer["arn"]])
        assert found["LoadBalancers"][0]["State"]["Code"] == "active"


def test_dns_sockets_are_udp_and_tcp_on_one_port(aws: LabAws) -> None:
    with socket.create_connection(("127.0.0.1", aws.plan.dns_port), timeout=LONG_S) as connection:
        assert connection.getpeername()[1] == aws.topology["dns"]["port"]


def test_a_metric_is_listed_some_time_after_its_first_value_and_known_at_once(aws: LabAws) -> None:
    client = aws.client("cloudwatch", STANDBY)
    named = {"Namespace": "Test", "MetricName": f"young-{time.monotonic_ns()}"}
    value = {"MetricName": named["MetricName"], "Value": 1.0}
    begin = time.monotonic()
    client.put_metric_data(Namespace="Test", MetricData=[value])
    now = datetime.now(UTC)
    span = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}
    assert client.get_metric_statistics(**named, **span, Period=60, Statistics=["Maximum"])["Datapoints"]
    wait_for(lambda: client.list_metrics(**named)["Metrics"])
    assert time.monotonic() - begin >= 900 * SCALE
