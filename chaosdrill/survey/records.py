"""The records of Route 53 that lead a name to a load balancer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaosdrill.survey.asked import Asked

MOST_ZONES = 50
MOST_RECORDS = 300  # of a zone, which is one call


@dataclass(frozen=True)
class Record:
    """A name, what it leads to, and the health check that decides whether it does; names as :func:`bare` gives them."""

    name: str
    target: str
    health_check: str


@dataclass(frozen=True)
class Records:
    """The rows that were read.

    :param private: the names of the private zones among those that were read.
    """

    rows: tuple[Record, ...]
    looked_at: str
    private: tuple[str, ...] = ()

    def only_in_vpcs(self, domain: str) -> bool:
        """:returns: whether a private zone holds the domain: it resolves in that zone's VPCs only."""
        return any(_holds(zone, domain) for zone in self.private)


def find_records(asked: Asked) -> Records:
    """Read the records of the domain; without one, of every zone, up to a limit.

    :raises CannotSee: when the zones cannot be read.
    """
    listed = asked.account.listed("route53", asked.home, "list_hosted_zones", "HostedZones", MOST_ZONES)
    zones = [zone for zone in listed.items if asked.domain is None or _holds(bare(zone["Name"]), asked.domain)]
    rows = [row for zone in zones for row in _rows(asked, str(zone["Id"]))]
    private = tuple(bare(zone["Name"]) for zone in zones if (zone.get("Config") or {}).get("PrivateZone"))
    looked_at = f"{len(rows)} alias records in {len(zones)} of {listed.count('hosted zones')}"
    return Records(tuple(rows), looked_at, private)


def bare(name: str) -> str:
    """:returns: a DNS name in lower case, without the final dot and without what the console puts before it."""
    return name.lower().rstrip(".").removeprefix("dualstack.")


def _holds(zone: str, domain: str) -> bool:
    return domain == zone or domain.endswith(f".{zone}")


def _rows(asked: Asked, zone: str) -> Iterator[Record]:
    given = {"HostedZoneId": zone, **({"StartRecordName": asked.domain} if asked.domain else {})}
    key, operation = "ResourceRecordSets", "list_resource_record_sets"
    for one in asked.account.listed("route53", asked.home, operation, key, MOST_RECORDS, **given).items:
        if one["Type"] not in ("A", "CNAME"):
            continue
        for target in _targets(one):
            yield Record(bare(one["Name"]), bare(target), str(one.get("HealthCheckId", "")))


def _targets(record: dict[str, Any]) -> list[str]:
    if "AliasTarget" in record:
        return [str(record["AliasTarget"]["DNSName"])]
    return [str(value["Value"]) for value in record.get("ResourceRecords", [])] if record["Type"] == "CNAME" else []
