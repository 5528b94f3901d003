"""FIS: each behaviour of moto's that the lab mends."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.lab_aws import SCALE, LabAws, get, running
from tests.waiting import wait_for

pytestmark = pytest.mark.long

HOME = "ap-northeast-1"
DOCUMENT = f"arn:aws:ssm:{HOME}::document/AWSFIS-Run-Network-Packet-Loss-Sources"
ADDRESSES = "10.100.5.165,10.100.9.84"


def parameters(**changed: str) -> dict[str, str]:
    given = {"LossPercent": "30", "Sources": ADDRESSES, "TrafficType": "ingress", "DurationSeconds": "1800"}
    return {**given, "InstallDependencies": "True", **changed}


def template(lab: LabAws, duration: str = "PT30M", target: Any = None, **document: str) -> str:
    """The runbook's own experiment template."""
    bastion = f"arn:aws:ec2:{HOME}:{lab.plan.account}:instance/{lab.topology['client']['instance_id']}"
    chosen = target or {"resourceArns": [bastion]}
    made = lab.client("fis", HOME).create_experiment_template(
        description="packet loss",
        stopConditions=[{"source": "none"}],
        targets={"Instances-Target-1": {"resourceType": "aws:ec2:instance", "selectionMode": "ALL", **chosen}},
        actions={
            "Run-Network-Packet-Loss": {
                "actionId": "aws:ssm:send-command",
                "parameters": {
                    "documentArn": DOCUMENT,
                    "documentParameters": json.dumps(parameters(**document), separators=(",", ":")),
                    "duration": duration,
                },
                "targets": {"Instances": "Instances-Target-1"},
            }
        },
        roleArn=f"arn:aws:iam::{lab.plan.account}:role/fis-experiments",
        tags={"Name": "exp-packetloss"},
    )
    return str(made["experimentTemplate"]["id"])


def start(lab: LabAws, template_id: str, **options: Any) -> str:
    started = lab.client("fis", HOME).start_experiment(experimentTemplateId=template_id, **options)["experiment"]
    return str(started["id"])


def experiment(lab: LabAws, experiment_id: str) -> dict[str, Any]:
    return dict(lab.client("fis", HOME).get_experiment(id=experiment_id)["experiment"])


def reached(lab: LabAws, experiment_id: str, *states: str) -> dict[str, Any]:
    def look() -> Any:
        found = experiment(lab, experiment_id)
        return found if found["state"]["status"] in states else None

    return dict(wait_for(look))


def action_status(found: dict[str, Any]) -> str:
    return str(found["actions"]["Run-Network-Packet-Loss"]["state"]["status"])


def in_force(lab: LabAws, experiment_id: str) -> None:
    """Packets are lost, which as on AWS is some time after the action runs."""
    wait_for(lambda: action_status(experiment(lab, experiment_id)) == "running")
    wait_for(lambda: lab.supervisor.asked("packet_loss.inject"))


def test_it_injects_what_the_document_says_and_stopping_heals(aws: LabAws) -> None:
    running = start(aws, template(aws))
    in_force(aws, running)
    (injected,) = aws.supervisor.asked("packet_loss.inject")
    assert injected == {
        "id": injected["id"],
        "percent": 30.0,
        "sources": ADDRESSES.split(","),
        "traffic_type": "ingress",
        "duration_s": 1800 * SCALE,
    }
    fis = aws.client("fis", HOME)
    assert fis.stop_experiment(id=running)["experiment"]["state"]["status"] in ("stopping", "stopped")
    stopped = reached(aws, running, "stopped")
    assert action_status(stopped) == "stopped"
    assert aws.supervisor.asked("packet_loss.heal") == [{"id": injected["id"]}]
    assert fis.stop_experiment(id=running)["experiment"]["state"]["status"] == "stopped"
    assert len(aws.supervisor.asked("packet_loss.heal")) == 1


