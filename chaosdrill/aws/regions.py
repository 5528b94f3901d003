"""Regions by role: the one place where ``home``, ``standby`` and ``active`` become names."""

from chaosdrill.aws import dynamodb
from chaosdrill.aws.system import System
from chaosdrill.errors import BadInput, DrillError

ROLES = ("home", "standby", "active")


def region_named(system: System, region: str) -> str:
    """The name of a region that may be given by role.

    :param region: a region of the topology, ``home``, ``standby``, or ``active``: the one whose stop flag is FALSE.
    :returns: its name.
    :raises BadInput: when the topology has no such region.
    :raises DrillError: when ``active`` fits none or both.
    :raises CannotSee: when a stop flag cannot be read.
    """
    roles = {"home": system.topology.regions.home, "standby": system.topology.regions.standby}
    if region == "active":
        return _active(system)
    name = roles.get(region, region)
    if name not in system.topology.region_names:
        known = ", ".join((*system.topology.region_names, *ROLES))
        raise BadInput([f"region {region!r} is not in the topology: write one of {known}"])
    return name


def _active(system: System) -> str:
    flags = {name: dynamodb.stop_flag(system, name) for name in system.topology.region_names}
    serving = [name for name, stopped in flags.items() if not stopped]
    if len(serving) != 1:
        shown = ", ".join(f"{name} {'TRUE' if stopped else 'FALSE'}" for name, stopped in flags.items())
        raise DrillError(
            f"there is no one active region: the stop flags are {shown}, and exactly one must be FALSE: "
            "name the region, or set the flags right"
        )
    return serving[0]
