"""Where routing controls lead."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import arc, system_of
from chaosdrill.aws.regions import region_named

__all__ = ["active_routing_region", "routing_state"]


@probe
def routing_state(region: str, configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None) -> str:
    """The state of a region's routing control.

    :param region: a region of the topology, or home, standby, active.
    :returns: ``On`` or ``Off``.
    :raises ActivityFailed: when none of the cluster endpoints answers.
    :source: https://docs.aws.amazon.com/routing-control/latest/APIReference/API_GetRoutingControlState.html
    """
    system = system_of(configuration, secrets)
    return arc.routing_states(system)[region_named(system, region)]


@probe
def active_routing_region(configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None) -> str:
    """The region whose routing control is On.

    :returns: its name; ``none`` or ``several`` when it is not one.
    :raises ActivityFailed: when none of the cluster endpoints answers.
    :source: https://docs.aws.amazon.com/routing-control/latest/APIReference/API_GetRoutingControlState.html
    """
    states = arc.routing_states(system_of(configuration, secrets))
    on = [region for region, state in states.items() if state == "On"]
    return on[0] if len(on) == 1 else "several" if on else "none"
