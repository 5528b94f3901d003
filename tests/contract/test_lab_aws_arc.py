"""Route 53 ARC, which moto lacks."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.lab_aws import LabAws, get

pytestmark = pytest.mark.long

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"


def endpoint(lab: LabAws, index: int = 0) -> dict[str, str]:
    found: dict[str, str] = lab.topology["routing"]["cluster_endpoints"][index]
    return found


def cluster(lab: LabAws, index: int = 0) -> Any:
    one = endpoint(lab, index)
    return lab.client("route53-recovery-cluster", one["region"], one["url"])


def controls(lab: LabAws) -> dict[str, str]:
    found: dict[str, str] = lab.topology["routing"]["controls"]
    return found


def states(lab: LabAws, index: int = 0) -> list[str]:
    listed = cluster(lab, index).list_routing_controls()["RoutingControls"]
    by_name = {control["RoutingControlName"]: control["RoutingControlState"] for control in listed}
    return [by_name["rc-tokyo"], by_name["rc-osaka"]]


def refused(code: str, client: Any, operation: str, **arguments: Any) -> ClientError:
    with pytest.raises(ClientError) as error:
        getattr(client, operation)(**arguments)
    assert error.value.response["Error"]["Code"] == code
    return error.value


def test_the_control_plane_describes_cluster_panel_and_controls(aws: LabAws) -> None:
    config = aws.client("route53-recovery-control-config", "us-west-2")
    made = config.list_clusters()["Clusters"][0]
    described = config.describe_cluster(ClusterArn=made["ClusterArn"])["Cluster"]
    assert [one["Endpoint"] for one in described["ClusterEndpoints"]] == [endpoint(aws, i)["url"] for i in range(5)]
    panels = config.list_control_panels(ClusterArn=made["ClusterArn"])["ControlPanels"]
    panel = next(one for one in panels if one["Name"] == "application")
    listed = config.list_routing_controls(ControlPanelArn=panel["ControlPanelArn"])["RoutingControls"]
    assert {one["RoutingControlArn"] for one in listed} == set(controls(aws).values())
    assert panel["RoutingControlCount"] == 2


def test_endpoints_are_named_as_the_caller_reached_the_control_plane(aws: LabAws) -> None:
    url = f"http://localhost:{aws.plan.aws_port}"
    config = aws.client("route53-recovery-control-config", "us-west-2", url)
    found = config.list_clusters()["Clusters"][0]["ClusterEndpoints"]
    assert all(one["Endpoint"].startswith(f"{url}/arc/") for one in found)


def test_at_rest_home_is_on_at_every_endpoint(aws: LabAws) -> None:
    assert [states(aws, index) for index in range(5)] == [["On", "Off"]] * 5


def test_an_impaired_endpoint_is_unavailable_and_the_others_are_not(aws: LabAws) -> None:
    page = f"{aws.url}/chaosdrill/arc-endpoints/{endpoint(aws)['region']}"
    assert get(page, {"impaired": True}, "PUT")[1]["impaired"] is True
    try:
        refused("EndpointTemporarilyUnavailableException", cluster(aws), "list_routing_controls")
        assert states(aws, 1) == ["On", "Off"]
    finally:
        get(page, {"impaired": False}, "PUT")
    assert states(aws) == ["On", "Off"]


def test_the_services_default_url_is_no_endpoint(aws: LabAws) -> None:
    client = aws.client("route53-recovery-cluster", "us-east-1")
    error = refused("AccessDeniedException", client, "list_routing_controls")
    assert "--endpoint-url" in str(error)


def test_an_endpoint_wants_its_own_region(aws: LabAws) -> None:
    client = aws.client("route53-recovery-cluster", "eu-west-3", endpoint(aws)["url"])
    assert endpoint(aws)["region"] in str(refused("AccessDeniedException", client, "list_routing_controls"))


def test_a_change_is_made_whole_or_not_at_all(aws: LabAws) -> None:
    entries = [
        {"RoutingControlArn": controls(aws)[HOME], "RoutingControlState": "Off"},
        {"RoutingControlArn": "arn:aws:route53-recovery-control::1:none", "RoutingControlState": "On"},
    ]
    unknown = {"UpdateRoutingControlStateEntries": entries}
    refused("ResourceNotFoundException", cluster(aws), "update_routing_control_states", **unknown)
    assert states(aws) == ["On", "Off"]


def test_a_safety_rule_refuses_and_can_be_overridden(aws: LabAws) -> None:
    config = aws.client("route53-recovery-control-config", "us-west-2")
    arns = controls(aws)
    panel = arns[HOME].split("/routingcontrol/")[0]
    made = config.create_safety_rule(
        AssertionRule={
            "Name": "never-both-off",
            "ControlPanelArn": panel,
            "AssertedControls": list(arns.values()),
            "RuleConfig": {"Type": "ATLEAST", "Threshold": 1, "Inverted": False},
            "WaitPeriodMs": 0,
        }
    )["AssertionRule"]["SafetyRuleArn"]
    off = {"RoutingControlArn": arns[HOME], "RoutingControlState": "Off"}
    try:
        refused("ConflictException", cluster(aws), "update_routing_control_state", **off)
        assert states(aws) == ["On", "Off"]
        cluster(aws).update_routing_control_state(**off, SafetyRulesToOverride=[made])
        assert states(aws) == ["Off", "Off"]
    finally:
        config.delete_safety_rule(SafetyRuleArn=made)
        cluster(aws).update_routing_control_state(RoutingControlArn=arns[HOME], RoutingControlState="On")


def test_a_gating_rule_keeps_its_targets_while_the_gate_is_off(aws: LabAws) -> None:
    config = aws.client("route53-recovery-control-config", "us-west-2")
    arns = controls(aws)
    made = config.create_safety_rule(
        GatingRule={
            "Name": "gate",
            "ControlPanelArn": arns[HOME].split("/routingcontrol/")[0],
            "GatingControls": [arns[STANDBY]],
            "TargetControls": [arns[HOME]],
            "RuleConfig": {"Type": "OR", "Threshold": 0, "Inverted": False},
            "WaitPeriodMs": 0,
        }
    )["GatingRule"]["SafetyRuleArn"]
    try:
        off = {"RoutingControlArn": arns[HOME], "RoutingControlState": "Off"}
        refused("ConflictException", cluster(aws), "update_routing_control_state", **off)
    finally:
        config.delete_safety_rule(SafetyRuleArn=made)