def test_the_action_is_called_running_before_the_document_has_installed_what_it_needs(
    tmp_path: Path, aws: LabAws
) -> None:
    with running(tmp_path, scale=1.0) as young:  # ten seconds to install
        started = start(young, template(young, duration="PT1M"))
        wait_for(lambda: action_status(experiment(young, started)) == "running")
        assert young.supervisor.asked("packet_loss.inject") == []
        (invocation,) = young.client("ssm", HOME).list_command_invocations(Details=True)["CommandInvocations"]
        assert [step["Status"] for step in invocation["CommandPlugins"]] == ["InProgress", "Pending"]
        young.client("fis", HOME).stop_experiment(id=started)
        reached(young, started, "stopped")
        assert young.supervisor.calls == [], "it was stopped before it acted"


def test_the_first_experiment_of_an_account_needs_the_caller_s_permission(tmp_path: Path) -> None:
    with running(tmp_path) as young:
        made, fis, iam = template(young), young.client("fis", HOME), young.client("iam")
        iam.delete_role(RoleName="AWSServiceRoleForFIS")
        denied = {"service": "iam", "kind": "denied", "operation": "CreateServiceLinkedRole"}
        get(f"{young.url}/chaosdrill/faults", denied, "PUT")
        with pytest.raises(ClientError, match=r"AccessDenied.*iam:CreateServiceLinkedRole"):
            start(young, made)
        assert fis.list_experiments()["experiments"] == []
        get(f"{young.url}/chaosdrill/faults", method="DELETE")
        start(young, made)
        path = iam.get_role(RoleName="AWSServiceRoleForFIS")["Role"]["Path"]
        assert path == "/aws-service-role/fis.amazonaws.com/"
        get(f"{young.url}/chaosdrill/faults", denied, "PUT")
        start(young, made)  # it is there
        calls = get(f"{young.url}/chaosdrill/calls")[1]["calls"]
        assert [one["status"] for one in calls if one["operation"] == "CreateServiceLinkedRole"] == [403, 200]


@pytest.mark.parametrize("action", ["ssm:SendCommand", "ssm:ListCommands", "ec2:DescribeSubnets"])
def test_an_experiment_s_role_must_be_allowed_what_the_document_needs(aws: LabAws, action: str) -> None:
    iam = aws.client("iam")
    policy = json.loads(json.dumps(iam.get_role_policy(RoleName="fis-experiments", PolicyName="fis")["PolicyDocument"]))
    less = [one for one in policy["Statement"][0]["Action"] if one != action]
    assert action in policy["Statement"][0]["Action"]
    lacking = {**policy, "Statement": [{**policy["Statement"][0], "Action": less}]}
    put = {"RoleName": "fis-experiments", "PolicyName": "fis"}
    iam.put_role_policy(**put, PolicyDocument=json.dumps(lacking))
    try:
        failed = reached(aws, start(aws, template(aws)), "failed")
    finally:
        iam.put_role_policy(**put, PolicyDocument=json.dumps(policy))
    assert action in failed["state"]["reason"].split()


def test_an_engaged_safety_lever_stops_what_runs_and_cancels_what_is_started(aws: LabAws) -> None:
    fis, made = aws.client("fis", HOME), template(aws)
    assert fis.get_safety_lever(id="default")["safetyLever"]["state"]["status"] == "disengaged"
    before = start(aws, made)
    in_force(aws, before)
    fis.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    try:
        reached(aws, before, "stopped")
        cancelled = reached(aws, start(aws, made), "cancelled", "running")
        assert action_status(cancelled) == "cancelled"
        state = fis.get_safety_lever(id="default")["safetyLever"]["state"]
        assert state == {"status": "engaged", "reason": "a festival"}
        other = aws.client("fis", "ap-northeast-3").get_safety_lever(id="default")["safetyLever"]["state"]["status"]
        assert other == "disengaged", "each region has its own"
    finally:
        fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})


