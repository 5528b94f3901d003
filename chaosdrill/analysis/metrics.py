"""The measurements of a run: recovery, availability, degraded time, latencies, effect of the fault, lost writes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaosdrill.analysis import figures
from chaosdrill.analysis.degraded import degradation, degraded_seconds
from chaosdrill.analysis.effect import FaultEffect, fault_effect
from chaosdrill.analysis.load_outage import ClientOutage, client_outage
from chaosdrill.analysis.losses import Losses, losses
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.outage_detection import unavailability
from chaosdrill.analysis.outage_threshold import InjectedLoss, loss_probability
from chaosdrill.analysis.outages import Unavailability
from chaosdrill.analysis.phases import TOLERANCE_NS
from chaosdrill.analysis.recovery import SUSTAINED, recoveries, recovery
from chaosdrill.analysis.region_observations import Span
from chaosdrill.analysis.rules_fault import healed_ns
from chaosdrill.analysis.rules_records import ended_early, heartbeat_until_ns
from chaosdrill.analysis.run import Run, at_ns
from chaosdrill.analysis.transitions import Leg
from chaosdrill.errors import CannotSee
from chaosdrill.messages import NOTHING, Sentence, as_it_is, sentence, sentence_at

NS = 1_000_000_000
WRITE = "write"  # the heartbeat's operation
LOCUST, HEARTBEAT = sentence("the load generator's users"), sentence("heartbeat")
NO_HEARTBEAT = sentence("no heartbeat was recorded")
NO_CLOCK_NS = NS  # how far the heartbeat's clock may be off if it was never compared
BEFORE_FAULT_NS = 30 * NS


def without_service(run: Run) -> Unavailability | None:
    """Return when clients were without service, as the heartbeat measured it; None without a heartbeat."""
    beats = run.beats
    if beats is None or not len(beats.due_ns):
        return None
    span = None
    if not beats.ended or any(ended_early(run)):  # after its early end the service is unknown
        begin_ns, last_ns = int(beats.due_ns[0]), int(beats.due_ns[-1])
        span = (begin_ns, max(heartbeat_until_ns(run) or 0, last_ns))
    return unavailability(beats, span, _losses_of_packets(run, int(beats.due_ns[-1])))


def _losses_of_packets(run: Run, end_ns: int) -> list[InjectedLoss]:
    """Return the times of injected packet loss, in which a single failed beat is no outage."""
    healed = healed_ns(run)
    found = []
    for event in run.named("fault-injecting"):
        fault, since_ns = event.get("fault"), at_ns(event)
        percent = fault.get("percent") if isinstance(fault, Mapping) else None
        if isinstance(percent, (int, float)) and since_ns is not None:
            found.append(InjectedLoss(since_ns, max(since_ns, healed or end_ns), loss_probability(percent)))
    return found


def fault_of_leg(fault: Span | None, moved: Sequence[Leg], number: int) -> Span | None:
    """Return the fault that a transition responds to: it is the first transition after the fault."""
    if fault is None or fault.by_ns > moved[number].since_ns + TOLERANCE_NS:
        return None
    earlier = [leg for leg in moved[:number] if leg.since_ns >= fault.by_ns - TOLERANCE_NS]
    return None if earlier else fault


def begins_ns(leg: Leg, fault: Span | None) -> int:
    """Return from when clients may have noticed the transition: from its fault, if it responds to one."""
    return min(leg.since_ns, fault.by_ns) if fault is not None else leg.since_ns


def _about_ns(run: Run) -> int:
    known = run.beats.clock_uncertainty_ns if run.beats is not None else None
    return NO_CLOCK_NS if known is None else known


def sustained(run: Run, found: Unavailability | None, leg: Leg, fault: Span | None) -> tuple[Span | None, Sentence]:
    """Return when service was sustained after a transition, and the evidence; None when it was not."""
    if found is None:
        return None, NOTHING
    seen = recoveries(found, begins_ns(leg, fault), leg.effects_until_ns, about_ns=_about_ns(run))
    if not seen or seen[-1].sustained_ns is None:
        return None, NOTHING
    last = seen[-1].sustained_ns, seen[-1].sustained_uncertainty_ns
    how = sentence("heartbeat: good for {limits}", limits=SUSTAINED.in_words())
    return Span(last[0] - last[1], last[0] + last[1]), how


def cut_of(found: Unavailability | None, leg: Leg) -> int | None:
    """Return when the region that a transition left stopped accepting writes.

    :returns: the beginning of the outage of writes that was in progress when the transition began, as after the loss of
        a region; otherwise of the first outage during the transition. UTC nanoseconds; None without one.
    """
    if found is None:
        return None
    outages = found.by_operation.get(WRITE, found.overall)
    return next((one.since_ns for one in outages if one.until_ns > leg.since_ns and one.since_ns < leg.until_ns), None)


def losses_of(run: Run, found: Unavailability | None, moved: Sequence[Leg]) -> Iterator[Losses]:
    """Yield the losses of each read-back in turn; earlier ones show what was lost before, and what came back."""
    before: Losses | None = None
    since_ns = 0
    read_backs = run.ledger.read_backs if run.ledger is not None else {}
    begun = {label: read_back.begun_ns for label, read_back in read_backs.items()}
    labels = sorted(begun, key=lambda label: (begun[label] is None, begun[label] or 0))
    for label in labels:
        begun_ns = begun[label]
        since = [leg for leg in moved if begun_ns is not None and since_ns <= leg.since_ns < begun_ns]
        cuts_ns = [cut_of(found, leg) for leg in since]
        earlier = [cut for cut in cuts_ns[:-1] if cut is not None]
        one = losses(run.ledger, label, before, cuts_ns[-1] if cuts_ns else None, earlier)
        if not one.why_not:
            before, since_ns = one, begun_ns or since_ns
        yield one
    if not labels and (run.ledger is not None or any(run.named("heartbeat-started"))):
        started = run.first("heartbeat-started")
        why = sentence_at(started, "why_no_writes") if started.get("why_no_writes") else NOTHING
        yield Losses("after-failover", why, why) if why else losses(run.ledger, "after-failover")


def recoveries_of(
    run: Run, found: Unavailability | None, moved: Sequence[Leg], fault: Span | None
) -> dict[str, Measured]:
    """Return the recovery time of each transition; without transitions, of the fault."""
    if found is None:
        return {"recovery_s": Measured(None, "s", HEARTBEAT, why=NO_HEARTBEAT)}
    about_ns = _about_ns(run)
    known: dict[str, Measured] = {}
    for number, leg in enumerate(moved):
        name = f"recovery_{leg.what.replace('-', '_')}_s"
        name = f"{name}_{number}" if name in known else name
        since_ns = begins_ns(leg, fault_of_leg(fault, moved, number))
        known[name] = recovery(found, since_ns, leg.until_ns, about_ns=about_ns)
    if not known and fault is not None:
        known["recovery_s"] = recovery(found, fault.by_ns, about_ns=about_ns)
    why = sentence("nothing was failed over and no fault was injected")
    return known or {"recovery_s": Measured(None, "s", HEARTBEAT, why=why)}


def of_service(found: Unavailability | None) -> dict[str, Measured]:
    """Return figures of the whole time: availability, unavailable, degraded and error time."""
    if found is None:
        return {"availability": Measured(None, "ratio", HEARTBEAT, why=NO_HEARTBEAT)}
    degraded = degradation(found)
    seconds = Measured(degraded_seconds(found, degraded), "s", _how_degraded(), 1.0, 1.0)
    return {
        "availability": figures.availability(found),
        "unavailable_s": found.total,
        "degraded_s": seconds,
        "error_s": figures.error_seconds(found),
    }


def _how_degraded() -> Sentence:
    from chaosdrill.analysis.degraded import ServiceLimits

    return sentence("heartbeat: served, but not for {limits}", limits=ServiceLimits().in_words())


def latencies(run: Run, found: Unavailability | None, fault: Span | None, moved: Sequence[Leg]) -> list[dict[str, Any]]:
    """Return latencies before, during and after transitions and fault, by operation and for the load's requests.

    "After" begins when service was sustained again after the last transition; it is left out when it was not.
    """
    if found is None:
        return []
    begin_ns, end_ns = found.span_ns
    acted = [*(leg.since_ns for leg in moved), *([fault.by_ns] if fault is not None else [])]
    first_ns = min(max(min(acted, default=end_ns + 1), begin_ns), end_ns + 1)
    served_ns = _served_again_ns(run, found, fault, moved)
    last_ns = max([*(leg.ended_ns for leg in moved), healed_ns(run) or first_ns, first_ns, served_ns or first_ns])
    last_ns = end_ns + 1 if served_ns is None else min(last_ns, end_ns + 1)
    periods = {"before": (begin_ns, first_ns), "during": (first_ns, last_ns), "after": (last_ns, end_ns + 1)}
    known = {name: span for name, span in periods.items() if span[0] < span[1]}
    of_requests = figures.latencies_of_requests(run.requests, known) if run.requests is not None else ()
    return [one.as_json() for one in (*figures.latencies(found, known), *of_requests)]


def _served_again_ns(run: Run, found: Unavailability, fault: Span | None, moved: Sequence[Leg]) -> int | None:
    """Return when service was sustained after the last transition, or after the fault.

    :returns: 0 without an outage; None if service was not sustained.
    """
    since_ns = fault.by_ns if fault is not None else None
    if moved:
        since_ns = begins_ns(moved[-1], fault_of_leg(fault, moved, len(moved) - 1))
    seen = recoveries(found, since_ns, about_ns=_about_ns(run)) if since_ns is not None else ()
    return seen[-1].sustained_ns if seen else 0


def effect(run: Run, fault: Span | None, moved: Sequence[Leg]) -> FaultEffect | None:
    """Return whether the fault had an effect on clients; None without a fault or without records."""
    lossy = any(isinstance(event.get("fault"), Mapping) for event in run.named("fault-injecting"))
    if fault is None or not lossy or (run.beats is None and run.requests is None):
        return None
    ends = [leg.since_ns for leg in moved if leg.since_ns > fault.by_ns]
    ends += [moment for moment in (healed_ns(run),) if moment is not None and moment > fault.by_ns]
    running = [moment for event in run.named("fault-running") if (moment := at_ns(event)) is not None]
    during = (max([fault.by_ns, *running]), min(ends, default=fault.by_ns + BEFORE_FAULT_NS))
    before_ns = fault.after_ns or fault.by_ns
    return fault_effect((before_ns - BEFORE_FAULT_NS, before_ns), during, run.beats, run.requests)


def locust_outage(run: Run) -> tuple[ClientOutage | None, Sentence]:
    """Return the outages as the load generator's users measured them, or why there is no measurement."""
    event = next(iter(reversed(list(run.named("load-seen")))), None)
    if event is None:
        started = any(run.named("load-started"))
        if not started:
            return None, sentence("the load was not started")
        return None, sentence("nobody wrote how far the load was seen")
    since, until, seen = (event.get(name) for name in ("since_s", "until_s", "seen_until_s"))
    if event.get("why") or since is None or until is None or seen is None:
        return None, sentence_at(event, "why") if event.get("why") else sentence("it was not seen")
    try:
        return client_outage(run.buckets, float(since), float(until), float(seen)), NOTHING
    except CannotSee as error:
        return None, as_it_is(error.args[0])


def of_locust(outage: ClientOutage | None, why_not: Sentence) -> Measured:
    """Return the longest outage of the load generator's users as a figure."""
    if outage is None:
        return Measured(None, "s", LOCUST, why=why_not)
    return Measured(
        outage.longest_s, "s", outage.model, outage.resolution_s, outage.resolution_s, at_least=not outage.ended
    )
