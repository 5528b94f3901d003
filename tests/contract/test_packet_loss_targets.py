"""On which host packets are lost, what stops the fault by itself, and whose share of the connections it takes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chaosdrill.aws import system_of
from chaosdrill.history import OpenDrill
from chaosdrill.packet_loss.actions import heal_packet_loss, inject_packet_loss
from chaosdrill.packet_loss.alarms import stop_alarms
from chaosdrill.packet_loss.probes import fault_state
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.failing import fails_with
from tests.waiting import wait_for

pytestmark = pytest.mark.long

ADDRESSES = "10.100.5.165,10.100.9.84"
ALARM = "too-many-errors"


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


@pytest.fixture
def alarm(rig: Rig) -> Iterator[str]:
    """An alarm that is OK; its ARN."""
    client = rig.lab.client("cloudwatch", TOKYO)
    facts = {"Namespace": "Test", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
    comparison = {"Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    client.put_metric_alarm(AlarmName=ALARM, **facts, **comparison)
    client.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="test")
    yield str(client.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]["AlarmArn"])
    client.delete_alarms(AlarmNames=[ALARM])


@pytest.fixture
def hosts(rig: Rig) -> Iterator[list[str]]:
    """Two further instances that look alike, without SSM's agent."""
    client = rig.lab.client("ec2", TOKYO)
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "worker"}, {"Key": "stage", "Value": "t"}]}]
    image = client.describe_instances()["Reservations"][0]["Instances"][0]["ImageId"]
    made = client.run_instances(ImageId=image, MinCount=2, MaxCount=2, TagSpecifications=tags)["Instances"]
    ids = sorted(one["InstanceId"] for one in made)
    yield ids
    client.terminate_instances(InstanceIds=ids)


def inject(rig: Rig, **arguments: Any) -> dict[str, Any]:
    done: dict[str, Any] = inject_packet_loss(**{"sources": ADDRESSES, **arguments}, configuration=rig.configuration)
    return done


def template_of(rig: Rig, done: dict[str, Any]) -> dict[str, Any]:
    found = rig.lab.client("fis", TOKYO).get_experiment_template(id=done["template_id"])
    return dict(found["experimentTemplate"])


class TestHost:
    def test_the_one_that_has_the_tags(self, rig: Rig, one_drill: OpenDrill) -> None:
        bastion = rig.lab.topology["client"]["instance_id"]
        by_tag = inject(rig, instance_tags={"Name": "BastionHost"})
        assert (by_tag["instance_id"], by_tag["region"]) == (bastion, TOKYO)
        targets = template_of(rig, by_tag)["targets"]
        assert targets["Instances-Target-1"]["resourceArns"] == [
            f"arn:aws:ec2:{TOKYO}:{rig.lab.plan.account}:instance/{bastion}"
        ]
        heal_packet_loss(configuration=rig.configuration)
        assert inject(rig, instance_id=bastion, region="home")["template_id"] == by_tag["template_id"], "the same host"

    @pytest.mark.parametrize(
        ("asked", "codes"),
        [
            ({"instance_tags": {"Name": "nobody"}}, ["fault-target-missing"]),
            ({"instance_tags": {"Name": "worker", "stage": "t"}}, ["fault-target-ambiguous"]),
            ({"region": "standby"}, ["fault-target-not-running", "ssm-agent-offline"]),
            ({"instance_tags": {"Name": "BastionHost"}, "region": OSAKA}, ["fault-target-missing"]),
            ({"region": "nagoya"}, ["region-unknown"]),
        ],
    )
    def test_nobody_or_several_are_refused(
        self, rig: Rig, hosts: list[str], asked: dict[str, Any], codes: list[str]
    ) -> None:
        with fails_with(*codes):
            inject(rig, **asked)

    def test_one_that_is_down_and_has_no_agent_is_refused_for_both(self, rig: Rig, hosts: list[str]) -> None:
        client = rig.lab.client("ec2", TOKYO)
        client.create_tags(Resources=hosts[:1], Tags=[{"Key": "role", "Value": "first"}])
        client.stop_instances(InstanceIds=hosts[:1])
        with fails_with("fault-target-not-running", "ssm-agent-offline"):
            inject(rig, instance_tags={"role": "first"})

    def test_wrong_arguments_are_told_with_all_the_others(self, rig: Rig) -> None:
        wrong: dict[str, Any] = {"instance_tags": {}, "flows_percent": 0}
        invalid = "argument-invalid"
        with fails_with(invalid, "source-not-an-address", invalid):
            inject(rig, sources="api.example.com", **wrong)
        with fails_with(invalid):
            inject(rig, stop_condition_alarms="x")
        with fails_with("argument-invalid"):
            inject(rig, instance_id="i-0123456789abcdef0", instance_tags={"Name": "BastionHost"})


