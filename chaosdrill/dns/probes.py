"""Who answers for a domain."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import system_of
from chaosdrill.aws.polling import seen_within
from chaosdrill.aws.regions import region_named
from chaosdrill.client import resolve
from chaosdrill.errors import CannotSee

__all__ = ["addresses", "answering_region", "ttl_s"]


@probe
def addresses(
    domain: Optional[str] = None,
    seen_from: str = "client",
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> list[str]:
    """The IPv4 addresses that a domain resolves to.

    :param domain: default: the topology's.
    :param seen_from: ``client``: on the client host, through SSM; ``here``: by the topology's name server, or the
        system's resolver when it names none.
    :returns: the addresses, sorted; empty when the name has none.
    :raises ActivityFailed: when nobody answers.
    :source: the reference system's runbook, step 2-1
    """
    system = system_of(configuration, secrets)
    return list(resolve.resolve(system, domain or system.topology.domain, seen_from).addresses)


@probe
def answering_region(
    domain: Optional[str] = None,
    seen_from: str = "client",
    within_s: Optional[float] = None,
    expected: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> str:
    """The region whose addresses a domain resolves to.

    :param domain: default: the topology's.
    :param seen_from: ``client`` or ``here``, as for ``addresses``.
    :param within_s: wait up to so many seconds; default: look once.
    :param expected: the region to wait for (a name, or home, standby, active); default: any one region.
    :returns: the region; ``several``, ``none``, or ``elsewhere`` for addresses of neither, as seen last.
    :raises ActivityFailed: when nobody answers.
    :source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover.html
    """
    system = system_of(configuration, secrets)
    wanted = {region_named(system, expected)} if expected else set(system.topology.region_names)
    name = domain or system.topology.domain

    def look() -> str:
        return resolve.answering_region(system, resolve.resolve(system, name, seen_from).addresses)

    return seen_within(look, lambda region: region in wanted, within_s or 0)


@probe
def ttl_s(
    domain: Optional[str] = None,
    seen_from: str = "here",
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> int:
    """How long a domain's answer may be kept from now.

    :param domain: default: the topology's.
    :param seen_from: ``client`` or ``here``, as for ``addresses``.
    :returns: seconds.
    :raises ActivityFailed: when nobody answers, the name has no address, or the client host has no ``dig`` to tell it.
    :source: https://www.rfc-editor.org/rfc/rfc1035#section-3.2.1
    """
    system = system_of(configuration, secrets)
    domain = domain or system.topology.domain
    ttl = resolve.resolve(system, domain, seen_from).ttl_s
    if ttl is None:
        raise CannotSee(f"the time to live of {domain} is not told {seen_from}: look from here, or install dig there")
    return ttl
