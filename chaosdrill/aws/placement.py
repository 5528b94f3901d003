"""Where the application is, by the three facts that are kept in AWS: stop flags, routing controls and the writer.

The DNS answer follows the routing controls, so it is not asked where something is decided.
"""

from chaosdrill.aws import arc, aurora, dynamodb
from chaosdrill.aws.system import System


def is_placed_in(system: System, region: str) -> bool:
    """:returns: whether the region, and no other, is open, routed to and the writer.

    :raises CannotSee: when one of the facts cannot be read.
    """
    flags = _flags(system)
    return flags == {name: name != region for name in flags} and _leads_to(system, region)


def is_closed_everywhere(system: System) -> bool:
    """:returns: whether the application is closed in every region.

    :raises CannotSee: when a stop flag cannot be read.
    """
    return all(_flags(system).values())


def _flags(system: System) -> dict[str, bool]:
    return {name: dynamodb.stop_flag(system, name) for name in system.topology.region_names}


def _leads_to(system: System, region: str) -> bool:
    routing = {name: "On" if name == region else "Off" for name in system.topology.region_names}
    return arc.routing_states(system, arc.ROUNDS) == routing and aurora.global_cluster(system).writer == region
