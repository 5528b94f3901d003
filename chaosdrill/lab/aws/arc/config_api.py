"""ARC's control plane (``route53-recovery-control-config``), parsed and serialised with botocore's model."""

from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from chaosdrill.lab.aws.arc.rules import SafetyRule
from chaosdrill.lab.aws.arc.state import ENDPOINT_REGIONS, STATE


def endpoint_url(host: str, region: str, cluster_arn: str) -> str:
    """Return a cluster endpoint's base URL as the caller can reach it (``host`` is its Host header)."""
    return f"http://{host}/arc/{region}/{cluster_arn.rsplit('/', 1)[1][:8]}/v1"


class RecoveryControlConfigResponse(BaseResponse):
    """Clusters, control panels, routing controls, safety rules."""

    def __init__(self) -> None:
        super().__init__(service_name="route53-recovery-control-config")
        self.automated_parameter_parsing = True

    def create_cluster(self) -> ActionResult:
        """CreateCluster."""
        return ActionResult({"Cluster": self._cluster(STATE.create_cluster(self._get_param("ClusterName")))})

    def describe_cluster(self) -> ActionResult:
        """DescribeCluster."""
        return ActionResult({"Cluster": self._cluster(self._one(STATE.clusters, "ClusterArn"))})

    def list_clusters(self) -> ActionResult:
        """ListClusters."""
        return ActionResult({"Clusters": [self._cluster(cluster) for cluster in STATE.clusters.values()]})

    def create_control_panel(self) -> ActionResult:
        """CreateControlPanel."""
        panel = STATE.create_panel(self._get_param("ControlPanelName"), self._get_param("ClusterArn"))
        return ActionResult({"ControlPanel": panel})

    def describe_control_panel(self) -> ActionResult:
        """DescribeControlPanel."""
        return ActionResult({"ControlPanel": self._one(STATE.panels, "ControlPanelArn")})

    def list_control_panels(self) -> ActionResult:
        """ListControlPanels."""
        wanted = self._get_param("ClusterArn")
        panels = [panel for panel in STATE.panels.values() if wanted in (None, panel["ClusterArn"])]
        return ActionResult({"ControlPanels": panels})

    def create_routing_control(self) -> ActionResult:
        """CreateRoutingControl."""
        names = ("RoutingControlName", "ClusterArn", "ControlPanelArn")
        return ActionResult({"RoutingControl": STATE.create_control(*(self._get_param(name) for name in names))})

    def describe_routing_control(self) -> ActionResult:
        """DescribeRoutingControl."""
        return ActionResult({"RoutingControl": self._one(STATE.controls, "RoutingControlArn")})

    def list_routing_controls(self) -> ActionResult:
        """ListRoutingControls."""
        return ActionResult({"RoutingControls": self._of_panel(STATE.controls)})

    def create_safety_rule(self) -> ActionResult:
        """CreateSafetyRule."""
        rule = STATE.create_rule(self._get_param("AssertionRule"), self._get_param("GatingRule"))
        return ActionResult(_described(rule))

    def describe_safety_rule(self) -> ActionResult:
        """DescribeSafetyRule."""
        return ActionResult(_described(self._one(STATE.rules, "SafetyRuleArn")))

    def delete_safety_rule(self) -> ActionResult:
        """DeleteSafetyRule."""
        del STATE.rules[self._one(STATE.rules, "SafetyRuleArn").arn]
        return EmptyResult()

    def list_safety_rules(self) -> ActionResult:
        """ListSafetyRules."""
        panel = self._get_param("ControlPanelArn")
        rules = [rule for rule in STATE.rules.values() if rule.described["ControlPanelArn"] == panel]
        return ActionResult({"SafetyRules": [{rule.kind: dict(rule.described)} for rule in rules]})

    def list_tags_for_resource(self) -> ActionResult:
        """ListTagsForResource."""
        return ActionResult({"Tags": STATE.tags.get(self._get_param("ResourceArn"), {})})

    def tag_resource(self) -> ActionResult:
        """TagResource."""
        STATE.tags.setdefault(self._get_param("ResourceArn"), {}).update(self._get_param("Tags"))
        return EmptyResult()

    def _one(self, table: Mapping[str, Any], param: str) -> Any:
        return STATE.one(table, self._get_param(param))

    def _of_panel(self, table: Mapping[str, Any]) -> list[Any]:
        panel = self._get_param("ControlPanelArn")
        return [record for record in table.values() if record["ControlPanelArn"] == panel]

    def _cluster(self, cluster: dict[str, Any]) -> dict[str, Any]:
        host = self.headers["Host"]
        urls = {region: endpoint_url(host, region, cluster["ClusterArn"]) for region in ENDPOINT_REGIONS}
        return {**cluster, "ClusterEndpoints": [{"Region": region, "Endpoint": url} for region, url in urls.items()]}


def _described(rule: SafetyRule) -> dict[str, Any]:
    return {"AssertionRule" if rule.kind == "ASSERTION" else "GatingRule": dict(rule.described)}
