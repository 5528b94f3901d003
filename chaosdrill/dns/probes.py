"""Probes of the domain: its addresses, their region, and whether resolvers agree."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws.polling import poll_until
from chaosdrill.aws.regions import region_named
from chaosdrill.client import resolve
from chaosdrill.client.chosen_host import ChosenHost
from chaosdrill.client.domain import is_seen_by_clients
from chaosdrill.dns.queries import ResolverResponses, query_domain
from chaosdrill.errors import BadInput, CannotSee, problem
from chaosdrill.history import record

__all__ = ["addresses", "answering_region", "answers_agree", "ttl_s"]


@probe
def addresses(
    domain: Optional[str] = None,
    seen_from: str = "client",
    nameserver: Optional[str] = None,
    resolvers: Optional[list[str]] = None,
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> list[str]:
    """Return the IPv4 addresses that a domain resolves to.

    :param domain: default: the topology's.
    :param seen_from: ``client``: on the client host, by ``dig`` through SSM Run Command (by ``getent`` where it has no
        ``dig``); ``here``: on this machine, by the topology's name server, or by the system's resolver when it names
        none; ``system``: by this machine's resolver.
    :param nameserver: the name server to query from there: its IP address, or address:port; default: the usual resolver
        of that place.
    :param resolvers: instead: several, each ``client``, ``here``, ``system`` or a name server that is queried from
        ``seen_from``; they must agree.
    :param region: region of the client host to query from, by name or as home, standby, active; default: the
        topology's.
    :param instance_id: the client host to query from; default: the topology's.
    :returns: the addresses, sorted; empty when the name has none.
    :raises ActivityFailed: when one does not answer, or answers with an error; when they do not agree.
    :source: https://www.rfc-editor.org/rfc/rfc1035#section-3.4.1
    """
    host = ChosenHost(region, instance_id)
    answers = query_domain(host.system(configuration, secrets), domain, seen_from, nameserver, resolvers, host)
    if not answers.agree:
        raise CannotSee(
            f"the resolvers do not agree on {answers.domain}: {answers}: ask one of them, or the probe answers_agree",
            code="dns-answers-differ",
        )
    return list(answers.addresses)


@probe
def answers_agree(
    resolvers: Optional[list[str]] = None,
    domain: Optional[str] = None,
    seen_from: str = "client",
    within_s: Optional[float] = None,
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> bool:
    """Return whether several resolvers give the same addresses for a domain. The answer of each is recorded in the
    run's history (``dns-answers``).

    :param resolvers: each ``client``, ``here``, ``system``, or a name server (IP address, or address:port) that is
        queried from ``seen_from``; default: the client host and here; where only the client host resolves the domain
        (``dns: {seen_from: client}`` in the topology), they must be named.
    :param domain: default: the topology's.
    :param seen_from: from where name servers in the list are queried: ``client``, ``here`` or ``system``.
    :param within_s: wait up to so many seconds until they agree; default: query once.
    :param region: of the client host, as for ``addresses``.
    :param instance_id: as for ``addresses``.
    :returns: true when all have the same addresses, also when all have none.
    :raises ActivityFailed: when one does not answer, or none is named and only the client host resolves the domain.
    :source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover.html
    """
    host = ChosenHost(region, instance_id)
    system = host.system(configuration, secrets)
    if resolvers is None and domain is None and is_seen_by_clients(system):
        text = (
            "resolvers: the topology's `dns:` says that only the client host resolves the domain, so nothing can be "
            "compared with it here: name the resolvers, such as [client, 10.0.0.2]"
        )
        raise BadInput([problem("argument-invalid", text)])
    chosen = ["client", "here"] if resolvers is None else resolvers

    def look() -> ResolverResponses:
        return query_domain(system, domain, seen_from, None, chosen, host)

    answers = poll_until(look, lambda seen: seen.agree, float(within_s or 0))
    record("dns-answers", domain=answers.domain, answers=answers.by_name, agree=answers.agree)
    return answers.agree


@probe
def answering_region(
    domain: Optional[str] = None,
    seen_from: str = "client",
    within_s: Optional[float] = None,
    expected: Optional[str] = None,
    nameserver: Optional[str] = None,
    resolvers: Optional[list[str]] = None,
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> str:
    """Return the region whose addresses a domain resolves to: they are in its range (``cidr`` in the topology), or its
    load balancer's own name (``arn``) resolves to them.

    :param domain: default: the topology's.
    :param seen_from: ``client``, ``here`` or ``system``, as for ``addresses``.
    :param within_s: wait up to so many seconds; default: query once.
    :param expected: the region to wait for (a name, or home, standby, active); default: any one region.
    :param nameserver: as for ``addresses``.
    :param resolvers: several, as for ``addresses``; all must resolve to one region.
    :param region: of the client host, as for ``addresses``.
    :param instance_id: as for ``addresses``.
    :returns: the region; ``several``, ``none``, or ``elsewhere`` for addresses of neither region; by the last query.
    :raises ActivityFailed: when one does not answer.
    :source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover.html
    """
    host = ChosenHost(region, instance_id)
    system = host.system(configuration, secrets)
    wanted = {region_named(system, expected)} if expected else set(system.topology.region_names)

    def look() -> str:
        answers = query_domain(system, domain, seen_from, nameserver, resolvers, host).each
        led_to = {resolve.answering_region(system, answer.addresses) for answer in answers.values()}
        return led_to.pop() if len(led_to) == 1 else "several"

    return poll_until(look, lambda region: region in wanted, float(within_s or 0))


@probe
def ttl_s(
    domain: Optional[str] = None,
    seen_from: Optional[str] = None,
    nameserver: Optional[str] = None,
    resolvers: Optional[list[str]] = None,
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> int:
    """Return how long a resolver may still cache the answer for a domain.

    :param domain: default: the topology's.
    :param seen_from: ``client``, ``here`` or ``system``, as for ``addresses``; default: according to the topology's
        ``dns:``, else ``here``.
    :param nameserver: as for ``addresses``.
    :param resolvers: several, as for ``addresses``; the longest time counts.
    :param region: of the client host, as for ``addresses``.
    :param instance_id: as for ``addresses``.
    :returns: seconds.
    :raises ActivityFailed: when one does not answer, the name has no address, or the client host has no ``dig`` to
        report it.
    :source: https://www.rfc-editor.org/rfc/rfc1035#section-3.2.1
    """
    host = ChosenHost(region, instance_id)
    system = host.system(configuration, secrets)
    answers = query_domain(
        system, domain, seen_from or ("client" if is_seen_by_clients(system) else "here"), nameserver, resolvers, host
    )
    told = [(resolver, answer.ttl_s) for resolver, answer in answers.each.items()]
    if untold := [str(resolver) for resolver, ttl in told if ttl is None]:
        raise CannotSee(
            f"the time to live of {answers.domain} is not reported by {', '.join(untold)}: it has no address, "
            "or there is no dig on the client host (dnf install bind-utils, apt-get install dnsutils)",
            code="dns-ttl-unknown",
        )
    return max(ttl for _, ttl in told if ttl is not None)
