"""Name resolution on the client host or on this machine, and the region to which an address belongs."""

import ipaddress
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dns.exception
import dns.resolver
from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System, deadlines, elb
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.resolvers import CLIENT, HERE, LookupPlace
from chaosdrill.errors import BadInput, CannotSee, problem

LOOKUP_S = 3.0
COMMAND_S = 30.0
_NAME = re.compile(
    r"(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.?"
)
_STATUS = re.compile(r"->>HEADER<<- .*status: (\w+)")
_NOT_FOUND_BY_GETENT = 2
UNKNOWN_REGION = "elsewhere"


@dataclass(frozen=True)
class Resolution:
    """The IPv4 addresses of a name, sorted, and the remaining TTL in seconds (None: unknown)."""

    addresses: tuple[str, ...]
    ttl_s: int | None


def resolve(system: System, domain: str, resolver: LookupPlace) -> Resolution:
    """Resolve a name.

    :returns: its addresses.
    :raises BadInput: when it is not a domain name.
    :raises CannotSee: when no name server responds, or the response is an error.
    """
    if not _NAME.fullmatch(domain):
        text = f"domain {domain!r} is not a domain name: write one such as api.example.com"
        raise BadInput([problem("argument-invalid", text)])
    if resolver.place == "client":
        return resolve_on_client(system, domain, resolver)
    return resolve_here(system, domain, resolver)


def resolve_all(system: System, domain: str, resolvers: Sequence[LookupPlace]) -> dict[LookupPlace, Resolution]:
    """Resolve a name through several resolvers concurrently.

    :returns: the addresses by resolver.
    :raises CannotSee: when one of them does not respond.
    """
    with ThreadPoolExecutor(len(resolvers), thread_name_prefix="resolvers") as pool:
        answers = pool.map(deadlines.carried(lambda resolver: resolve(system, domain, resolver)), resolvers)
        return dict(zip(resolvers, answers, strict=True))


def resolve_on_client(
    system: System, domain: str, resolver: LookupPlace = CLIENT, within_s: float = COMMAND_S
) -> Resolution:
    """Resolve a name on the client host: with ``dig`` where it is installed, else with the C library.

    :param within_s: how long the command may take there, in seconds.
    :returns: the addresses that the client host resolves.
    :raises CannotSee: when the host accepts no commands, no name server responds, or it has no ``dig`` to query a name
        server.
    """
    script = lookup_script(domain, resolver)
    codes = (0, _NOT_FOUND_BY_GETENT)
    output = run_on_client(system, script, within_s, allowed_exit_codes=codes, reads="resolve-domain").stdout
    return parsed_lookup(output, resolver)


def lookup_script(domain: str, resolver: LookupPlace = CLIENT) -> str:
    """Return the script that resolves a name on the client host: see :func:`resolve_on_client`."""
    name, server = shlex.quote(domain), ""
    without_dig = f"echo getent; getent ahostsv4 {name}"
    if resolver.nameserver is not None:
        server = f"{shlex.quote(f'@{resolver.nameserver}')} -p {resolver.port:d} "
        without_dig = "echo none; command -v getent host nslookup drill kdig python3 || true"
    return (
        "if command -v dig >/dev/null 2>&1; "
        f"then echo dig; dig +noall +comments +answer +time=2 +tries=2 {server}{name} A; else {without_dig}; fi"
    )


def parsed_lookup(output: str, resolver: LookupPlace = CLIENT) -> Resolution:
    """Parse the output of :func:`lookup_script`.

    :raises CannotSee: when no name server responded, or there was no ``dig`` to query one.
    """
    tool, _, answer = output.partition("\n")
    if tool.strip() == "dig":
        return parsed_dig(answer)
    if tool.strip() == "getent":
        return parsed_getent(answer)
    there = ", ".join(path.rsplit("/", 1)[-1] for path in answer.split()) or "nothing of the kind"
    raise CannotSee(
        f"the client host has no dig, which is needed to query {resolver.nameserver} (there is: {there}): install it "
        "(dnf install bind-utils, apt-get install dnsutils), or leave out `nameserver`",
        code="dns-tool-missing",
    )


