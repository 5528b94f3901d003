"""Routing controls: safety rules by name and when they are passed over, endpoints that answer, explicit ARNs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaosdrill.history import OpenDrill
from chaosdrill.routing.actions import set_routing
from chaosdrill.routing.probes import active_routing_region, cluster_endpoints_reachable, routing_state
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.failing import fails_with

CONTROL_PLANE = "route53-recovery-control-config"
RULE = "tokyo-stays-on"


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


@pytest.fixture
def rule(rig: Rig) -> Iterator[str]:
    """A safety rule that keeps Tokyo On; its ARN."""
    client, controls = rig.lab.client(CONTROL_PLANE, "us-west-2"), rig.lab.topology["routing"]["controls"]
    made = client.create_safety_rule(
        AssertionRule={
            "Name": RULE,
            "ControlPanelArn": controls[TOKYO].split("/routingcontrol/")[0],
            "AssertedControls": [controls[TOKYO]],
            "RuleConfig": {"Type": "ATLEAST", "Threshold": 1, "Inverted": False},
            "WaitPeriodMs": 0,
        }
    )
    arn = str(made["AssertionRule"]["SafetyRuleArn"])
    yield arn
    client.delete_safety_rule(SafetyRuleArn=arn)


@contextmanager
def without_control_plane(rig: Rig) -> Iterator[None]:
    get(f"{rig.lab.url}/chaosdrill/faults", {"service": CONTROL_PLANE, "kind": "server-error"}, "PUT")
    try:
        yield
    finally:
        get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


class TestSafetyRules:
    def test_one_that_forbids_is_told_by_name(self, rig: Rig, rule: str) -> None:
        with fails_with("safety-rule-forbids") as caught:
            set_routing("standby", configuration=rig.configuration)
        assert f"{RULE} ({rule})" in str(caught.value)
        assert active_routing_region(configuration=rig.configuration) == TOKYO

    def test_without_the_control_plane_by_arn(self, rig: Rig, rule: str) -> None:
        with without_control_plane(rig), fails_with("safety-rule-forbids") as caught:
            set_routing("standby", configuration=rig.configuration)
        assert rule in str(caught.value)
        assert RULE not in str(caught.value)

    def test_it_is_passed_over_only_when_told_and_by_arn_without_the_control_plane(
        self, rig: Rig, one_drill: OpenDrill, rule: str
    ) -> None:
        with without_control_plane(rig):
            done = set_routing("standby", override_safety_rules=[rule], configuration=rig.configuration)
        assert (done["done"], done["overridden"]) == (True, [rule])
        assert active_routing_region(configuration=rig.configuration) == OSAKA
        assert one_drill.history.events("undo")[0]["overridden"] == [rule]

    def test_by_name_the_control_plane_is_asked(self, rig: Rig, rule: str) -> None:
        with without_control_plane(rig), fails_with("safety-rules-unreadable") as refused:
            set_routing("standby", override_safety_rules=[RULE], configuration=rig.configuration)
        assert "ListSafetyRules" in str(refused.value), "AWS's own error"
        assert active_routing_region(configuration=rig.configuration) == TOKYO
        done = set_routing("standby", override_safety_rules=[RULE], configuration=rig.configuration)
        assert done["overridden"] == [rule]

    @pytest.mark.parametrize(
        ("written", "code"),
        [
            (["nobody"], "safety-rule-unknown"),
            (["arn:aws:iam::1:role/x"], "safety-rule-unknown"),
            (RULE, "argument-invalid"),
        ],
    )
    def test_what_names_no_rule_is_refused(self, rig: Rig, rule: str, written: list[str], code: str) -> None:
        with fails_with(code):
            set_routing("standby", override_safety_rules=written, configuration=rig.configuration)
        assert active_routing_region(configuration=rig.configuration) == TOKYO


class TestEndpoints:
    def test_those_that_answer_are_counted_and_the_others_told(self, rig: Rig, one_drill: OpenDrill) -> None:
        assert cluster_endpoints_reachable(configuration=rig.configuration) == 5
        down = rig.endpoint_regions()[:2]
        for region in down:
            rig.impair(region, True)
        assert cluster_endpoints_reachable(configuration=rig.configuration) == 3
        told = one_drill.history.events("cluster-endpoints")[-1]
        assert sorted(told["silent"]) == sorted(down)
        assert sorted(told["reachable"]) == sorted(rig.endpoint_regions()[2:])

    def test_nobody_is_none(self, rig: Rig) -> None:
        for region in rig.endpoint_regions():
            rig.impair(region, True)
        assert cluster_endpoints_reachable(configuration=rig.configuration) == 0

    def test_a_refusal_is_no_outage(self, rig: Rig, tmp_path: Path) -> None:
        routing = rig.lab.topology["routing"]
        unknown = {region: f"{arn}0" for region, arn in routing["controls"].items()}
        configuration = rig.other_topology(tmp_path / "t.yaml", routing={**routing, "controls": unknown})
        with fails_with("routing-unreadable"):
            cluster_endpoints_reachable(configuration=configuration)


class TestExplicitControls:
    @pytest.fixture
    def others(self, rig: Rig) -> dict[str, str]:
        """A second pair of routing controls, both Off, by region."""
        client, controls = rig.lab.client(CONTROL_PLANE, "us-west-2"), rig.lab.topology["routing"]["controls"]
        cluster = client.list_clusters()["Clusters"][0]["ClusterArn"]
        panel = controls[TOKYO].split("/routingcontrol/")[0]
        made = {}
        for region in (TOKYO, OSAKA):
            asked = {"ClusterArn": cluster, "ControlPanelArn": panel, "RoutingControlName": f"other-{region}"}
            made[region] = client.create_routing_control(**asked)["RoutingControl"]["RoutingControlArn"]
        return made

    def test_they_win_over_the_topology_s(self, rig: Rig, others: dict[str, str]) -> None:
        by_role = {"home": others[TOKYO], "standby": others[OSAKA]}
        assert active_routing_region(routing_controls=by_role, configuration=rig.configuration) == "none"
        assert set_routing("standby", routing_controls=by_role, configuration=rig.configuration)["done"] is True
        assert active_routing_region(routing_controls=others, configuration=rig.configuration) == OSAKA
        assert active_routing_region(configuration=rig.configuration) == TOKYO
        other = routing_state("standby", routing_control=others[OSAKA], configuration=rig.configuration)
        assert (other, routing_state("standby", configuration=rig.configuration)) == ("On", "Off")

    def test_what_is_wrong_with_them_is_told_at_once(self, rig: Rig) -> None:
        with fails_with("region-unknown", "argument-invalid") as caught:
            set_routing("home", routing_controls={"nagoya": "x"}, configuration=rig.configuration)
        region, arn = str(caught.value).splitlines()
        assert all(name in region for name in ("nagoya", TOKYO, OSAKA, "home", "standby"))
        assert "'x'" in arn
