"""The sources of a packet loss: addresses as written, or those of a region as the client host resolves them now."""

from typing import Any

from chaosdrill.aws import System
from chaosdrill.aws.regions import ROLES, region_named
from chaosdrill.client import resolve
from chaosdrill.client.resolvers import CLIENT
from chaosdrill.errors import Refused


def written(sources: Any) -> tuple[str, ...] | None:
    """Return the addresses of a text or a list; None when a region is named by its role."""
    if sources in ROLES:
        return None
    parts = sources if isinstance(sources, list) else str(sources).split(",")
    return tuple(part for one in parts if (part := str(one).strip()))


def resolved(system: System, role: str) -> tuple[str, ...]:
    """Return the addresses to which the client host resolves the domain now, sorted.

    :param role: home, standby or active: the region to which they must belong.
    :raises Refused: when they do not all belong to that region.
    """
    region = region_named(system, role)
    domain = system.topology.domain
    found = resolve.resolve(system, domain, CLIENT).addresses
    owners = resolve.regions_of(system, found)
    if set(owners.values()) != {region}:
        shown = ", ".join(f"{address} ({owner})" for address, owner in owners.items()) or "nothing"
        raise Refused(
            f"sources: {role} means {region}, and the client host resolves {domain} to {shown}: the fault was not "
            "injected; check which region serves (probe region_state), or write the addresses",
            code="sources-not-in-region",
        )
    return found
