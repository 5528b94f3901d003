"""Queries of one domain to one or several resolvers, and whether their answers agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosdrill.aws import System
from chaosdrill.client import resolve
from chaosdrill.client.chosen_host import ChosenHost
from chaosdrill.client.resolvers import LookupPlace, resolver_of, resolvers_of


@dataclass(frozen=True)
class ResolverResponses:
    """The answer of each resolver."""

    domain: str
    each: Mapping[LookupPlace, resolve.Resolution]

    @property
    def agree(self) -> bool:
        """Whether all have the same addresses."""
        return len({answer.addresses for answer in self.each.values()}) == 1

    @property
    def addresses(self) -> tuple[str, ...]:
        """The first resolver's addresses, which are those of all when they agree."""
        return next(iter(self.each.values())).addresses

    @property
    def by_name(self) -> dict[str, list[str]]:
        """Addresses by the resolver's name."""
        return {str(resolver): list(answer.addresses) for resolver, answer in self.each.items()}

    def __str__(self) -> str:
        return "; ".join(f"{name}: {', '.join(found) or 'none'}" for name, found in self.by_name.items())


def query_domain(
    system: System,
    domain: str | None,
    seen_from: str,
    nameserver: str | None,
    resolvers: Sequence[str] | None,
    host: ChosenHost,
) -> ResolverResponses:
    """Query a domain (default: the topology's).

    :param system: with the client host that was chosen.
    :param host: the caller's choice of client host; naming one that is not used is an error.
    :raises BadInput: when resolvers or domain are invalid.
    :raises CannotSee: when one of them does not answer.
    """
    if resolvers is None:
        chosen = [resolver_of(seen_from, nameserver)]
    else:
        chosen = resolvers_of(seen_from, resolvers, nameserver)
    if not any(one.place == "client" for one in chosen):
        host.refuse("the client host is not queried", "write `seen_from: client`")
    name = domain or system.topology.domain
    return ResolverResponses(name, resolve.resolve_all(system, name, list(dict.fromkeys(chosen))))
