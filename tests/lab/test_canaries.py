"""ECS desired count, canaries and alarms of the running lab: what takes a service away is noticed from both places."""

from typing import Any

import pytest

from chaosdrill.aws import system_of
from tests.running_lab import RunningLab
from tests.waiting import wait_for

HOME, STANDBY, OBSERVER = "ap-northeast-1", "ap-northeast-3", "us-west-2"
SERVICE = {"cluster": "tokyo-app", "service": "transaction"}


def client(lab: RunningLab, service: str, region: str) -> Any:
    return system_of({"topology": str(lab.home / "lab" / "topology.yaml")}).client(service, region)


def alarm(lab: RunningLab, region: str) -> str:
    described = client(lab, "cloudwatch", region).describe_alarms(AlarmNames=[f"canaryAlerm-{region}"])
    return str(described["MetricAlarms"][0]["StateValue"])


def counts(lab: RunningLab) -> tuple[int, int]:
    described = client(lab, "ecs", HOME).describe_services(cluster="tokyo-app", services=["transaction"])["services"]
    return described[0]["desiredCount"], described[0]["runningCount"]


@pytest.fixture(autouse=True)
def restored(lab: RunningLab):
    yield
    client(lab, "ecs", HOME).update_service(**SERVICE, desiredCount=2)
    wait_for(lambda: counts(lab), lambda seen: seen == (2, 2), "the service to run again")
    for region in (STANDBY, OBSERVER):
        wait_for(lambda region=region: alarm(lab, region), lambda state: state == "OK", "the alarm to be OK")


@pytest.mark.long
def test_both_alarms_go_off_while_the_service_has_no_task_and_end_when_it_is_back(lab):
    for region in (STANDBY, OBSERVER):
        wait_for(lambda region=region: alarm(lab, region), lambda state: state == "OK", "the alarm to be OK")
    assert lab.on_client("curl", "-sf", "http://api.example.com/health").stdout == "ok"
    client(lab, "ecs", HOME).update_service(**SERVICE, desiredCount=0)
    wait_for(lambda: counts(lab), lambda seen: seen == (0, 0), "the tasks to end")
    assert lab.on_client("curl", "-sf", "http://api.example.com/health", check=False).returncode != 0
    assert "desired" in lab.status()["parts"]["application-tokyo"]["trouble"]
    for region in (STANDBY, OBSERVER):
        wait_for(lambda region=region: alarm(lab, region), lambda state: state == "ALARM", "the alarm to go off")
    metrics = client(lab, "cloudwatch", OBSERVER).list_metrics(Namespace="CloudWatchSynthetics")["Metrics"]
    assert {one["MetricName"] for one in metrics} <= {"SuccessPercent"}, "a young metric is not listed yet"
    executions = client(lab, "stepfunctions", STANDBY)
    machines = {one["name"]: one["stateMachineArn"] for one in executions.list_state_machines()["stateMachines"]}
    initiator = next(arn for name, arn in machines.items() if name.startswith("FailoverInitiator"))
    assert executions.list_executions(stateMachineArn=initiator)["executions"] == []  # the rule is disabled


@pytest.mark.long
def test_a_count_that_is_put_back_at_once_ends_with_the_service_running(lab):
    client(lab, "ecs", HOME).update_service(**SERVICE, desiredCount=0)
    client(lab, "ecs", HOME).update_service(**SERVICE, desiredCount=2)  # before the first has been carried out
    asked = ("curl", "-sf", "http://api.example.com/health")
    wait_for(lambda: lab.on_client(*asked, check=False).stdout, lambda said: said == "ok", "the service to answer")
    assert counts(lab) == (2, 2)
