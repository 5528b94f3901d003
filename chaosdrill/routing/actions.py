"""Action that directs the domain to a region."""

from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import action
from chaosdrill.aws import arc, safety_rules, system_of
from chaosdrill.aws.overrides import with_routing_controls
from chaosdrill.aws.regions import region_named
from chaosdrill.history import record

__all__ = ["set_routing"]


@action
def set_routing(
    region: str,
    routing_controls: Optional[dict[str, str]] = None,
    override_safety_rules: Optional[list[str]] = None,
    timeout_s: float = 120,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Set the routing control of a region On and the other Off, both in one call, through any cluster endpoint.

    :param region: a region of the topology, or home, standby, active.
    :param routing_controls: their ARNs by region, or by home and standby; default: the topology's.
    :param override_safety_rules: safety rules to override, by ARN or by name (a name needs ARC's control plane, which
        may be down during a recovery); default: none.
    :param timeout_s: how long to retry when no endpoint responds, in seconds.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, region, was: {region: On|Off}, endpoint, endpoints_asked, overridden}``; ``done`` is false when
        the states were already as requested.
    :raises ActivityFailed: when a safety rule forbids it (by name, or by ARN when the name cannot be read), or no
        endpoint responds.
    :undo: set_routing with the region that was On.
    :source: https://docs.aws.amazon.com/routing-control/latest/APIReference/API_UpdateRoutingControlStates.html
    """
    system = with_routing_controls(system_of(configuration, secrets), routing_controls)
    region = region_named(system, region)
    wanted = {name: "On" if name == region else "Off" for name in system.topology.region_names}
    was = arc.routing_states(system, rounds=arc.ROUNDS)
    if was == wanted:
        return {"done": False, "region": region, "was": was, "why": f"only {region} is On already"}
    override = safety_rules.arns_of(system, override_safety_rules or [])
    record("undo", undo="set_routing", routing_states=was, overridden=override)
    answered = arc.write_routing_states(system, wanted, override)
    return {
        "done": True,
        "region": region,
        "was": was,
        "endpoint": answered.endpoint,
        "endpoints_asked": answered.asked,
        "overridden": override,
    }
