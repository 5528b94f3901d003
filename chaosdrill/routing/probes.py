"""Probes of the routing controls and of the cluster's endpoints."""

import logging
from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import arc, system_of
from chaosdrill.aws.overrides import with_cluster_endpoint, with_routing_controls
from chaosdrill.aws.regions import region_named
from chaosdrill.history import record

__all__ = ["active_routing_region", "cluster_endpoints_reachable", "routing_state"]

logger = logging.getLogger("chaostoolkit")


@probe
def routing_state(
    region: str,
    routing_control: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> str:
    """Return the state of a region's routing control.

    :param region: a region of the topology, or home, standby, active.
    :param routing_control: the control's ARN; default: the topology's for that region.
    :returns: ``On`` or ``Off``.
    :raises ActivityFailed: when no cluster endpoint responds.
    :source: https://docs.aws.amazon.com/routing-control/latest/APIReference/API_GetRoutingControlState.html
    """
    system = system_of(configuration, secrets)
    region = region_named(system, region)
    return arc.routing_states(with_routing_controls(system, {region: routing_control} if routing_control else None))[
        region
    ]


@probe
def active_routing_region(
    routing_controls: Optional[dict[str, str]] = None,
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> str:
    """Return the region whose routing control is On.

    :param routing_controls: their ARNs by region, or by home and standby; default: the topology's.
    :param region: use the ARC cluster's endpoint in this region alone, by name, or as home, standby, active; default:
        any that responds.
    :returns: its name; ``none`` or ``several`` unless there is exactly one.
    :raises ActivityFailed: when no cluster endpoint responds, or the cluster has none in that region.
    :source: https://docs.aws.amazon.com/routing-control/latest/APIReference/API_GetRoutingControlState.html
    """
    system = with_cluster_endpoint(system_of(configuration, secrets), region)
    states = arc.routing_states(with_routing_controls(system, routing_controls))
    on = [region for region, state in states.items() if state == "On"]
    return on[0] if len(on) == 1 else "several" if on else "none"


@probe
def cluster_endpoints_reachable(
    region: Optional[str] = None, configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None
) -> int:
    """Return how many endpoints of the ARC cluster report a routing control's state now; a failover needs one of the
    five.

    The reachable and the unreachable endpoints, with reasons, are logged and recorded in the run's history
    (``cluster-endpoints``).

    :param region: check the endpoint in this region alone, by name, or as home, standby, active; default: all.
    :returns: their number.
    :raises ActivityFailed: when one refuses the request (credentials, permissions, a wrong ARN), which is no outage; or
        when the cluster has none in that region.
    :source: https://docs.aws.amazon.com/r53recovery/latest/dg/route53-arc-best-practices.regional.html
    """
    told = arc.endpoints_reachable(with_cluster_endpoint(system_of(configuration, secrets), region))
    silent = {region: why for region, why in told.items() if why}
    reachable = [region for region in told if region not in silent]
    record("cluster-endpoints", reachable=reachable, silent=silent)
    for region, why in silent.items():
        logger.warning(f"  the cluster endpoint in {region} does not respond: {why}")
    return len(reachable)
