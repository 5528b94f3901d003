"""Regions by role: the one place where ``home``, ``standby`` and ``active`` become names."""

from chaosdrill.aws import dynamodb
from chaosdrill.aws.system import System
from chaosdrill.errors import BadInput, DrillError, problem
from chaosdrill.topology.problems import problems_of_part

ROLES = ("home", "standby", "active")


def region_named(system: System, region: str) -> str:
    """Return the name of a region that may be given by role.

    :param region: a region of the topology, ``home``, ``standby``, or ``active``: the one whose stop flag is FALSE.
    :raises BadInput: when the topology has no such region.
    :raises DrillError: when ``active`` matches no region or both.
    :raises CannotSee: when a stop flag cannot be read.
    """
    roles = {"home": system.topology.regions.home, "standby": system.topology.regions.standby}
    if region == "active":
        return _active(system)
    name = roles.get(region, region)
    if name not in system.topology.region_names:
        known = ", ".join((*system.topology.region_names, *ROLES))
        raise BadInput([problem("region-unknown", f"region {region!r} is not in the topology: write one of {known}")])
    return name


def client_region(system: System, region: str | None) -> str | None:
    """Return the name of a region that may be given by role, or be the client host's, which need not be in the
    topology; None if none is given.

    :raises BadInput: when there is no such region.
    """
    return region if region in (None, system.topology.client.region) else region_named(system, region)


def any_region(system: System, region: str | None) -> str:
    """Return the name of a region that may be given by role, and need not be in the topology: alarms are where the
    canaries are.

    :param region: any region's name, or a role; None: the failover region.
    :raises BadInput: when it is neither a role nor in the form of a region's name.
    :raises DrillError: as :func:`region_named`.
    """
    if region is None:
        return system.topology.failover.region
    if region in ROLES:
        return region_named(system, region)
    if fix := problems_of_part("region", region):
        why = f"region {region!r} is no region: write {fix}, or one of {', '.join(ROLES)}"
        raise BadInput([problem("region-unknown", why)])
    return region


def _active(system: System) -> str:
    flags = {name: dynamodb.stop_flag(system, name) for name in system.topology.region_names}
    serving = [name for name, stopped in flags.items() if not stopped]
    if len(serving) != 1:
        shown = ", ".join(f"{name} {'TRUE' if stopped else 'FALSE'}" for name, stopped in flags.items())
        raise DrillError(
            f"there is no one active region: the stop flags are {shown}, and exactly one must be FALSE: "
            "name the region, or set the flags right",
            code="no-single-active-region",
        )
    return serving[0]
