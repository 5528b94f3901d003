"""Route 53 records that point to a load balancer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaosdrill.discovery.scope import DiscoveryScope

MOST_ZONES = 50
MOST_RECORDS = 300  # of a zone, read by one call


@dataclass(frozen=True)
class DnsRecord:
    """A name, its target, and the health check of its record; names as returned by :func:`bare`."""

    name: str
    target: str
    health_check: str


@dataclass(frozen=True)
class DnsRecords:
    """The records that were read.

    :param private: names of the private zones among the zones that were read.
    """

    rows: tuple[DnsRecord, ...]
    looked_at: str
    private: tuple[str, ...] = ()

    def only_in_vpcs(self, domain: str) -> bool:
        """Return whether the domain is in a private zone, so that it resolves in that zone's VPCs only."""
        return any(_holds(zone, domain) for zone in self.private)


def find_records(asked: DiscoveryScope) -> DnsRecords:
    """Read the records of the domain; without one, of every zone, up to a limit.

    :raises CannotSee: when the zones cannot be read.
    """
    listed = asked.account.listed("route53", asked.home, "list_hosted_zones", "HostedZones", MOST_ZONES)
    zones = [zone for zone in listed.items if asked.domain is None or _holds(bare(zone["Name"]), asked.domain)]
    rows = [row for zone in zones for row in _rows(asked, str(zone["Id"]))]
    private = tuple(bare(zone["Name"]) for zone in zones if (zone.get("Config") or {}).get("PrivateZone"))
    looked_at = f"{len(rows)} alias records in {len(zones)} of {listed.count('hosted zones')}"
    return DnsRecords(tuple(rows), looked_at, private)


def bare(name: str) -> str:
    """Return a DNS name in lower case, without the final dot and the console's prefix ``dualstack.``."""
    return name.lower().rstrip(".").removeprefix("dualstack.")


def _holds(zone: str, domain: str) -> bool:
    return domain == zone or domain.endswith(f".{zone}")


def _rows(asked: DiscoveryScope, zone: str) -> Iterator[DnsRecord]:
    given = {"HostedZoneId": zone, **({"StartRecordName": asked.domain} if asked.domain else {})}
    key, operation = "ResourceRecordSets", "list_resource_record_sets"
    for one in asked.account.listed("route53", asked.home, operation, key, MOST_RECORDS, **given).items:
        if one["Type"] not in ("A", "CNAME"):
            continue
        for target in _targets(one):
            yield DnsRecord(bare(one["Name"]), bare(target), str(one.get("HealthCheckId", "")))


def _targets(record: dict[str, Any]) -> list[str]:
    if "AliasTarget" in record:
        return [str(record["AliasTarget"]["DNSName"])]
    return [str(value["Value"]) for value in record.get("ResourceRecords", [])] if record["Type"] == "CNAME" else []
