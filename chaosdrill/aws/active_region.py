"""The region where the application is placed, by three facts in AWS: stop flags, routing controls and the writer.

The DNS answer follows the routing controls, so decisions do not read it.
"""

from chaosdrill.aws import arc, aurora, dynamodb
from chaosdrill.aws.system import System


def is_placed_in(system: System, region: str) -> bool:
    """Return whether the region, and no other, is open, routed to and the writer.

    :raises CannotSee: when one of the facts cannot be read.
    """
    return is_open_in(system, region) and aurora.global_cluster(system).writer == region


def is_open_in(system: System, region: str) -> bool:
    """Return whether the region, and no other, is open and routed to.

    :raises CannotSee: when one of these facts cannot be read.
    """
    flags = flags_of(system)
    if flags != {name: name != region for name in flags}:
        return False
    return arc.routing_states(system, arc.ROUNDS) == routing_to(system, region)


def flags_of(system: System) -> dict[str, bool]:
    """Read the stop flag of each region: true is closed.

    :raises CannotSee: when one cannot be read.
    """
    return {name: dynamodb.stop_flag(system, name) for name in system.topology.region_names}


def routing_to(system: System, region: str) -> dict[str, str]:
    """Return the states of the routing controls that direct the domain to ``region``."""
    return {name: "On" if name == region else "Off" for name in system.topology.region_names}
