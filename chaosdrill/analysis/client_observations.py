"""The heartbeat's observations of a transition: outage noticed, DNS changed, first good response, service sustained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaosdrill.analysis.records import is_served
from chaosdrill.analysis.region_observations import Span, facts_changes
from chaosdrill.analysis.run import Run
from chaosdrill.analysis.transitions import Leg
from chaosdrill.messages import NOTHING, Sentence, sentence

if TYPE_CHECKING:
    from chaosdrill.analysis.records import Beats

ANY_REGION = sentence("heartbeat: the first good answer of every operation (the answers do not tell their region)")
NEW_REGION = sentence("heartbeat: the first good answer of every operation from the region that was entered")

NEW_ADDRESS = sentence(
    "heartbeat: the first good answer of every operation from an address of the region that was entered"
)


@dataclass(frozen=True)
class Served:
    """Moments of one transition as clients observed them; None when they were not observed."""

    noticed: Span | None = None
    dns_changed: Span | None = None
    first_good: Span | None = None
    first_good_how: Sentence = NEW_REGION
    sustained: Span | None = None
    sustained_how: Sentence = NOTHING


def served(run: Run, leg: Leg, fault: Span | None, sustained: Span | None, sustained_how: Sentence) -> Served:
    """Return the heartbeat's observations of a transition.

    :param fault: when its fault began, from which on clients may notice it.
    :param sustained: when service was sustained again; ``sustained_how``: the evidence.
    """
    if run.beats is None:
        return Served()
    since_ns = fault.by_ns if fault is not None and fault.by_ns < leg.since_ns else leg.since_ns
    first_good, how = _first_good(run.beats, leg)
    if sustained is not None and first_good is not None:  # not before the first good response
        sustained = Span(sustained.after_ns, max(sustained.by_ns, first_good.by_ns))
    return Served(
        _noticed(run.beats, since_ns, leg.until_ns), dns_changed(run, leg), first_good, how, sustained, sustained_how
    )


def _noticed(beats: "Beats", since_ns: int, until_ns: int) -> Span | None:
    import numpy

    inside = (beats.due_ns >= since_ns) & (beats.due_ns < until_ns) & ~is_served(beats)
    bad = numpy.flatnonzero(inside)
    if not bad.size:
        return None
    due_ns = int(beats.due_ns[bad[0]])
    waited_ns = min(int(beats.duration_us[bad[0]]) * 1000, round(beats.deadline_s * 1e9))
    return Span(due_ns, due_ns + waited_ns)


def dns_changed(run: Run, leg: Leg) -> Span | None:
    """Return when the client's own lookups first gave an address of the region that was entered."""
    if run.beats is None:
        return None
    old, new = addresses(run, leg)
    answers = [lookup for lookup in run.beats.lookups if lookup.addresses]
    before = next((set(one.addresses) for one in reversed(answers) if one.at_ns < leg.since_ns), old)
    if not before or (new and before <= new):
        return None  # the earlier addresses are unknown, or clients used the new ones already
    for lookup in answers:
        if leg.since_ns <= lookup.at_ns <= leg.effects_until_ns and _moved(set(lookup.addresses), before, new):
            return Span(lookup.at_ns, lookup.at_ns)  # until then the client used the previous response
    return None


def _moved(now: set[str], before: set[str], new: set[str]) -> bool:
    return now <= new if new else not now & before


def addresses(run: Run, leg: Leg) -> tuple[set[str], set[str]]:
    """Return the known addresses of the region that was left and of the region that was entered."""
    old: set[str] = set()
    new: set[str] = set()
    for look in facts_changes(run):
        if look.dns_regions == (leg.source,):
            old.update(look.addresses)
        elif look.dns_regions == (leg.destination,):
            new.update(look.addresses)
    if not old and run.beats is not None:
        before = [lookup for lookup in run.beats.lookups if lookup.at_ns < leg.since_ns and lookup.addresses]
        old = set(before[-1].addresses) if before else set()
    return old, new


def _first_good(beats: "Beats", leg: Leg) -> tuple[Span | None, Sentence]:
    import numpy

    named = NEW_ADDRESS if beats.by_address else NEW_REGION
    good = is_served(beats) & (beats.due_ns >= leg.since_ns) & (beats.due_ns < leg.effects_until_ns)
    tells = leg.destination in beats.regions
    if tells:
        good &= beats.region == list(beats.regions).index(leg.destination)
    elif any(beats.regions):
        return None, named  # the responses name their region, and it was never the new one
    spans = []
    for operation in range(len(beats.operations)):
        mine = numpy.flatnonzero(good & (beats.operation == operation))
        if not mine.size:
            return None, named
        due_ns = int(beats.due_ns[mine[0]])
        spans.append(Span(due_ns, due_ns + int(beats.duration_us[mine[0]]) * 1000))
    return (max(spans, key=_end) if spans else None), named if tells else ANY_REGION


def _end(span: Span) -> int:
    return span.by_ns


__all__: Sequence[str] = ("Served", "addresses", "dns_changed", "served")
