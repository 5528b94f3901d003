"""ECS and CloudWatch alarms of the lab's endpoint: each behaviour of moto's that the lab mends."""

import time
import uuid
from typing import Any

import pytest

from tests.contract.lab_aws import LabAws
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"


def described(lab: LabAws, service: str) -> dict[str, Any]:
    answer = lab.client("ecs", HOME).describe_services(cluster="tokyo-app", services=[service])
    return dict(answer["services"][0])


def counts(lab: LabAws, service: str) -> tuple[int, int, int]:
    one = described(lab, service)
    return one["desiredCount"], one["runningCount"], one["pendingCount"]


def set_count(lab: LabAws, service: str, count: int) -> None:
    """Change a service's desired count, and wait until its tasks have followed."""
    assert counts(lab, service) != (count, count, 0), "nothing would follow, so there is nothing to wait for"
    lab.client("ecs", HOME).update_service(cluster="tokyo-app", service=service, desiredCount=count)
    wait_for(lambda: counts(lab, service) == (count, count, 0))


def test_services_run_from_the_start(aws: LabAws) -> None:
    assert counts(aws, "transaction") == (2, 2, 0)
    assert [one["rolloutState"] for one in described(aws, "transaction")["deployments"]] == ["COMPLETED"]


def test_no_task_stops_the_application_and_one_starts_it(aws: LabAws) -> None:
    for count in (0, 1, 2):
        set_count(aws, "transaction", count)
    told = [(call["region"], call["running"]) for call in aws.supervisor.asked("application.run")]
    assert told == [(HOME, False), (HOME, True), (HOME, True)]


def test_it_runs_only_while_each_of_its_services_does(aws: LabAws) -> None:
    set_count(aws, "balance", 0)
    set_count(aws, "count", 1)
    set_count(aws, "balance", 2)
    set_count(aws, "count", 2)
    assert [call["running"] for call in aws.supervisor.asked("application.run")] == [False, False, True, True]


def test_tasks_that_do_not_start_are_not_counted(aws: LabAws) -> None:
    set_count(aws, "transaction", 0)
    aws.supervisor.refuse["application.run"] = "it does not start"
    aws.client("ecs", HOME).update_service(cluster="tokyo-app", service="transaction", desiredCount=2)
    wait_for(lambda: len(aws.supervisor.asked("application.run")) == 2)
    assert counts(aws, "transaction") == (2, 0, 2)
    del aws.supervisor.refuse["application.run"]
    set_count(aws, "transaction", 2)


def test_another_cluster_is_none_of_the_applications(aws: LabAws) -> None:
    ecs, name = aws.client("ecs", HOME), f"other-{uuid.uuid4().hex[:6]}"
    ecs.create_cluster(clusterName=name)
    container = {"name": "x", "image": "x", "memory": 64}
    ecs.register_task_definition(family="x", containerDefinitions=[container])
    ecs.create_service(cluster=name, serviceName="transaction", taskDefinition="x", desiredCount=1)
    ecs.update_service(cluster=name, service="transaction", desiredCount=0)
    set_count(aws, "count", 1)  # requests before this one have been carried out
    assert [call["region"] for call in aws.supervisor.asked("application.run")] == [HOME]
    set_count(aws, "count", 2)


def alarm_on(lab: LabAws, metric: str) -> str:
    name = f"alarm-{uuid.uuid4().hex[:6]}"
    lab.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="Tests",
        MetricName=metric,
        Statistic="Average",
        Period=60,  # at the smallest scale a second
        EvaluationPeriods=2,
        Threshold=100.0,
        ComparisonOperator="LessThanThreshold",
    )
    return name


def state(lab: LabAws, alarm: str) -> str:
    return str(lab.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["StateValue"])


def publish_until(lab: LabAws, metric: str, value: float, alarm: str, wanted: str) -> None:
    """Data several times a period, as long as it takes."""
    end = time.monotonic() + LONG_S
    while state(lab, alarm) != wanted:
        assert time.monotonic() < end, f"{alarm} is {state(lab, alarm)}, not {wanted}"
        data = [{"MetricName": metric, "Value": value, "Unit": "Percent"}]
        lab.client("cloudwatch").put_metric_data(Namespace="Tests", MetricData=data)


def test_alarms_follow_their_metric(aws: LabAws) -> None:
    alarm = alarm_on(aws, "followed")
    publish_until(aws, "followed", 0.0, alarm, "ALARM")
    publish_until(aws, "followed", 100.0, alarm, "OK")
    wait_for(lambda: state(aws, alarm) == "INSUFFICIENT_DATA")  # nobody publishes any more


def test_an_alarm_without_data_is_left_as_it_was_set(aws: LabAws) -> None:
    cloudwatch, alarm, other = aws.client("cloudwatch"), alarm_on(aws, "silent"), alarm_on(aws, "heard")
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="by hand")
    publish_until(aws, "heard", 0.0, other, "ALARM")  # alarms have been evaluated since
    assert state(aws, alarm) == "ALARM"
