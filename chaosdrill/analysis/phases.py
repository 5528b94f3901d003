"""The phases of each transition: when each was reached, by which evidence, and whether they add up to the whole.

A phase is a moment that lies between two observations: two samples, the beginning and the end of a state, two beats.
Several pieces of evidence narrow it down. If they exclude each other, the contradiction is recorded, and observations
count rather than what the state machine or the action reports about itself. Without evidence a phase is "not seen".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from chaosdrill.analysis.client_observations import Served
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.region_observations import (
    FactsChange,
    Span,
    at,
    during,
    facts_changes,
    observed_until_ns,
    turned,
)
from chaosdrill.analysis.run import Run, at_ns
from chaosdrill.analysis.transitions import Leg, TransitionStep
from chaosdrill.messages import NOTHING, Name, Sentence, sentence

REPLICATION_PAUSE = "replication-pause"  # a kind of fault that clients do not notice

FAULT, NOTICED, STARTED = "fault", "noticed", "failover-started"
FLAG_CLOSED, ROUTING, DATABASE, FLAG_OPENED = "flag-closed", "routing-switched", "database-switched", "flag-opened"
DNS, FIRST_GOOD, SUSTAINED = "dns-changed", "first-good-answer", "sustained"

# each with the phase that it is counted from; a budget is for the time between the two
PHASES: Mapping[str, str] = {
    FAULT: "",
    NOTICED: FAULT,
    STARTED: FAULT,
    FLAG_CLOSED: STARTED,
    ROUTING: FLAG_CLOSED,
    DATABASE: ROUTING,
    FLAG_OPENED: DATABASE,
    DNS: ROUTING,
    FIRST_GOOD: FLAG_OPENED,
    SUSTAINED: FIRST_GOOD,
}
UNSERVED = sentence("heartbeat: the first beat that was not served")
TOLERANCE_NS = 2_000_000_000  # how far the clock of Step Functions and the recorder's may differ
NOT_SEEN = sentence("not seen")

# states of the failover's state machines that do what a phase is named after, see docs/judging.md
_DONE_BY: Mapping[str, tuple[str, str]] = {  # phase: first and last state
    FLAG_CLOSED: ("StopSource", "StopSource"),
    ROUTING: ("SwitchRoute53Arc", "SwitchRoute53Arc"),
    DATABASE: ("SwitchOver", "IsClusterAvailable?"),
    FLAG_OPENED: ("StartDestination", "StartDestination"),
}


@dataclass(frozen=True)
class Phase:
    """One moment of a transition.

    :param at_ns: by when it was reached, UTC nanoseconds by the recorder's clock; None when it was not observed.
    :param uncertainty_s: how much earlier it may have been reached; None: unknown.
    :param since: the phase that ``seconds`` is counted from, which must come before.
    :param seconds: the time from that phase; None when one of the two was not observed.
    :param evidence: its evidence, or why there is none.
    """

    name: str
    at_ns: int | None
    uncertainty_s: float | None
    evidence: tuple[Sentence, ...]
    since: str = ""
    seconds: float | None = None

    @property
    def took(self) -> Measured | None:
        """How long it took, with its uncertainty; None when it was not observed."""
        if self.seconds is None:
            return None
        return Measured(self.seconds, "s", NOTHING, resolution=0.001, uncertainty=self.uncertainty_s)

    def in_words(self) -> Sentence:
        """Return how long it took, and after what; empty when it was not observed."""
        took = self.took
        if took is None:
            return NOTHING
        return sentence("{took} after {since}", took=took.in_words(), since=Name("moment", self.since))

    def as_json(self) -> dict[str, Any]:
        """Return the phase as JSON values."""
        return {"name": self.name, "at_ns": self.at_ns, "since": self.since, "seconds": self.seconds,
                "uncertainty_s": self.uncertainty_s, "evidence": list(self.evidence)}  # fmt: skip


@dataclass(frozen=True)
class LegPhases:
    """The phases of one transition, in the order of ``PHASES``.

    :param whole_s: the time from the first observed phase to the last.
    :param contradictions: evidence that excludes other evidence, in sentences.
    """

    leg: Leg
    phases: tuple[Phase, ...]
    whole_s: float | None
    contradictions: tuple[Sentence, ...]

    def named(self, name: str) -> Phase:
        """Return the phase of that name."""
        return next(phase for phase in self.phases if phase.name == name)

    def as_json(self) -> dict[str, Any]:
        """Return the phases as JSON values."""
        return {
            "what": self.leg.what,
            "from": self.leg.source,
            "to": self.leg.destination,
            "whole_s": self.whole_s,
            "phases": [phase.as_json() for phase in self.phases],
            "contradictions": list(self.contradictions),
        }


@dataclass(frozen=True)
class _Evidence:
    span: Span
    what: Sentence
    seen: bool = True  # observed independently, not reported by what made the change


def phases_of(run: Run, leg: Leg, fault: Span | None, served: Served) -> LegPhases:
    """Return the phases of one transition.

    :param fault: when the fault began that this transition responds to; None without one.
    :param served: what the heartbeat observed during the transition.
    """
    told: list[Sentence] = []
    seen = facts_changes(run)
    found: dict[str, Phase] = {
        FAULT: _phase(FAULT, [_Evidence(fault, sentence("history: the fault's activity"))] if fault else [], told),
        STARTED: _phase(STARTED, [_Evidence(Span(leg.started_after_ns, leg.since_ns), _beginning(leg))], told),
        NOTICED: _phase(NOTICED, _of_clients(served.noticed, UNSERVED), told),
        DNS: _phase(DNS, _of_clients(served.dns_changed, sentence("heartbeat: its lookups")), told),
        FIRST_GOOD: _phase(FIRST_GOOD, _of_clients(served.first_good, served.first_good_how), told),
        SUSTAINED: _phase(SUSTAINED, _of_clients(served.sustained, served.sustained_how), told),
    }
    for name in _DONE_BY:
        found[name] = _of_change(run, leg, name, seen, told)
    told += _disorder(found, _writes(run)) + _not_the_whole(leg, found)
    timed = tuple(_with_seconds(found[name], found) for name in PHASES)
    moments = [phase.at_ns for phase in timed if phase.at_ns is not None]
    whole_s = (max(moments) - min(moments)) / 1e9 if len(moments) > 1 else None
    return LegPhases(leg, timed, whole_s, tuple(told))


def fault_of(run: Run) -> Span | None:
    """Return when the run's first fault that clients notice began: between its request and its effect."""
    for event in run.named("fault-started"):
        if event.get("kind") == REPLICATION_PAUSE:
            continue
        asked = [moment for one in run.named("fault-injecting") if (moment := at_ns(one)) is not None]
        by_ns = at_ns(event)
        if by_ns is not None:
            return Span(max((one for one in asked if one <= by_ns), default=None), by_ns)
    for event in run.named("activity-ended"):
        output = event.get("output")
        done = isinstance(output, Mapping) and output.get("done") is True
        by_ns = at_ns(event)
        if event.get("func") == "set_desired_count" and event.get("phase") == "method" and done and by_ns is not None:
            return Span(None, by_ns)
    return None


