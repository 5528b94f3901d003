"""The region monitor's observations: the changes of the facts behind the region state.

Each change is known to lie between two reads.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from chaosdrill.analysis.run import Event, Run, at_ns

RESTORING = "opening-region"  # a rollback restores service; the event has the facts before it
LOOK_NS = 1_000_000_000  # the monitor's interval; used if a history does not record the times of the reads


@dataclass(frozen=True)
class FactsChange:
    """A change of the facts. Times are UTC nanoseconds by the recorder's clock.

    :param before_ns: when the previous facts were last read; None for the first read.
    :param by_ns: when these facts had been read.
    """

    before_ns: int | None
    by_ns: int
    state: str
    facts: Mapping[str, Any]

    def flag(self, region: str) -> bool | None:
        """Return whether the region was closed; None when that could not be read."""
        value = self._of("flag").get(region)
        return value if isinstance(value, bool) else None

    def routing(self, region: str) -> bool | None:
        """Return whether the region's routing control was On; None when that could not be read."""
        value = self._of("routing").get(region)
        return value == "On" if isinstance(value, str) else None

    @property
    def writer(self) -> str | None:
        """The region of the writer; ``several``, ``none``; None when that could not be read."""
        value = self.facts.get("writer")
        return value if isinstance(value, str) else None

    @property
    def dns_regions(self) -> tuple[str, ...] | None:
        """The regions of the addresses in the DNS response; None when it could not be read."""
        value = self._of("dns").get("regions")
        return tuple(map(str, value)) if isinstance(value, list) else None

    @property
    def published_in(self) -> tuple[str, ...] | None:
        """The regions of the published DNS response; None for a response that clients got, which may be cached."""
        return None if self._of("dns").get("seen_from") == "client" else self.dns_regions

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses in the DNS response."""
        value = self._of("dns").get("addresses")
        return tuple(map(str, value)) if isinstance(value, list) else ()

    @property
    def serving(self) -> str:
        """The region that served; empty when none did."""
        return self.state[len("serving(") : -1] if self.state.startswith("serving(") else ""

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions named in these facts."""
        return tuple(name for name in self._of("flag") if name != "error")

    def _of(self, fact: str) -> Mapping[str, Any]:
        value = self.facts.get(fact)
        return value if isinstance(value, Mapping) and "error" not in value else {}


@dataclass(frozen=True)
class Span:
    """A moment after ``after_ns`` (None: unknown) and not later than ``by_ns``."""

    after_ns: int | None
    by_ns: int


def facts_changes(run: Run) -> tuple[FactsChange, ...]:
    """Return the changes of the facts in order; if a history has only changes of the region state, return those."""
    watched = list(_looks(run.named("region-facts"))) or list(_looks(run.named("region-state")))
    restoring = [_with_others(look, at(watched, look.by_ns)) for look in _looks(run.named(RESTORING))]
    return tuple(sorted([*watched, *restoring], key=lambda look: look.by_ns))


def _with_others(look: FactsChange, before: FactsChange | None) -> FactsChange:
    """Return the facts of a read, completed by those that only the previous read has."""
    return look if before is None else replace(look, facts={**before.facts, **look.facts})


def _looks(events: Iterator[Event]) -> Iterator[FactsChange]:
    before_ns: int | None = None
    for event in events:
        written_ns = at_ns(event)
        by_ns = event.get("ended_ns") if isinstance(event.get("ended_ns"), int) else written_ns
        if by_ns is None or not isinstance(event.get("facts"), Mapping):
            continue
        previous = event.get("previous_ns")
        yield FactsChange(
            previous if isinstance(previous, int) else before_ns, by_ns, str(event.get("state")), event["facts"]
        )
        before_ns = by_ns


def observed_until_ns(run: Run) -> int:
    """Return when the facts were last read, changed or not.

    :returns: UTC nanoseconds by the recorder's clock; 0 when they were never read.
    """
    rows = [*run.named("region-facts"), *run.named("region-watched")]
    moments = [row.get(name) for row in rows for name in ("began_ns", "previous_ns", "last_ns")]
    return max((moment for moment in moments if isinstance(moment, int)), default=0)


def turned(
    seen: Sequence[FactsChange], since_ns: int, until_ns: int, wanted: Callable[[FactsChange], bool | None]
) -> Span | None:
    """Return when a condition first became true between two moments.

    :param wanted: whether the facts meet the condition; None: not readable.
    :returns: the time since it was last observed to be false; None when it was not observed to become true there.
    """
    false_ns: int | None = None
    was: bool | None = None
    for look, following in zip_longest(seen, seen[1:]):
        is_so = wanted(look)
        if is_so and not was and since_ns <= look.by_ns <= until_ns:
            return Span(false_ns, look.by_ns)
        if is_so is False:
            false_ns = (following.before_ns if following else None) or look.by_ns
        was = was if is_so is None else is_so
    return None


def regions_of_addresses(seen: Iterable[FactsChange]) -> dict[str, str]:
    """Map addresses to regions, from DNS responses with addresses of a single region.

    :returns: the region of each address; addresses that occur only in responses with several regions are left out.
    """
    alone = (look for look in seen if len(look.dns_regions or ()) == 1)
    found = ((address, (look.dns_regions or ("",))[0], look.regions) for look in alone for address in look.addresses)
    return {address: region for address, region, regions in found if region in regions}


def at(seen: Sequence[FactsChange], moment_ns: int) -> FactsChange | None:
    """Return the facts at a moment: those read last until then; None when none were."""
    return next((look for look in reversed(seen) if look.by_ns <= moment_ns), None)


def during(seen: Sequence[FactsChange], since_ns: int, until_ns: int) -> tuple[FactsChange, ...]:
    """Return all facts that held at some time between two moments."""
    inside = [look for look in seen if since_ns < look.by_ns <= until_ns]
    first = at(seen, since_ns)
    return (*([first] if first else []), *inside)