def parsed_dig(output: str) -> Resolution:
    """Parse the output of ``dig +noall +comments +answer NAME A``.

    After a header with the status it has lines ``name TTL IN A address``, after those of CNAMEs.

    :raises CannotSee: when no name server responded, or it responded with an error.
    """
    found = _STATUS.findall(output)
    if not found:
        said = next((line.strip("; ") for line in output.splitlines() if line.strip("; ")), "it printed nothing")
        raise CannotSee(f"dig on the client host got no response: {said}", code="dns-unanswered")
    if found[-1] not in ("NOERROR", "NXDOMAIN"):
        text = f"dig on the client host got the response {found[-1]}, which proves neither an address nor its absence"
        raise CannotSee(text, code="dns-response-unexpected")
    rows = [line.split() for line in output.splitlines() if line.strip() and not line.startswith(";")]
    addresses = [row[4] for row in rows if len(row) >= 5 and row[3] == "A"]
    ttls = [int(row[1]) for row in rows if len(row) >= 5]
    return Resolution(_sorted(addresses), min(ttls, default=None))


def parsed_getent(output: str) -> Resolution:
    """Parse the output of ``getent ahostsv4 NAME``, which lists each address three times, once per socket type.

    :raises CannotSee: when it lists no address.
    """
    addresses = [line.split()[0] for line in output.splitlines() if line.strip()]
    if not addresses:
        text = "the client host resolved no address, and getent does not report whether a server responded"
        raise CannotSee(text, code="dns-unanswered")
    return Resolution(_sorted(addresses), None)


def resolve_here(system: System, domain: str, resolver: LookupPlace = HERE) -> Resolution:
    """Resolve a name on this machine.

    The name server is the resolver's, else the topology's (not for ``system``), else the system's own.

    :raises CannotSee: when it does not respond.
    """
    named = system.topology.dns if resolver.place == "here" else None
    server, port = resolver.nameserver, resolver.port
    if server is None and named is not None:
        server, port = named.nameserver, named.port
    try:
        asked = dns.resolver.Resolver(configure=server is None)
        if server is not None:
            asked.nameservers, asked.port = [server], port
        found = asked.resolve(domain, "A", lifetime=LOOKUP_S, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return Resolution((), None)  # a valid response: the name has no address
    except (dns.exception.DNSException, OSError) as error:
        raise CannotSee(f"{domain} could not be resolved here: {error}", code="dns-unanswered") from error
    return Resolution(_sorted(record.address for record in found), int(found.chaining_result.minimum_ttl))


def _sorted(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(address) for address in sorted({ipaddress.IPv4Address(address) for address in addresses}))


def regions_of(system: System, addresses: Sequence[str]) -> dict[str, str]:
    """Return the region of each address: by CIDR, else by resolving the regions' load balancers.

    :returns: region by address; ``elsewhere`` for an address of neither region.
    :raises CannotSee: when an address remains unassigned, and a load balancer that may have it could not be read.
    """
    balancers = system.topology.load_balancers
    found = by_cidr({name: one.cidr for name, one in balancers.items() if one.cidr}, addresses)
    silent = []
    for region, balancer in balancers.items():
        strangers = [address for address in addresses if address not in found]
        if not strangers or not balancer.arn:
            continue
        try:
            own = _own_addresses(system, region, balancer.arn)
        except (CannotSee, ClientError, BotoCoreError) as error:
            silent.append(f"{region}: {error}")
        else:
            found |= {address: region for address in strangers if address in own}
    if silent and any(address not in found for address in addresses):
        text = f"the regions of {', '.join(addresses)} are unknown: {'; '.join(silent)}"
        raise CannotSee(text, code="address-region-unknown")
    return {address: found.get(address, UNKNOWN_REGION) for address in addresses}


def by_cidr(cidrs: Mapping[str, str], addresses: Iterable[str]) -> dict[str, str]:
    """Return the region of each address that lies in a region's CIDR range."""
    return {
        address: region
        for address in addresses
        for region, cidr in cidrs.items()
        if ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
    }


def _own_addresses(system: System, region: str, arn: str) -> tuple[str, ...]:
    return resolve_here(system, elb.load_balancer_name(system, region, arn)).addresses


def answering_region(system: System, addresses: Sequence[str]) -> str:
    """Return the region to which all addresses belong; ``none`` without addresses, ``several`` when they differ."""
    regions = set(regions_of(system, addresses).values())
    return regions.pop() if len(regions) == 1 else "several" if regions else "none"