def _beginning(leg: Leg) -> Sentence:
    if leg.by_machine:
        return sentence("Step Functions: the execution's start")
    return sentence("history: the first action")


def _of_clients(span: Span | None, what: Sentence) -> list[_Evidence]:
    return [_Evidence(span, what)] if span else []


def _of_change(run: Run, leg: Leg, name: str, seen: Sequence[FactsChange], told: list[Sentence]) -> Phase:
    """Find a phase that a state or an action should have brought about.

    The end of that state or action is no evidence if the facts, read after it, deny the phase.
    """
    said = _of_steps(leg, name)
    if said and observed_until_ns(run) > said[0].span.by_ns and leg.destination and denied(leg, name, seen):
        why = sentence("{said}, but region facts: it never was so", said=said[0].what)
        return Phase(name, None, None, (why,), PHASES[name])
    return _phase(name, [*said, *_of_looks(leg, name, seen)], told)


def denied(leg: Leg, name: str, seen: Sequence[FactsChange]) -> bool:
    """Return whether the facts deny a phase: they were readable since the transition began, and none showed it.

    Facts that could not be read at all deny nothing.
    """
    after = [look for look in during(seen, leg.since_ns, leg.effects_until_ns) if look.by_ns >= leg.since_ns]
    last = at(seen, leg.effects_until_ns)
    answers = [holds(name, look, leg) for look in [*after, *([last] if last else [])]]
    return not any(answers) and any(answer is False for answer in answers)


def _of_steps(leg: Leg, name: str) -> list[_Evidence]:
    first, last = _DONE_BY[name]
    began = next((step for step in leg.steps if step.name == first), None)
    ended = next((step for step in leg.steps if step.name == last), began)
    if began is not None and ended is not None and ended.until_ns is not None:
        what = sentence("Step Functions: {state}", state=first)
        if ended.name != first:
            what = sentence("Step Functions: {first} to {last}", first=first, last=ended.name)
        return [_Evidence(Span(began.since_ns, ended.until_ns), what, seen=False)]
    by_hand = [step for step in leg.steps if _does(step, name, leg)]
    return [
        _Evidence(Span(step.since_ns, step.until_ns), sentence("history: {event}", event=step.name), seen=False)
        for step in by_hand[:1]
        if step.until_ns is not None
    ]


def was_done(leg: Leg, name: str) -> bool:
    """Return whether a step of the transition was meant to do what the phase is named after."""
    return bool(_of_steps(leg, name))


def _does(step: TransitionStep, name: str, leg: Leg) -> bool:
    if name in (FLAG_CLOSED, FLAG_OPENED):
        return step.name == "set_stop_flag" and step.arguments.get("is") is (name == FLAG_CLOSED)
    if name == ROUTING:
        return step.name == "set_routing"
    return step.name in ("switch_over_database", "fail_over_database")


