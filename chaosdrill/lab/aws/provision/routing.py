"""Routing of the domain's clients: ARC's routing controls, and the records and health checks that follow them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moto.route53.models import route53_backends

from chaosdrill.lab.aws.arc import ENDPOINT_REGIONS, STATE
from chaosdrill.lab.aws.arc.config_api import endpoint_url
from chaosdrill.lab.aws.provision.network import ProvisionedLoadBalancer
from chaosdrill.lab.aws.route53 import RECOVERY_CONTROL
from chaosdrill.lab.plan import LabPlan, RegionPlan


@dataclass(frozen=True)
class ProvisionedRouting:
    """The routing controls of an ARC cluster.

    :param controls: ARN of the routing control by region.
    :param endpoints: the cluster's endpoints, as ARC describes them to this host.
    """

    controls: Mapping[str, str]
    endpoints: tuple[dict[str, str], ...]


def routing_controls(plan: LabPlan) -> ProvisionedRouting:
    """Create a cluster, a control panel and a routing control per region; that of the serving region is On."""
    cluster = STATE.create_cluster("chaosdrill")["ClusterArn"]
    panel = STATE.create_panel("application", cluster)["ControlPanelArn"]
    made = {
        region.name: STATE.create_control(f"rc-{region.city}", cluster, panel)["RoutingControlArn"]
        for region in plan.regions
    }
    STATE.update({made[plan.first.name]: "On"})
    host = f"127.0.0.1:{plan.aws_port}"
    urls = {region: endpoint_url(host, region, cluster) for region in ENDPOINT_REGIONS}
    return ProvisionedRouting(made, tuple({"Region": region, "Endpoint": url} for region, url in urls.items()))


@dataclass(frozen=True)
class Vpc:
    """A VPC: its ID and its region."""

    id: str
    region: str


def records(
    plan: LabPlan, routing: ProvisionedRouting, balancers: Mapping[str, ProvisionedLoadBalancer], vpcs: Sequence[Vpc]
) -> None:
    """Create the domain's zone with an alias to each region's load balancer, primary home and secondary standby.

    :param vpcs: the VPCs of the private zone; in a lenient lab the zone is public.
    """
    backend = route53_backends[plan.account]["aws"]
    private = "public-zone" not in plan.lenient
    zone = backend.create_hosted_zone(plan.domain.split(".", 1)[1] + ".", private_zone=private)
    for vpc in vpcs if private else ():
        zone.add_vpc(vpc.id, vpc.region)
    changes = [
        {"Action": "CREATE", "ResourceRecordSet": _record(plan, region, role, routing, balancers[region.name])}
        for region, role in zip(plan.regions, ("PRIMARY", "SECONDARY"), strict=True)
    ]
    backend.change_resource_record_sets(zone.resource_id, changes)


def _record(
    plan: LabPlan, region: RegionPlan, role: str, routing: ProvisionedRouting, balancer: ProvisionedLoadBalancer
) -> dict[str, object]:
    alias = {"HostedZoneId": balancer.zone_id, "DNSName": balancer.dns_name, "EvaluateTargetHealth": False}
    check = _health_check(plan, routing.controls[region.name])
    chosen = {"SetIdentifier": region.city, "Failover": role, "HealthCheckId": check}
    return {"Name": plan.domain, "Type": "A", "AliasTarget": alias, **chosen}


def _health_check(plan: LabPlan, control_arn: str) -> str:
    backend = route53_backends[plan.account]["aws"]
    check = backend.create_health_check(control_arn, {"type": RECOVERY_CONTROL})
    check.routing_control_arn = control_arn  # type: ignore[attr-defined]
    return check.id
