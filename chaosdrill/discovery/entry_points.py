"""Clients' entry points: the domain and each region's load balancer, connected by Route 53's alias records."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from chaosdrill.discovery.dns_records import DnsRecord, bare, find_records
from chaosdrill.discovery.findings import Candidate, Note, ToFillIn, TopologyFinding, or_unknown, the_one
from chaosdrill.discovery.scope import DiscoveryScope
from chaosdrill.errors import CannotSee


@dataclass(frozen=True)
class Balancer:
    """A load balancer. ``name`` is its DNS name as in records."""

    arn: str
    name: str
    vpc: str
    kind: str


@dataclass(frozen=True)
class EntryPoints:
    """The domain, the load balancers, and the health check of each region's record, if it has one.

    :param private: whether the domain is in a private zone.
    """

    domain: TopologyFinding
    load_balancers: TopologyFinding
    health_checks: Mapping[str, str]
    private: bool


def find_entry(asked: DiscoveryScope) -> EntryPoints:
    """Find the load balancers, and the name with a record for one in each region."""
    how = f"aws elbv2 describe-load-balancers --region REGION{asked.cli}"
    balancers = {region: or_unknown(partial(_balancers, asked, region), how) for region in asked.regions}
    known = {region: () if isinstance(found, ToFillIn) else found for region, found in balancers.items()}
    records = or_unknown(lambda: find_records(asked), "the name that clients resolve, such as api.example.com")
    rows = () if isinstance(records, ToFillIn) else records.rows
    domain = asked.domain or (records if isinstance(records, ToFillIn) else _domain(rows, known))
    own = [row for row in rows if row.name == domain]
    chosen = {region: _balancer(region, balancers[region], own, how) for region in asked.regions}
    looked_at = ", ".join(f"{len(found)} load balancers of {region}" for region, found in known.items())
    seen = "no records" if isinstance(records, ToFillIn) else records.looked_at
    checks = {
        region: row.health_check
        for region, found in known.items()
        for row in own
        if row.health_check and any(row.target == one.name for one in found)
    }
    entries = TopologyFinding(_with_ranges(asked, chosen), f"{looked_at}; {seen}")
    private = not isinstance(records, ToFillIn) and isinstance(domain, str) and records.only_in_vpcs(domain)
    return EntryPoints(TopologyFinding(domain, "given" if asked.domain else seen), entries, checks, private)


def _balancers(asked: DiscoveryScope, region: str) -> tuple[Balancer, ...]:
    listed = asked.account.listed("elbv2", region, "describe_load_balancers", "LoadBalancers")
    return tuple(
        Balancer(str(one["LoadBalancerArn"]), bare(one["DNSName"]), str(one.get("VpcId", "")), str(one["Type"]))
        for one in listed.items
    )


def _domain(rows: tuple[DnsRecord, ...], balancers: Mapping[str, tuple[Balancer, ...]]) -> Any:
    regions_of: dict[str, set[str]] = {}
    for row in rows:
        for region, found in balancers.items():
            if any(row.target == one.name for one in found):
                regions_of.setdefault(row.name, set()).add(region)
    both = [name for name, regions in regions_of.items() if len(regions) == len(balancers)]
    candidates = [Candidate(name, ", ".join(sorted(regions_of[name]))) for name in both or regions_of]
    if both:
        return the_one(candidates, "name that leads to a load balancer of each region", "pick one, or give --domain")
    how = "the name that clients resolve, such as api.example.com; give it as --domain to find what it leads to"
    return ToFillIn("no record leads to a load balancer of each region", how, tuple(candidates))


def _balancer(
    region: str, found: tuple[Balancer, ...] | ToFillIn, own: list[DnsRecord], how: str
) -> Balancer | ToFillIn:
    """Return the load balancer of the domain's record; without such a record, the only application load balancer."""
    if isinstance(found, ToFillIn):
        return found
    led_to = [one for one in found if any(row.target == one.name for row in own)]
    fitting = led_to or [one for one in found if one.kind == "application"]
    if len(fitting) == 1:
        return fitting[0]
    candidates = tuple(Candidate({"arn": one.arn}, one.name) for one in fitting)
    to_domain = "that the domain leads to" if led_to else "(no alias record of the domain points to one)"
    number = f"{len(fitting)} application load balancers" if fitting else "no application load balancer"
    return ToFillIn(f"{number} of {region} {to_domain}", how, candidates)


def _with_ranges(asked: DiscoveryScope, chosen: Mapping[str, Balancer | ToFillIn]) -> dict[str, Any]:
    ranges = {region: _range(asked, region, one) for region, one in chosen.items() if isinstance(one, Balancer)}
    nets = [ipaddress.IPv4Network(text) for text in ranges.values() if isinstance(text, str)]
    if len(nets) == len(chosen) and nets[0].overlaps(nets[1]):
        overlap = Note(f"cidr is left out: {nets[0]} and {nets[1]} overlap, so the addresses are read from DNS")
        ranges = dict.fromkeys(ranges, overlap)
    return {
        region: {"arn": one.arn, "cidr": ranges[region]} if isinstance(one, Balancer) else one
        for region, one in chosen.items()
    }


def _range(asked: DiscoveryScope, region: str, balancer: Balancer) -> str | Note:
    try:
        answer = asked.account.ask("ec2", region, "describe_vpcs", VpcIds=[balancer.vpc])
    except CannotSee as error:
        return Note(f"cidr is left out, the addresses are read from DNS: {error}")
    found = answer.get("Vpcs", [])
    return str(found[0]["CidrBlock"]) if found else Note(f"cidr is left out: there is no VPC {balancer.vpc}")