def _of_looks(leg: Leg, name: str, seen: Sequence[FactsChange]) -> list[_Evidence]:
    if not leg.source or not leg.destination:
        return []
    span = turned(seen, leg.since_ns - TOLERANCE_NS, leg.effects_until_ns, lambda look: holds(name, look, leg))
    if span is None:
        return []
    began_ns = min(leg.since_ns, span.by_ns)  # the transition changed nothing before it began
    return [_Evidence(Span(max(span.after_ns or began_ns, began_ns), span.by_ns), sentence("region facts"))]


def holds(name: str, look: FactsChange, leg: Leg) -> bool | None:
    """Return whether the facts of a reading show the phase; None when they were not readable."""
    if name == FLAG_CLOSED:
        return look.flag(leg.source)
    if name == FLAG_OPENED:
        closed = look.flag(leg.destination)
        return None if closed is None else not closed
    if name == ROUTING:
        on, off = look.routing(leg.destination), look.routing(leg.source)
        return None if on is None or off is None else on and not off
    return None if look.writer is None else look.writer == leg.destination


def _phase(name: str, evidence: Sequence[_Evidence], told: list[Sentence]) -> Phase:
    if not evidence:
        return Phase(name, None, None, (NOT_SEEN,), PHASES[name])
    span = _narrowed([one.span for one in evidence])
    if span is None:
        said, saw = (next((one for one in evidence if one.seen is seen), evidence[0]) for seen in (False, True))
        told.append(
            sentence(
                "{phase}: {said} ended it {seconds:.1f} s {when} {saw} saw it",
                phase=Name("moment", name),
                said=said.what,
                seconds=abs(saw.span.by_ns - said.span.by_ns) / 1e9,
                when=sentence("before") if said.span.by_ns < saw.span.by_ns else sentence("after"),
                saw=saw.what,
            )
        )
        span, evidence = saw.span, [saw]
    known_s = (span.by_ns - span.after_ns) / 1e9 if span.after_ns is not None else None
    return Phase(name, span.by_ns, known_s, tuple(one.what for one in evidence), PHASES[name])


def _narrowed(spans: Iterable[Span]) -> Span | None:
    """Return where all spans overlap; None when they exclude each other by more than clocks may differ."""
    spans = list(spans)
    by_ns = min(span.by_ns for span in spans)
    after = [span.after_ns for span in spans if span.after_ns is not None]
    if after and max(after) > by_ns + TOLERANCE_NS:
        return None
    return Span(min(max(after), by_ns) if after else None, by_ns)


def _with_seconds(phase: Phase, found: Mapping[str, Phase]) -> Phase:
    """Add the time since the previous phase; if that was not observed, since the phase before it."""
    since = phase.since
    while since and found[since].at_ns is None:
        since = PHASES[since]
    before_ns = found[since].at_ns if since else None
    if phase.at_ns is None or before_ns is None:
        return phase
    seconds = (phase.at_ns - before_ns) / 1e9
    return Phase(phase.name, phase.at_ns, phase.uncertainty_s, phase.evidence, since, seconds)


def _writes(run: Run) -> bool:
    return run.beats is not None and any(operation.name == "write" for operation in run.beats.operations)


def _disorder(found: Mapping[str, Phase], writes: bool) -> list[Sentence]:
    told = []
    for name, since in PHASES.items():
        if name == FIRST_GOOD and not writes:
            continue  # the stop flag does not stop reads
        later, earlier = found[name], found[since] if since else None
        if earlier is None or later.at_ns is None or earlier.at_ns is None:
            continue
        surely_ns = earlier.at_ns - round((earlier.uncertainty_s or 0.0) * 1e9)
        if later.at_ns < surely_ns - TOLERANCE_NS:
            told.append(
                sentence(
                    "{phase} was seen {seconds:.1f} s before {since}",
                    phase=Name("moment", name),
                    seconds=(earlier.at_ns - later.at_ns) / 1e9,
                    since=Name("moment", since),
                )
            )
    return told


def _not_the_whole(leg: Leg, found: Mapping[str, Phase]) -> list[Sentence]:
    """Compare the sum of the phases from start to opening with the duration that the execution reports."""
    moments = [found[name].at_ns for name in (STARTED, FLAG_CLOSED, ROUTING, DATABASE, FLAG_OPENED)]
    if leg.seconds is None or any(moment is None for moment in moments):
        return []
    parts = [(after - before) / 1e9 for before, after in pairwise(moments) if before is not None and after is not None]
    if abs(sum(parts) - leg.seconds) <= TOLERANCE_NS / 1e9:
        return []
    return [
        sentence(
            "the phases from its start to the opening make {sum_s:.1f} s, the execution says {said_s:.1f} s",
            sum_s=sum(parts),
            said_s=leg.seconds,
        )
    ]
