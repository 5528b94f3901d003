"""ARC's routing controls and cluster endpoints, read once from the control plane for the topology file.

A drill never calls the control plane, which is in one region only.

See: https://docs.aws.amazon.com/r53recovery/latest/dg/route53-arc-best-practices.regional.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session

from chaosdrill.discovery.findings import Candidate, Note, ToFillIn, TopologyFinding, or_unknown, the_one
from chaosdrill.discovery.scope import DiscoveryScope

SERVICE = "route53-recovery-control-config"
CONTROL_PLANE = "us-west-2"
ENDPOINTS = 5
_MOST_PANELS = 20


@dataclass(frozen=True)
class Control:
    """A routing control and its cluster."""

    arn: str
    name: str
    cluster: str


@dataclass(frozen=True)
class Arc:
    """The contents of the control plane: clusters by ARN, and routing controls."""

    clusters: Mapping[str, dict[str, Any]]
    controls: tuple[Control, ...]


def find_arc(asked: DiscoveryScope) -> Arc | ToFillIn:
    """Read clusters, control panels and routing controls."""
    how = f"aws {SERVICE} list-clusters --region {CONTROL_PLANE}{asked.cli}"
    return or_unknown(lambda: _arc(asked), how)


def find_routing(asked: DiscoveryScope, arc: Arc | ToFillIn, health_checks: Mapping[str, str]) -> TopologyFinding:
    """Select each region's routing control: the one that its record's health check follows, else by name.

    :param health_checks: health check of the domain's record for each region.
    """
    if isinstance(arc, ToFillIn):
        return TopologyFinding({"controls": dict.fromkeys(asked.regions, arc), "cluster_endpoints": arc}, "nothing")
    chosen = {region: _control(asked, region, arc, health_checks.get(region, "")) for region in asked.regions}
    looked_at = f"{len(arc.controls)} routing controls in {len(arc.clusters)} clusters"
    return TopologyFinding({"controls": chosen, **_endpoints(asked, arc, chosen)}, looked_at)


def _arc(asked: DiscoveryScope) -> Arc:
    clusters = asked.account.listed(SERVICE, CONTROL_PLANE, "list_clusters", "Clusters").items
    return Arc(
        {str(one["ClusterArn"]): one for one in clusters},
        tuple(control for one in clusters for control in _controls(asked, str(one["ClusterArn"]))),
    )


def _controls(asked: DiscoveryScope, cluster: str) -> list[Control]:
    account = asked.account
    panels = account.listed(
        SERVICE, CONTROL_PLANE, "list_control_panels", "ControlPanels", _MOST_PANELS, ClusterArn=cluster
    )
    return [
        Control(str(one["RoutingControlArn"]), str(one["Name"]), cluster)
        for panel in panels.items
        for one in account.listed(
            SERVICE,
            CONTROL_PLANE,
            "list_routing_controls",
            "RoutingControls",
            ControlPanelArn=str(panel["ControlPanelArn"]),
        ).items
    ]


def _control(asked: DiscoveryScope, region: str, arc: Arc, health_check: str) -> Any:
    how = f"aws {SERVICE} list-routing-controls --control-panel-arn ARN --region {CONTROL_PLANE}{asked.cli}"
    followed = or_unknown(lambda: _followed(asked, health_check), how) if health_check else ""
    if any(followed == control.arn for control in arc.controls):
        return followed
    fitting = [control for control in arc.controls if _names(control.name, region)]
    chosen = the_one(
        [Candidate(one.arn, one.name) for one in fitting], f"routing control for {region} by its name", how
    )
    if isinstance(chosen, ToFillIn) and not fitting:
        return ToFillIn(chosen.why, how, tuple(Candidate(one.arn, one.name) for one in arc.controls))
    return chosen


def _followed(asked: DiscoveryScope, health_check: str) -> str:
    answer = asked.account.ask("route53", asked.home, "get_health_check", HealthCheckId=health_check)
    return str(answer["HealthCheck"]["HealthCheckConfig"].get("RoutingControlArn", ""))


def _names(name: str, region: str) -> bool:
    squashed = _squashed(name)
    return any(word in squashed for word in (_squashed(region), _city(region)) if word)


def _city(region: str) -> str:
    """Return ``tokyo`` for ap-northeast-1, from botocore's description "Asia Pacific (Tokyo)"."""
    partitions = botocore.session.Session().get_data("endpoints")["partitions"]
    described = next((p["regions"][region]["description"] for p in partitions if region in p["regions"]), "")
    found = re.search(r"\((?:[A-Z]\. )?(.+)\)", described)
    return _squashed(found.group(1)) if found else ""


def _squashed(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _endpoints(asked: DiscoveryScope, arc: Arc, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the endpoints of the selected controls' cluster, and a note when there are not five."""
    used = {control.cluster for control in arc.controls if control.arn in chosen.values()} or set(arc.clusters)
    how = f"aws {SERVICE} describe-cluster --cluster-arn ARN --region {CONTROL_PLANE}{asked.cli}"
    candidates = [
        Candidate(_in_order(arc.clusters[arn]), str(arc.clusters[arn].get("Name", arn))) for arn in sorted(used)
    ]
    endpoints = the_one(candidates, "ARC cluster", how)
    if endpoints == []:
        return {"cluster_endpoints": ToFillIn("the ARC cluster has no endpoints yet", how)}
    if isinstance(endpoints, list) and len(endpoints) != ENDPOINTS:
        few = Note(f"{len(endpoints)} endpoints were returned, a cluster has {ENDPOINTS}")
        return {"cluster_endpoints": endpoints, "note": few}
    return {"cluster_endpoints": endpoints}


def _in_order(cluster: dict[str, Any]) -> list[dict[str, str]]:
    endpoints = cluster.get("ClusterEndpoints", [])
    return [{"region": str(one["Region"]), "url": str(one["Endpoint"])} for one in endpoints]