def test_looking_does_not_move_it_but_time_does(aws: LabAws) -> None:
    begin = time.monotonic()
    running = start(aws, template(aws, duration="PT5M"))  # a busy machine looks slowly
    reached(aws, running, "running")
    assert [experiment(aws, running)["state"]["status"] for _ in range(5)] == ["running"] * 5
    done = reached(aws, running, "completed")
    assert 300 * SCALE <= time.monotonic() - begin < 300
    assert action_status(done) == "completed"
    assert done["endTime"] >= done["startTime"]
    # FIS's duration is over; the fault goes on for the document's own 1800 s
    assert aws.supervisor.asked("packet_loss.heal") == []
    assert aws.client("fis", HOME).stop_experiment(id=running)["experiment"]["state"]["status"] == "completed"


def test_an_injection_that_fails_fails_the_experiment_with_its_reason(aws: LabAws) -> None:
    aws.supervisor.refuse["packet_loss.inject"] = "no-numgen"
    failed = reached(aws, start(aws, template(aws)), "failed")
    assert action_status(failed) == "failed"
    (command,) = re.findall("SSM command ([0-9a-f-]+) ", failed["state"]["reason"])
    ssm, host = aws.client("ssm", HOME), aws.topology["client"]["instance_id"]
    (invocation,) = ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]
    assert [(step["Name"], step["Status"]) for step in invocation["CommandPlugins"]] == [
        ("InstallDependencies", "Success"),
        ("FaultInjection", "Failed"),
    ]
    assert "no-numgen" in invocation["CommandPlugins"][1]["Output"], "FIS's reason does not say it"
    with pytest.raises(ClientError, match="InvalidPluginName"):
        ssm.get_command_invocation(CommandId=command, InstanceId=host)
    step = ssm.get_command_invocation(CommandId=command, InstanceId=host, PluginName="FaultInjection")
    assert step["StandardErrorContent"] == "no-numgen"


def test_a_fault_that_cannot_be_healed_is_no_stopped_experiment(aws: LabAws) -> None:
    running = start(aws, template(aws))
    in_force(aws, running)
    aws.supervisor.refuse["packet_loss.heal"] = "unreachable"
    aws.client("fis", HOME).stop_experiment(id=running)
    assert reached(aws, running, "failed", "stopped")["state"] == {"status": "failed", "reason": "unreachable"}


@pytest.mark.parametrize(
    "document",
    [{"LossPercent": "0"}, {"DurationSeconds": "many"}, {"Sources": "no.such.name"}, {"TrafficType": "both"}],
)
def test_a_document_parameter_that_is_wrong_fails_the_experiment(aws: LabAws, document: dict[str, str]) -> None:
    failed = reached(aws, start(aws, template(aws, **document)), "failed")
    assert next(iter(document.values())) in failed["state"]["reason"]
    assert aws.supervisor.calls == []


def test_a_domain_in_sources_is_resolved(aws: LabAws) -> None:
    running = start(aws, template(aws, Sources="api.example.com,10.0.0.0/8"))
    in_force(aws, running)
    (injected,) = aws.supervisor.asked("packet_loss.inject")
    assert set(injected["sources"]) == {*ADDRESSES.split(","), "10.0.0.0/8"}
    aws.client("fis", HOME).stop_experiment(id=running)
    reached(aws, running, "stopped")


def test_targets_are_found_by_tag(aws: LabAws) -> None:
    running = start(aws, template(aws, target={"resourceTags": {"Name": "BastionHost"}}))
    reached(aws, running, "running")
    targets = aws.client("fis", HOME).list_experiment_resolved_targets(experimentId=running)["resolvedTargets"]
    arn = targets[0]["targetInformation"]["arn"]
    assert arn.endswith(aws.topology["client"]["instance_id"])
    aws.client("fis", HOME).stop_experiment(id=running)
    reached(aws, running, "stopped")


def test_a_target_that_names_nothing_fails_the_experiment(aws: LabAws) -> None:
    failed = reached(aws, start(aws, template(aws, target={"resourceTags": {"Name": "nobody"}})), "failed")
    assert "empty set" in failed["state"]["reason"]
    assert aws.supervisor.calls == []