class TestStopConditions:
    def test_an_alarm_stops_the_fault(self, rig: Rig, one_drill: OpenDrill, alarm: str) -> None:
        done = inject(rig, stop_condition_alarms=[ALARM])
        stops = template_of(rig, done)["stopConditions"]
        assert stops == [{"source": "aws:cloudwatch:alarm", "value": alarm}]
        rig.lab.client("cloudwatch", TOKYO).set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")
        wait_for(lambda: fault_state(configuration=rig.configuration) == "stopped")
        experiment = rig.lab.client("fis", TOKYO).get_experiment(id=done["experiment_id"])["experiment"]
        assert "condition" in experiment["state"]["reason"]
        assert rig.lab.supervisor.asked("packet_loss.heal"), "and its packets are not lost any more"

    def test_by_arn_it_is_the_same_template_and_without_it_another(
        self, rig: Rig, one_drill: OpenDrill, alarm: str
    ) -> None:
        templates = []
        for alarms in ([ALARM], [alarm], None):
            templates.append(inject(rig, stop_condition_alarms=alarms)["template_id"])
            heal_packet_loss(configuration=rig.configuration)
        assert templates[0] == templates[1] != templates[2]

    def test_a_composite_alarm_is_found_too(self, rig: Rig, alarm: str) -> None:
        """DescribeAlarms leaves them out when their kind is not named."""
        client = rig.lab.client("cloudwatch", TOKYO)
        client.put_composite_alarm(AlarmName="both", AlarmRule=f'ALARM("{ALARM}")')
        client.set_alarm_state(AlarmName="both", StateValue="OK", StateReason="test")
        try:
            arns, problems = stop_alarms(system_of(rig.configuration), ["both", ALARM], TOKYO)
        finally:
            client.delete_alarms(AlarmNames=["both"])
        assert ([arn.rpartition(":")[2] for arn in arns], problems) == (["both", ALARM], [])

    def test_alarms_that_would_spoil_it_are_refused(self, rig: Rig, alarm: str) -> None:
        rig.lab.client("cloudwatch", TOKYO).set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")
        elsewhere = alarm.replace(TOKYO, OSAKA)
        with fails_with("alarm-in-other-region", "alarm-missing", "alarm-in-alarm"):
            inject(rig, stop_condition_alarms=["nobody", ALARM, elsewhere])
        with fails_with("argument-invalid"):
            inject(rig, stop_condition_alarms=["arn:aws:sns:ap-northeast-1:123456789012:topic"])


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"flows_percent": 40}, {"FlowsPercent": "40"}),
        ({"interface": "eth7"}, {"Interface": "eth7"}),
    ],
)
def test_what_the_lab_cannot_do_it_says(
    rig: Rig, one_drill: OpenDrill, asked: dict[str, Any], parameter: dict[str, str]
) -> None:
    with fails_with("fault-not-started") as refused:
        inject(rig, **asked)
    assert all(name in str(refused.value) and value in str(refused.value) for name, value in parameter.items())
    experiment = one_drill.history.events("fault-started")[-1]["experiment"]
    actions = rig.lab.client("fis", TOKYO).get_experiment(id=experiment)["experiment"]["actions"]
    written = json.loads(actions["Run-Network-Packet-Loss"]["parameters"]["documentParameters"])
    assert parameter.items() <= written.items()
