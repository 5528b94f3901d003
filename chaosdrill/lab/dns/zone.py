"""The answers of a hosted zone: Route 53's rules, as a pure function of its record sets.

:source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html
:source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
:source: RFC 2308 (NXDOMAIN against an empty answer)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

CNAME_LIMIT = 8
_PRIVATE = "{name} is in a private zone, which resolves in its VPCs only: chaosdrill lab exec -- dig {name}"


@dataclass(frozen=True)
class RecordSet:
    """A record set.

    :param name: lower case, with the final dot.
    :param ttl_s: TTL in seconds; an alias has its target's.
    :param values: as written in a zone file.
    :param failover: ``PRIMARY``, ``SECONDARY`` or None.
    """

    name: str
    type: str
    ttl_s: int
    values: tuple[str, ...]
    failover: str | None = None
    health_check_id: str | None = None


@dataclass(frozen=True)
class Zone:
    """A hosted zone: its name (lower case, final dot) and its record sets.

    :param networks: address ranges of the VPCs in which a private zone answers; None: it is public.
    """

    name: str
    records: tuple[RecordSet, ...]
    networks: tuple[IPv4Network, ...] | None = None

    def holds(self, name: str) -> bool:
        """Return whether ``name`` is the zone's or below it."""
        return name == self.name or name.endswith(f".{self.name}")

    def answers(self, source: str) -> bool:
        """Return whether it answers a query from that address."""
        return self.networks is None or any(IPv4Address(source) in network for network in self.networks)


@dataclass(frozen=True)
class ZoneAnswer:
    """An answer. ``authority`` is the zone's SOA when there is no data.

    :param rcode: ``NOERROR``, ``NXDOMAIN`` or ``REFUSED``.
    :param why: an explanation for people, in English; empty: none.
    """

    rcode: str
    records: tuple[RecordSet, ...] = ()
    authority: tuple[RecordSet, ...] = ()
    why: str = ""


def answer(zones: Sequence[Zone], name: str, type: str, healthy: Callable[[str], bool], source: str) -> ZoneAnswer:
    """Return the zones' answer for ``name``.

    :param name: in any case, with or without the final dot.
    :param type: such as ``A``; ``ANY`` returns all types.
    :param healthy: whether the health check of an ID is healthy.
    :param source: the address that sent the query: a private zone does not exist outside its VPCs.
    """
    wanted = name.lower().rstrip(".") + "."
    holding = [zone for zone in zones if zone.holds(wanted)]
    zone = max((zone for zone in holding if zone.answers(source)), key=lambda zone: len(zone.name), default=None)
    if zone is None:
        return (
            ZoneAnswer("NXDOMAIN", why=_PRIVATE.format(name=wanted.rstrip("."))) if holding else ZoneAnswer("REFUSED")
        )
    found: list[RecordSet] = []
    for _ in range(CNAME_LIMIT):
        here = [record for record in zone.records if record.name == wanted]
        chosen = _chosen([record for record in here if type in (record.type, "ANY")], healthy)
        alias = [] if chosen or type == "CNAME" else _chosen([r for r in here if r.type == "CNAME"], healthy)
        found += chosen + alias
        if not alias:
            break
        wanted = alias[0].values[0].lower().rstrip(".") + "."
    if found:
        return ZoneAnswer("NOERROR", tuple(found))
    exists = any(record.name == wanted or record.name.endswith(f".{wanted}") for record in zone.records)
    return ZoneAnswer("NOERROR" if exists else "NXDOMAIN", (), tuple(_start_of_authority(zone)))


def _chosen(candidates: list[RecordSet], healthy: Callable[[str], bool]) -> list[RecordSet]:
    roles = {record.failover: record for record in candidates if record.failover}
    if not roles:
        return candidates
    # If no record is healthy, Route 53 answers with the primary.
    order = [roles[role] for role in ("PRIMARY", "SECONDARY") if role in roles]
    well = [record for record in order if record.health_check_id is None or healthy(record.health_check_id)]
    return (well or order)[:1]


def _start_of_authority(zone: Zone) -> list[RecordSet]:
    return [record for record in zone.records if record.name == zone.name and record.type == "SOA"]
