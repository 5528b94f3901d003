"""Checks of the domain and of the load balancers behind it before a drill."""

from collections.abc import Iterator
from functools import partial

from chaosdrill.aws import System, elb
from chaosdrill.client import resolve
from chaosdrill.client.domain import is_seen_by_clients
from chaosdrill.client.resolvers import CLIENT, HERE
from chaosdrill.errors import CannotSee
from chaosdrill.parts.check_readings import or_warning, read_text
from chaosdrill.parts.interface import Check, CheckContext, Reading

LONGEST_TTL_S = 60  # AWS's recommendation for records with a health check
LONGEST_KEEP_ALIVE_S = 300
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
KEEP_ALIVE = "client_keep_alive.seconds"

_BALANCERS = "allow elasticloadbalancing:DescribeLoadBalancers, or correct `load_balancers:`"
_DOMAIN = "correct `domain:` or `load_balancers:`, or name a server under `dns:`"


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks: the load balancers exist, the domain resolves to one of them, and clients follow a change
    soon.
    """
    if not context.changes_regions():
        return
    system, topology = context.system, context.system.topology
    for region in topology.load_balancers:
        balancer = read_text(partial(_balancer, system, region))
        yield Check("load_balancers", "dns.load-balancer", region, _BALANCERS, balancer)
    yield Check("domain", "dns.domain", topology.domain, _DOMAIN, read_text(partial(_domain, system)))
    if context.moves():
        yield from _delays(context)


def _delays(context: CheckContext) -> Iterator[Check]:
    """List the checks of settings that keep clients on the old region."""
    system, topology = context.system, context.system.topology
    if context.on_host or not is_seen_by_clients(system):
        fix = f"lower the record's TTL to {LONGEST_TTL_S} s, or expect clients to follow that much later"
        ttl = or_warning(partial(_ttl, system), "unknown")
        yield Check("domain", "dns.ttl", f"TTL of {topology.domain}", fix, ttl, on_host=is_seen_by_clients(system))
    for region, balancer in topology.load_balancers.items():
        if balancer.arn is not None:
            fix = f"lower {KEEP_ALIVE} of the load balancer, or expect connections to stay that long"
            keep_alive = or_warning(partial(_keep_alive, system, region, balancer.arn), "unknown")
            yield Check("load_balancers", "dns.keep-alive", f"keep-alive in {region}", fix, keep_alive)


def _balancer(system: System, region: str) -> str:
    one = system.topology.load_balancers[region]
    if one.arn is None:
        return f"addresses in {one.cidr} (no ARN is named)"
    answer = resolve.resolve_here(system, elb.load_balancer_name(system, region, one.arn))
    if not answer.addresses:
        raise CannotSee(f"the load balancer {one.arn} has no addresses: is it active?", code="load-balancer-missing")
    return ", ".join(answer.addresses) + (f" in {one.cidr}" if one.cidr else "")


def _domain(system: System) -> str:
    topology = system.topology
    if is_seen_by_clients(system):  # it would need a command on the client host
        return f"resolved on {topology.client.instance_id} only, where a rehearsal looks it up"
    addresses = resolve.resolve_here(system, topology.domain).addresses
    region = resolve.answering_region(system, addresses)
    if region not in topology.region_names:
        raise CannotSee(
            f"{topology.domain} resolves to {', '.join(addresses) or 'nothing'}: of {region} region",
            code="address-region-unknown",
        )
    return f"{', '.join(addresses)}: {region}"


def _ttl(system: System) -> Reading:
    resolver = CLIENT if is_seen_by_clients(system) else HERE
    ttl_s = resolve.resolve(system, system.topology.domain, resolver).ttl_s
    if ttl_s is None:
        return Reading("unknown", "warning", "the time to live is not reported", code="dns-ttl-unknown")
    if ttl_s > LONGEST_TTL_S:
        why = f"clients may keep an address for {ttl_s} s after the domain leads elsewhere"
        return Reading(f"{ttl_s} s", "warning", why, code="dns-ttl-long")
    return Reading(f"{ttl_s} s")


def _keep_alive(system: System, region: str, arn: str) -> Reading:
    seconds = elb.attributes(system, region, arn).get(KEEP_ALIVE)
    if seconds is None:
        return Reading("not reported")
    if float(seconds) > LONGEST_KEEP_ALIVE_S:
        why = f"a client may use its connection for {seconds} s after the domain leads elsewhere"
        return Reading(f"{seconds} s", "warning", why, code="keep-alive-long")
    return Reading(f"{seconds} s")
