"""Rules on contradictions between clients and region facts: DNS, regions without service, writes that stay unserved."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaosdrill.analysis.client_observations import addresses, dns_changed
from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.records import is_served
from chaosdrill.analysis.region_observations import FactsChange, at, during
from chaosdrill.analysis.run import Run
from chaosdrill.analysis.transitions import Leg
from chaosdrill.messages import sentence

if TYPE_CHECKING:
    from chaosdrill.analysis.records import Beats

PROPAGATION_REFERENCE_S = 60.0  # from a routing control to the last of Route 53's name servers
FLAG_CACHE_REFERENCE_S = 10.0  # how long an application caches the stop flag
GRACE_S = 5.0
DEFAULT_TTL_S = 60.0
ENOUGH_BEATS = 20
MARGIN_S = 2.0
NS = 1_000_000_000
FACTS, HEARTBEAT = sentence("region facts"), sentence("heartbeat")


def dns(run: Run, leg: Leg, seen: Sequence[FactsChange], switched_ns: int | None, scale: float) -> Iterator[Finding]:
    """Find clients that got the old DNS response long after routing was switched and its TTL had passed.

    :param switched_ns: when the routing controls had been switched; None when that was not observed.
    """
    beats = run.beats
    if beats is None or switched_ns is None or not beats.lookups or not leg.destination:
        return
    old, new = addresses(run, leg)
    if old <= new:
        return  # they cannot be told apart
    until_ns = _routed_until(seen, leg)
    stayed = [one.at_ns for one in beats.lookups if switched_ns < one.at_ns <= until_ns and set(one.addresses) & old]
    if not stayed:
        return
    ttl_s = max((lookup.ttl_s for lookup in beats.lookups if lookup.ttl_s), default=DEFAULT_TTL_S)
    published = any(look.published_in == (leg.destination,) for look in during(seen, switched_ns, until_ns))
    late_s = (stayed[-1] - switched_ns) / 1e9
    if late_s <= ttl_s + GRACE_S + (0.0 if published else PROPAGATION_REFERENCE_S * scale):
        return
    text = sentence(
        "{movement}: clients still got the old DNS answer {seconds:.1f} s after routing was switched (TTL {ttl_s:g} s)",
        movement=leg.called,
        seconds=late_s,
        ttl_s=ttl_s,
    )
    name = "dns-ttl-ignored" if published else "dns-not-moved"
    yield finding(name, text, sentence("heartbeat: its lookups"), FACTS)


def _routed_until(seen: Sequence[FactsChange], leg: Leg) -> int:
    """Return until when routing led to the destination: a rollback may have switched it back."""
    switched = False
    for look in during(seen, leg.since_ns, leg.until_ns):
        if switched and look.routing(leg.destination) is False:
            return look.by_ns
        switched = switched or look.routing(leg.destination) is True
    return leg.until_ns


def not_served(run: Run, leg: Leg, seen: Sequence[FactsChange], scale: float) -> Iterator[Finding]:
    """Find a region that serves by the facts and by DNS while no client, or no write, is served."""
    beats = run.beats
    if beats is None or not leg.destination:
        return
    since_ns = _serving_since(run, leg, seen)
    if since_ns is None:
        return
    since_ns += round((FLAG_CACHE_REFERENCE_S * scale + MARGIN_S) * NS)
    good, bad = _by_operation(beats, since_ns, leg.until_ns)
    seconds = (leg.until_ns - since_ns) / 1e9
    if bad and not good:
        text = sentence(
            "{region} serves by every fact, and for {seconds:.1f} s not one beat was served",
            region=leg.destination,
            seconds=seconds,
        )
        yield finding("health-check-lied", text, FACTS, HEARTBEAT)
    elif "write" in bad:
        text = sentence(
            "after the {movement} {operations} recovered, and not one write was accepted in {seconds:.1f} s",
            movement=leg.called,
            operations=good,
            seconds=seconds,
        )
        yield finding("writes-not-recovered", text, HEARTBEAT)


def _serving_since(run: Run, leg: Leg, seen: Sequence[FactsChange]) -> int | None:
    """Return from when clients should have been served there; None if the facts never showed it, or not to the end."""
    said = [look for look in during(seen, leg.since_ns, leg.until_ns) if look.serving == leg.destination]
    moved = dns_changed(run, leg)
    led_ns = moved.by_ns if moved else None
    if not said or said[0].by_ns < leg.since_ns or (run.beats is not None and run.beats.lookups and led_ns is None):
        return None
    last = at(seen, leg.until_ns)
    if last is None or last.serving != leg.destination:
        return None
    return max(said[0].by_ns, led_ns or 0)


def _by_operation(beats: "Beats", since_ns: int, until_ns: int) -> tuple[list[str], list[str]]:
    """Return the operations with a served beat, and those with enough beats and none served."""
    inside, good = (beats.due_ns >= since_ns) & (beats.due_ns < until_ns), is_served(beats)
    served, unserved = [], []
    for number, operation in enumerate(beats.operations):
        mine = inside & (beats.operation == number)
        if (mine & good).any():
            served.append(operation.name)
        elif int(mine.sum()) >= ENOUGH_BEATS:
            unserved.append(operation.name)
    return served, unserved
