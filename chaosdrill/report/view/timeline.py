"""The waterfall: activities, phases, facts and states of the regions, and outages, over time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from chaosdrill.analysis import metrics
from chaosdrill.analysis.clocks import offset_of
from chaosdrill.analysis.phases import FAULT, PHASES, REPLICATION_PAUSE, LegPhases, Phase
from chaosdrill.analysis.region_observations import FactsChange, facts_changes, regions_of_addresses
from chaosdrill.analysis.run import Event
from chaosdrill.analysis.states import state_in_words
from chaosdrill.analysis.transitions import Leg
from chaosdrill.analysis.untrusted_json import mapping, number, sequence
from chaosdrill.messages import Name, sentence
from chaosdrill.report.view.inputs import NS, ReportInputs, label, timed
from chaosdrill.report.view.regions import region_role

DRILL, PHASE, CONTROL, STATE, FAULTS, CLIENTS = GROUPS = ("drill", "phases", "control", "state", "faults", "clients")
ASKING = ("ssm", "SendCommand")


@dataclass(frozen=True)
class Bar:
    """A period in a lane. Times are UTC nanoseconds.

    :param colour: the role of its colour.
    :param label: its text, shown where there is room.
    :param told: details beyond its label and its times.
    :param ended: whether its end was observed.
    """

    since_ns: int
    until_ns: int
    colour: str
    label: str
    told: str = ""
    ended: bool = True


@dataclass(frozen=True)
class Lane:
    """A row of the waterfall.

    :param group: one of ``GROUPS``.
    :param name: a key of the catalogue, or text of the run.
    """

    group: str
    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class TimelineSection:
    """A section of the time axis to zoom into: a transition with a margin before and after it."""

    name: str
    since_ns: int
    until_ns: int


@dataclass(frozen=True)
class Timeline:
    """Everything on the time axis except the measurements of clients.

    :param zero_ns: the zero of relative times: the opening of the drill.
    """

    zero_ns: int
    until_ns: int
    lanes: tuple[Lane, ...]
    parts: tuple[TimelineSection, ...] = ()


def timeline(given: ReportInputs, regions: Sequence[str]) -> Timeline | None:
    """Return the waterfall; None when the history has no times.

    :param regions: the regions in the order of their colours.
    """
    span = given.span_ns
    if span is None:
        return None
    end_ns = span[1]
    seen = facts_changes(given.run)
    lanes = [
        Lane(DRILL, "phase", tuple(_phases_of_drill(given, end_ns))),
        *_activities(given, end_ns),
        *_of_movements(given.judgement.movements),
        *_executions(given),
        Lane(CONTROL, "fis", tuple(_fis(given, end_ns))),
        Lane(CONTROL, "calls", tuple(_calls(given))),
        *_facts(seen, end_ns, regions),
        Lane(STATE, "region-state", tuple(_states(seen, end_ns, regions))),
        Lane(FAULTS, "fault", tuple(_faults(given, end_ns))),
        *_outages(given),
        Lane(CLIENTS, "lookups", tuple(_lookups(given, seen, regions))),
    ]
    parts = tuple(_part(one, number) for number, one in enumerate(given.judgement.movements))
    return Timeline(span[0], end_ns, tuple(lane for lane in lanes if lane.bars), parts)


def _phases_of_drill(given: ReportInputs, end_ns: int) -> Iterator[Bar]:
    found = [(moment, label(event.get("phase"))) for moment, event in timed(given.run.named("phase"))]
    if not found:
        return
    opened = [moment for moment, _ in timed(given.run.named("drill-opened"))][:1]
    starts = [*((moment, "opening") for moment in opened), *found]
    for (since_ns, name), (until_ns, _) in pairwise([*starts, (end_ns, "")]):
        yield Bar(since_ns, until_ns, "neutral-faint", name)


def _activities(given: ReportInputs, end_ns: int) -> Iterator[Lane]:
    """Yield two lanes: actions and probes."""
    bars: dict[str, list[Bar]] = {"action": [], "probe": []}
    begun: dict[tuple[Any, Any], tuple[int, Event]] = {}
    for moment, event in timed(given.run.named("activity-started", "activity-ended")):
        key = (label(event.get("phase")), label(event.get("activity")))
        if event["event"] == "activity-started":
            begun[key] = (moment, event)
            continue
        since_ns = begun.pop(key, (_begun_ns(moment, event), event))[0]
        kind = "action" if event.get("type") == "action" else "probe"
        bars[kind].append(_activity(event, since_ns, moment, True))
    for since_ns, event in begun.values():
        kind = "action" if event.get("type") == "action" else "probe"
        bars[kind].append(_activity(event, since_ns, end_ns, False))
    return (Lane(DRILL, kind, tuple(them)) for kind, them in bars.items())


def _begun_ns(ended_ns: int, event: Event) -> int:
    """Return the beginning of a step from its end and its duration.

    A journal of plain Chaos Toolkit has only the end as an event.
    """
    return ended_ns - round((number(event.get("duration_s")) or 0.0) * NS)


def _activity(event: Event, since_ns: int, until_ns: int, ended: bool) -> Bar:
    bad = event.get("status") not in (None, "succeeded") or event.get("tolerance_met") is False
    kind = "action" if event.get("type") == "action" else "probe"
    what = {"stage": Name("stage", label(event.get("phase"))), "activity": label(event.get("func"))}
    told = sentence("{stage}: {activity}", **what)
    if ended:
        told = sentence("{stage}: {activity}, {status}", **what, status=Name("status", label(event.get("status"))))
    return Bar(since_ns, until_ns, "bad" if bad else kind, label(event.get("activity")), told, ended)


def _of_movements(movements: Iterable[LegPhases]) -> Iterator[Lane]:
    """Yield a lane for each phase, so that the phases of a transition form stairs."""
    moved = list(movements)
    for name in PHASES:
        bars = [bar for one in moved for bar in _stair(one, name)] if name != FAULT else []
        yield Lane(PHASE, name, tuple(bars))


def _stair(movement: LegPhases, name: str) -> Iterator[Bar]:
    phase = movement.named(name)
    before_ns = movement.named(phase.since).at_ns if phase.since else None
    if phase.at_ns is None or phase.seconds is None or before_ns is None:
        return
    told = sentence(
        "{movement}: {took}; {evidence}", movement=movement.leg.called, took=phase.in_words(), evidence=phase.evidence
    )
    since_ns, until_ns = sorted((before_ns, phase.at_ns))
    yield Bar(since_ns, until_ns, "phase", _seconds_of(phase), told)


def _seconds_of(phase: Phase) -> str:
    return sentence("{seconds:.1f} s", seconds=phase.seconds) if phase.seconds is not None else ""


def _executions(given: ReportInputs) -> Iterator[Lane]:
    legs = [one.leg for one in given.judgement.movements]
    bars = [bar for leg in legs if leg.by_machine for bar in _machine(leg)]
    yield Lane(CONTROL, "step-functions", tuple(bars))


def _machine(leg: Leg) -> Iterator[Bar]:
    for step in leg.steps:
        until_ns = step.until_ns if step.until_ns is not None else leg.until_ns
        yield Bar(step.since_ns, until_ns, "machine", step.name, leg.called, step.until_ns is not None)


def _fis(given: ReportInputs, end_ns: int) -> Iterator[Bar]:
    healed = [moment for moment, _ in timed(given.run.named("fault-healed"))]
    for moment, event in timed(given.run.named("fault-started")):
        until_ns = next((one for one in healed if one >= moment), None)
        name = label(event.get("experiment"))
        yield Bar(
            moment, until_ns or end_ns, "machine", f"FIS {name}", label(event.get("region")), until_ns is not None
        )


def _calls(given: ReportInputs) -> Iterator[Bar]:
    """Yield the calls that change something.

    Commands on the client host are left out: they are polls, and occur every second.
    """
    for moment, event in timed(given.run.named("aws-call")):
        service, operation = label(event.get("service")), label(event.get("operation"))
        if (service, operation) == ASKING:
            continue
        failed = label(event.get("error"))
        told = ", ".join(filter(None, (label(event.get("region")), label(event.get("request_id")), failed)))
        yield Bar(moment, moment, "bad" if failed else "action", f"{service} {operation}", told)


def _faults(given: ReportInputs, end_ns: int) -> Iterator[Bar]:
    healed = [moment for moment, _ in timed(given.run.named("fault-healed"))]
    begun = list(timed(given.run.named("fault-injecting", "fault-started")))
    fault: Mapping[str, Any] = {}
    for moment, event in begun:
        if event["event"] == "fault-injecting":
            fault = mapping(event.get("fault"))
            continue
        until_ns = next((one for one in healed if one >= moment), None)
        percent = number(fault.get("percent"))
        name = sentence("fault") if percent is None else sentence("packet loss {percent:g} %", percent=percent)
        name = sentence("replication paused") if event.get("kind") == REPLICATION_PAUSE else name
        sources = ", ".join(map(label, sequence(fault.get("sources"))))
        yield Bar(moment, until_ns or end_ns, "fault", name, sources, until_ns is not None)
        fault = {}


def _facts(seen: Sequence[FactsChange], end_ns: int, regions: Sequence[str]) -> Iterator[Lane]:
    """Yield which region was open, routed to, writer, and in the DNS response; a gap is the time between two reads."""

    def opened(look: FactsChange) -> str:
        flags = {name: look.flag(name) for name in look.regions}
        return (
            "unknown" if None in flags.values() or not flags else _those([n for n, shut in flags.items() if not shut])
        )

    def routed(look: FactsChange) -> str:
        states = {name: look.routing(name) for name in look.regions}
        return "unknown" if None in states.values() or not states else _those([n for n, on in states.items() if on])

    def answered(look: FactsChange) -> str:
        return "unknown" if look.dns_regions is None else _those(look.dns_regions)

    def wrote(look: FactsChange) -> str:
        return look.writer or "unknown"

    for name, fact in (("stop-flag", opened), ("arc", routed), ("aurora", wrote), ("dns", answered)):
        yield Lane(CONTROL, name, tuple(_periods(seen, end_ns, fact, regions)))


def _those(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _states(seen: Sequence[FactsChange], end_ns: int, regions: Sequence[str]) -> Iterator[Bar]:
    def state(look: FactsChange) -> str:
        return look.state

    return _periods(seen, end_ns, state, regions)


def _periods(seen: Sequence[FactsChange], end_ns: int, fact: Any, regions: Sequence[str]) -> Iterator[Bar]:
    """Yield the periods of a value, from the first read that had it to the last."""
    changes: list[tuple[FactsChange, str]] = []
    for look in seen:
        value = fact(look)
        if not changes or changes[-1][1] != value:
            changes.append((look, value))
    for number_, (look, value) in enumerate(changes):
        following = changes[number_ + 1][0] if number_ + 1 < len(changes) else None
        until_ns = end_ns if following is None else following.before_ns or following.by_ns
        yield Bar(look.by_ns, max(look.by_ns, until_ns), region_role(value, regions), state_in_words(value))


def _outages(given: ReportInputs) -> Iterator[Lane]:
    for name, outages in given.judgement.unavailable.items():
        if name == "all":
            continue
        bars = [
            Bar(
                one.since_ns, one.until_ns, "bad", one.seconds.in_words(), sentence("{n} beats", n=one.beats), one.ended
            )
            for one in outages
        ]
        yield Lane(CLIENTS, f"heartbeat {name}", tuple(bars))
    outage, _ = metrics.locust_outage(given.run)
    offset = offset_of(given.run.events, "locust")
    bars = []
    for stretch in outage.outages if outage is not None else ():
        since_ns, until_ns = (int(offset.to_recorder(round(at_s * NS))) for at_s in (stretch.since_s, stretch.until_s))
        told, lasted = (
            sentence("{n} failures", n=stretch.failures),
            sentence("{seconds:.1f} s", seconds=stretch.seconds),
        )
        bars.append(Bar(since_ns, until_ns, "bad", lasted, told, stretch.ended))
    yield Lane(CLIENTS, "locust", tuple(sorted(bars, key=lambda bar: bar.since_ns)))


def _lookups(given: ReportInputs, seen: Sequence[FactsChange], regions: Sequence[str]) -> Iterator[Bar]:
    """Yield the DNS responses that clients got at each TTL; the region facts give the regions of the addresses."""
    whose = regions_of_addresses(seen)
    lookups = given.run.beats.lookups if given.run.beats is not None else ()
    bars: list[Bar] = []
    for one, following in zip(lookups, [*lookups[1:], None], strict=False):
        names = dict.fromkeys(whose.get(address, address) for address in one.addresses)
        value = "unknown" if one.error else _those(names)
        until_ns = following.at_ns if following is not None else one.at_ns
        if bars and bars[-1].label == value:
            bars[-1] = replace(bars[-1], until_ns=until_ns)
            continue
        told = one.error or sentence("{addresses}; TTL {ttl_s:g} s", addresses=one.addresses, ttl_s=one.ttl_s)
        bars.append(Bar(one.at_ns, until_ns, region_role(value, regions), Name("regions", value), told))
    yield from bars


def _part(movement: LegPhases, number_: int) -> TimelineSection:
    moments = [phase.at_ns for phase in movement.phases if phase.at_ns is not None] or [movement.leg.since_ns]
    since_ns, until_ns = min(moments), max([*moments, movement.leg.ended_ns])
    about_ns = max(NS, (until_ns - since_ns) // 8)
    return TimelineSection(movement.leg.what, since_ns - about_ns, until_ns + about_ns)