def test_skip_all_resolves_targets_and_does_nothing(aws: LabAws) -> None:
    skipped = start(aws, template(aws), experimentOptions={"actionsMode": "skip-all"})
    assert action_status(reached(aws, skipped, "completed")) == "skipped"
    targets = aws.client("fis", HOME).list_experiment_resolved_targets(experimentId=skipped)["resolvedTargets"]
    assert len(targets) == 1
    assert aws.supervisor.calls == []


def test_actions_are_listed_and_others_are_refused(aws: LabAws) -> None:
    fis = aws.client("fis", HOME)
    listed = {one["id"] for one in fis.list_actions()["actions"]}
    assert listed == {
        "aws:ssm:send-command",
        "aws:fis:wait",
        "aws:network:disrupt-connectivity",
        "aws:dynamodb:global-table-pause-replication",
    }
    assert "documentArn" in fis.get_action(id="aws:ssm:send-command")["action"]["parameters"]
    with pytest.raises(fis.exceptions.ResourceNotFoundException):
        fis.get_action(id="aws:ec2:stop-instances")
    action = {"actionId": "aws:ec2:stop-instances", "targets": {"Instances": "t"}, "parameters": {}}
    asked = {"description": "x", "stopConditions": [{"source": "none"}], "roleArn": "arn:aws:iam::1:role/fis"}
    with pytest.raises(ClientError, match=r"\(ValidationException\).* aws:ec2:stop-instances"):
        fis.create_experiment_template(**asked, actions={"stop": action})
    with pytest.raises(ClientError, match=r"\(ValidationException\).*\bduration\b"):
        fis.create_experiment_template(**asked, actions={"wait": {"actionId": "aws:fis:wait", "parameters": {}}})


def test_templates_can_be_found_by_their_tag_and_deleted(aws: LabAws) -> None:
    fis = aws.client("fis", HOME)
    made = template(aws)
    listed = {one["id"]: one for one in fis.list_experiment_templates(maxResults=100)["experimentTemplates"]}
    assert listed[made]["tags"] == {"Name": "exp-packetloss"}
    assert fis.get_experiment_template(id=made)["experimentTemplate"]["id"] == made
    fis.delete_experiment_template(id=made)
    with pytest.raises(fis.exceptions.ResourceNotFoundException):
        fis.get_experiment_template(id=made)


def test_the_same_client_token_is_the_same_experiment(aws: LabAws) -> None:
    made = template(aws)
    ids = {start(aws, made, clientToken="once") for _ in range(2)}
    assert len(ids) == 1
    running = ids.pop()
    in_force(aws, running)
    assert len(aws.supervisor.asked("packet_loss.inject")) == 1
    aws.client("fis", HOME).stop_experiment(id=running)
    reached(aws, running, "stopped")


def test_a_lenient_lab_needs_no_role_and_no_installation(tmp_path: Path) -> None:
    relaxed = ("fis-document-at-once", "fis-permissions", "metrics-listed-at-once")
    with running(tmp_path, scale=10.0, lenient=relaxed) as lab:
        iam = lab.client("iam")
        iam.delete_role_policy(RoleName="fis-experiments", PolicyName="fis")
        iam.delete_role(RoleName="AWSServiceRoleForFIS")
        began = time.monotonic()
        started = start(lab, template(lab))
        in_force(lab, started)
        assert time.monotonic() - began < 100, "what the installation takes in a strict lab"
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_role(RoleName="AWSServiceRoleForFIS")
        metric = {"Namespace": "Test", "MetricName": "young"}
        cloudwatch = lab.client("cloudwatch")
        cloudwatch.put_metric_data(Namespace="Test", MetricData=[{"MetricName": "young", "Value": 1.0}])
        assert cloudwatch.list_metrics(**metric)["Metrics"]
        lab.client("fis", HOME).stop_experiment(id=started)
