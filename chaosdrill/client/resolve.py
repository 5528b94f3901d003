"""Who answers for a name: as the client host sees it, or as a name server tells it here; and whose it is."""

import ipaddress
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dns.exception
import dns.resolver

from chaosdrill.aws import System, elb
from chaosdrill.client.commands import run_on_client
from chaosdrill.errors import BadInput, CannotSee

LOOKUP_S = 3.0
_NAME = re.compile(
    r"(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.?"
)
_NOT_FOUND_BY_GETENT = 2
UNKNOWN_REGION = "elsewhere"


@dataclass(frozen=True)
class Answer:
    """IPv4 addresses, sorted, and for how many more seconds the answer may be kept (None: not told)."""

    addresses: tuple[str, ...]
    ttl_s: int | None


def resolve(system: System, domain: str, seen_from: str) -> Answer:
    """Look a name up.

    :param seen_from: ``client``: on the client host; ``here``: the topology's name server or the system's resolver.
    :returns: what it resolves to.
    :raises BadInput: when the name or the place is none.
    :raises CannotSee: when nobody answers.
    """
    if not _NAME.fullmatch(domain):
        raise BadInput([f"domain {domain!r} is not a domain name: write one such as api.example.com"])
    if seen_from == "client":
        return seen_by_client(system, domain)
    if seen_from == "here":
        return seen_here(system, domain)
    raise BadInput([f"seen_from: {seen_from!r} is no place to look from: write client or here"])


def seen_by_client(system: System, domain: str) -> Answer:
    """Look a name up on the client host: with ``dig`` where it has it, as the runbook does, else with the C library.

    :returns: what it resolves to there.
    :raises CannotSee: when the host takes no commands, or nobody answers it.
    """
    name = shlex.quote(domain)
    script = (
        f"if command -v dig >/dev/null 2>&1; then echo dig; dig +noall +answer +time=2 +tries=2 {name} A; "
        f"else echo getent; getent ahostsv4 {name}; fi"
    )
    output = run_on_client(system, script, allowed_exit_codes=(0, _NOT_FOUND_BY_GETENT)).stdout
    tool, _, answer = output.partition("\n")
    if tool.strip() == "dig":
        return parsed_dig(answer)
    return parsed_getent(answer)


def parsed_dig(output: str) -> Answer:
    """:returns: the answer in the output of ``dig +noall +answer NAME A``: ``name TTL IN A address``, after CNAMEs.

    :raises CannotSee: when it complains.
    """
    if complaints := [line for line in output.splitlines() if line.startswith(";;")]:
        raise CannotSee(f"dig on the client host got no answer: {complaints[0].strip('; ')}")
    rows = [line.split() for line in output.splitlines() if line.strip()]
    addresses = [row[4] for row in rows if len(row) >= 5 and row[3] == "A"]
    ttls = [int(row[1]) for row in rows if len(row) >= 5]
    return Answer(_sorted(addresses), min(ttls, default=None))


def parsed_getent(output: str) -> Answer:
    """:returns: the answer in the output of ``getent ahostsv4 NAME``: each address three times, by kind of socket.

    :raises CannotSee: when there is none.
    """
    addresses = [line.split()[0] for line in output.splitlines() if line.strip()]
    if not addresses:
        raise CannotSee("the client host resolved no address, and getent does not tell whether anybody answered")
    return Answer(_sorted(addresses), None)


def seen_here(system: System, domain: str) -> Answer:
    """:returns: what the topology's name server answers, or the system's resolver when it names none.

    :raises CannotSee: when it does not answer.
    """
    server = system.topology.dns
    resolver = dns.resolver.Resolver(configure=server is None)
    if server is not None:
        resolver.nameservers, resolver.port = [server.nameserver], server.port
    try:
        found = resolver.resolve(domain, "A", lifetime=LOOKUP_S, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return Answer((), None)  # an answer, too: it has no address
    except (dns.exception.DNSException, OSError) as error:
        raise CannotSee(f"{domain} could not be resolved here: {error}") from error
    return Answer(_sorted(record.address for record in found), int(found.chaining_result.minimum_ttl))


def _sorted(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(address) for address in sorted({ipaddress.IPv4Address(address) for address in addresses}))


def regions_of(system: System, addresses: Sequence[str]) -> dict[str, str]:
    """Whose addresses they are: by CIDR, and for those in none, by asking which load balancer has them.

    :returns: region by address; ``elsewhere`` for an address of neither region.
    """
    balancers = system.topology.load_balancers
    found = by_cidr({name: one.cidr for name, one in balancers.items() if one.cidr}, addresses)
    if strangers := [address for address in addresses if address not in found]:
        for region, balancer in balancers.items():
            own = _own_addresses(system, region, balancer.arn) if balancer.arn else ()
            found |= {address: region for address in strangers if address in own}
    return {address: found.get(address, UNKNOWN_REGION) for address in addresses}


def by_cidr(cidrs: Mapping[str, str], addresses: Iterable[str]) -> dict[str, str]:
    """:returns: region by address, for the addresses that lie in a region's range."""
    return {
        address: region
        for address in addresses
        for region, cidr in cidrs.items()
        if ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
    }


def _own_addresses(system: System, region: str, arn: str) -> tuple[str, ...]:
    return seen_here(system, elb.load_balancer_name(system, region, arn)).addresses


def answering_region(system: System, addresses: Sequence[str]) -> str:
    """:returns: the region that all addresses belong to; ``none`` without addresses, ``several`` when they differ."""
    regions = set(regions_of(system, addresses).values())
    return regions.pop() if len(regions) == 1 else "several" if regions else "none"
