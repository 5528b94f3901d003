"""The domain as a part of a drilled system: the name that directs clients to a region."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from chaosdrill.coordination.resources import Resource
from chaosdrill.dns.checks import checks
from chaosdrill.parts.interface import BasePart, Check, CheckContext, Role
from chaosdrill.topology import Topology


class DnsPart(BasePart):
    """The domain, and the load balancers that it resolves to."""

    name: ClassVar[str] = "dns"
    role: ClassVar[Role] = "names"

    def resources(self, topology: Topology) -> Sequence[Resource]:
        return (Resource("domain", topology.domain),)

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)


PART = DnsPart


def part_of(topology: Topology) -> DnsPart:
    """Return the part; every topology has a domain."""
    return DnsPart()
