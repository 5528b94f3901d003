"""Rules on state machines that report success while the region facts contradict it: flags, routing, writer. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from chaosdrill.analysis import phases
from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.phases import TOLERANCE_NS
from chaosdrill.analysis.region_observations import FactsChange, during
from chaosdrill.analysis.transitions import Leg
from chaosdrill.messages import Sentence, sentence

# the finding when a phase was reported as done and the facts never showed it
_UNDONE: Mapping[str, tuple[str, Callable[[Leg], Sentence]]] = {
    phases.FLAG_CLOSED: (
        "flag-not-closed",
        lambda leg: sentence("the stop flag of {region} was never seen TRUE", region=leg.source),
    ),
    phases.ROUTING: (
        "routing-not-switched",
        lambda leg: sentence("the routing controls were never seen switched to {region}", region=leg.destination),
    ),
    phases.DATABASE: (
        "writer-not-moved",
        lambda leg: sentence("{region} was never seen to write", region=leg.destination),
    ),
    phases.FLAG_OPENED: (
        "flag-not-opened",
        lambda leg: sentence("the stop flag of {region} was never seen FALSE", region=leg.destination),
    ),
}
FACTS, MACHINE = sentence("region facts"), sentence("Step Functions")
WAIT, WAIT_REFERENCE_S = "WaitForParameterPropagation", 10.0
BLUR_NS = 1_500_000_000  # facts are read one after another while they change: a state in two successive reads is real


def not_done(leg: Leg, seen: Sequence[FactsChange]) -> Iterator[Finding]:
    """Find a transition that succeeded without changing a fact that it should have changed."""
    if not leg.succeeded or not leg.destination:
        return
    names = list(_UNDONE) if leg.by_machine else [name for name in _UNDONE if phases.was_done(leg, name)]
    for name in names:
        if not phases.denied(leg, name, seen):
            continue  # it was done, or it is unknown
        slug, unseen = _UNDONE[name]
        values = {"movement": leg.called, "status": leg.status, "unseen": unseen(leg)}
        text = sentence("the {movement} ended {status}; {unseen}", **values)
        yield finding(slug, text, FACTS, MACHINE if leg.by_machine else sentence("history"))


def wait_left_out(leg: Leg, scale: float) -> Iterator[Finding]:
    """Find a state machine that did not wait until applications see the stop flag.

    Applications cache the flag for 10 s: without the wait, routing and database switch while clients still write.
    """
    step = next((one for one in leg.steps if one.name == WAIT), None)
    if not leg.succeeded or step is None or step.until_ns is None:
        return
    waited_s, meant_s = (step.until_ns - step.since_ns) / 1e9, WAIT_REFERENCE_S * scale
    if waited_s < meant_s / 2:
        text = sentence(
            "the {movement} waited {waited_s:.2f} s in {state} where {meant_s:g} s are meant: "
            "the region that was left may have gone on writing",
            movement=leg.called,
            waited_s=waited_s,
            state=WAIT,
            meant_s=meant_s,
        )
        yield finding("wait-left-out", text, MACHINE)


def two_writers(seen: Sequence[FactsChange], end_ns: int) -> Iterator[Finding]:
    """Find two members of the global cluster that wrote at once, for longer than reading all facts takes."""
    for look, until_ns in zip(seen, [*(one.by_ns for one in seen[1:]), end_ns], strict=False):
        if look.writer == "several" and (until_ns - look.by_ns >= BLUR_NS or not look.facts.get("running")):
            seconds = (until_ns - look.by_ns) / 1e9
            text = sentence("two regions were writers, for {seconds:.1f} s or longer", seconds=seconds)
            yield finding("two-writers", text, FACTS)
            return


def writer_flipped(leg: Leg, seen: Sequence[FactsChange]) -> Iterator[Finding]:
    """Find a writer that reached the destination and went back although nothing was started."""
    moved = False
    for look in during(seen, leg.since_ns, leg.until_ns - TOLERANCE_NS):
        moved = moved or look.writer == leg.destination
        if moved and look.writer == leg.source and leg.source and look.by_ns > leg.since_ns:
            seconds = (look.by_ns - leg.since_ns) / 1e9
            text = sentence(
                "the writer moved to {destination}, and was {source} again {seconds:.1f} s after the start of the "
                "{movement}",
                destination=leg.destination,
                source=leg.source,
                seconds=seconds,
                movement=leg.called,
            )
            yield finding("writer-flipped", text, FACTS)
            return
