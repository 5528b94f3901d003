"""Lead the domain to a region."""

from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import action
from chaosdrill.aws import arc, system_of
from chaosdrill.aws.regions import region_named
from chaosdrill.history import record

__all__ = ["set_routing"]


@action
def set_routing(
    region: str,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Set the routing control of a region On and the other Off, both in one call, through any cluster endpoint.

    :param region: a region of the topology, or home, standby, active.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, region, was: {region: On|Off}, endpoint, endpoints_asked}``; ``done`` is false when it was so.
    :raises ActivityFailed: when a safety rule forbids it, or none of the endpoints answers.
    :undo: set_routing with the region that was On.
    :source: https://docs.aws.amazon.com/routing-control/latest/APIReference/API_UpdateRoutingControlStates.html
    """
    system = system_of(configuration, secrets)
    region = region_named(system, region)
    wanted = {name: "On" if name == region else "Off" for name in system.topology.region_names}
    was = arc.routing_states(system)
    if was == wanted:
        return {"done": False, "region": region, "was": was, "why": f"only {region} is On already"}
    record("undo", undo="set_routing", routing_states=was)
    answered = arc.write_routing_states(system, wanted)
    return {
        "done": True,
        "region": region,
        "was": was,
        "endpoint": answered.endpoint,
        "endpoints_asked": answered.asked,
    }
