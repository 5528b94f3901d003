"""The judgement of a run: a pure function of everything that it recorded. A figure may be "not measured"."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis import (
    metrics,
    objectives,
    phases,
    proof,
    rules_clients,
    rules_fault,
    rules_machine,
    rules_records,
    verdict,
)
from chaosdrill.analysis.client_observations import served
from chaosdrill.analysis.effect import FaultEffect
from chaosdrill.analysis.findings import GRAVITY, TOLD, Finding, finding
from chaosdrill.analysis.ledger import Write
from chaosdrill.analysis.ledger_comparison import ReadBackComparison, compared, differs
from chaosdrill.analysis.load_outage import ClientOutage
from chaosdrill.analysis.losses import Losses, name_of
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.outages import Outage, Unavailability
from chaosdrill.analysis.phases import LegPhases, phases_of
from chaosdrill.analysis.rule_context import RuleContext
from chaosdrill.analysis.run import Run
from chaosdrill.analysis.transitions import FAIL_OVER, Leg
from chaosdrill.messages import NOTHING, Name, Sentence, sentence, sentences_to_json

VERSION = 1
LEDGER = sentence("ledger")
Outages = Mapping[str, tuple[Outage, ...]]
Figures = dict[str, Measured]

_WHY_NOT = sentence("it could not be worked out")
_NOT_WORKED_OUT = Measured(None, "", NOTHING, why=_WHY_NOT)
_NO_OUTAGE: tuple[ClientOutage | None, Sentence] = (None, _WHY_NOT)
_GROUPS = {"duplicated-writes": "duplicated", "resurrected-writes": "resurrected", "unsettled-writes": "unsettled"}


@dataclass(frozen=True)
class Judgement:
    """The result of judging a run.

    :param verdict: passed, failed, invalid, refused or interrupted; passed only without any finding against it.
    :param reasons: the reasons for the verdict, the gravest first.
    :param findings: all findings, the gravest first.
    :param figures: the figures by name, each with its method, resolution and uncertainty.
    :param movements: the phases of each failover and failback.
    :param losses: the state of the writes at each read-back.
    :param unavailable: the times without service of each operation, and (``all``) of any.
    :param latencies: the latencies of each operation before, during and after fault and transitions.
    :param truths: each read-back compared with the databases' own account, where that is known.
    """

    verdict: str
    reasons: tuple[Sentence, ...]
    findings: tuple[Finding, ...]
    figures: Mapping[str, Measured]
    movements: tuple[LegPhases, ...]
    losses: tuple[Losses, ...]
    unavailable: Outages
    latencies: tuple[Mapping[str, Any], ...] = ()
    truths: tuple[ReadBackComparison, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the judgement as JSON values with their version; ``said`` has the parts of its sentences."""
        document = {
            "version": VERSION,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "findings": [one.as_json() for one in self.findings],
            "figures": {name: figure.as_json() for name, figure in self.figures.items()},
            "movements": [one.as_json() for one in self.movements],
            "losses": [one.as_json() for one in self.losses],
            "unavailable": {name: [one.as_json() for one in them] for name, them in self.unavailable.items()},
            "latencies": list(self.latencies),
            "truths": [one.as_json() for one in self.truths],
        }
        return {**document, "said": sentences_to_json(document)}


def judge(run: Run) -> Judgement:
    """Judge a run.

    :param run: everything that it recorded, as :func:`chaosdrill.runs.read_run` reads it.
    :returns: the judgement; it is the same at any time and on any machine.
    """
    seen = RuleContext(run)
    seen.rule("the history", verdict.of_history, run.events)
    nothing: Unavailability | None = None
    found = seen.known("unavailability", nothing, metrics.without_service, run)
    movements = tuple(one for number, leg in enumerate(seen.legs) for one in _movement(seen, found, number, leg))
    losses: tuple[Losses, ...] = seen.known("lost writes", (), _losses, run, found, seen.legs)
    outage, why_not = seen.known("the client outage", _NO_OUTAGE, metrics.locust_outage, run)
    figures = _figures(seen, found, losses, metrics.of_locust(outage, why_not))
    _judge_objectives(seen, figures, movements, losses, outage)
    seen.rule("writes", _of_writes, run, losses)
    nothing_known: tuple[ReadBackComparison, ...] = ()
    truths = seen.known("the databases' own account", nothing_known, compared, run.truths, run.ledger, losses)
    seen.rule("lost writes", differs, truths)
    _judge_movements(seen, movements)
    _judge_records(seen)
    seen.rule("service", _still_out, found, outage)
    none: list[dict[str, Any]] = []
    latencies = seen.known("latencies", none, metrics.latencies, run, found, seen.fault, seen.legs)
    outages = {"all": found.overall, **found.by_operation} if found is not None else {}
    word, reasons, findings = _verdict(seen)
    figures, losses = _provable(seen, word, figures, losses)
    return Judgement(word, reasons, findings, figures, movements, losses, outages, tuple(latencies), truths)


def _losses(run: Run, found: Unavailability | None, moved: Sequence[Leg]) -> tuple[Losses, ...]:
    return tuple(metrics.losses_of(run, found, moved))


def _movement(seen: RuleContext, found: Unavailability | None, number: int, leg: Leg) -> tuple[LegPhases, ...]:
    """Return the phases of a transition; empty when they cannot be determined."""

    def work_out() -> tuple[LegPhases, ...]:
        fault = metrics.fault_of_leg(seen.fault, seen.legs, number)
        clients = served(seen.run, leg, fault, *metrics.sustained(seen.run, found, leg, fault))
        return (phases_of(seen.run, leg, fault, clients),)

    none: tuple[LegPhases, ...] = ()
    return seen.known(f"the phases of the {leg.what}", none, work_out)


def _figures(
    seen: RuleContext, found: Unavailability | None, losses: Sequence[Losses], client_outage: Measured
) -> Figures:
    none: Figures = {}
    figures = dict(seen.known("recovery", none, metrics.recoveries_of, seen.run, found, seen.legs, seen.fault))
    figures["client_outage"] = client_outage
    figures |= seen.known("service", {"availability": _NOT_WORKED_OUT}, metrics.of_service, found)
    return figures | _figures_of_losses(losses)


def _provable(
    seen: RuleContext, word: str, figures: Figures, losses: tuple[Losses, ...]
) -> tuple[Figures, tuple[Losses, ...]]:
    """Remove the values that the run cannot prove; the verdict does not depend on them."""
    losses = proof.provable_losses(losses, seen.run, word, seen.legs)
    figures = proof.provable_figures(figures, seen.run, word, seen.legs)
    return {**figures, **_figures_of_losses(losses)}, losses


def _figures_of_losses(losses: Sequence[Losses]) -> Figures:
    named = [(one.label.replace("-", "_"), one) for one in losses]
    counts = {f"lost_writes_{label}": one.count for label, one in named}
    return counts | {f"lost_s_{label}": one.seconds for label, one in named}


def _judge_objectives(
    seen: RuleContext,
    figures: Figures,
    movements: Sequence[LegPhases],
    losses: Sequence[Losses],
    outage: ClientOutage | None,
) -> None:
    if seen.run.first("refused"):
        return  # it never started, so no objective applies
    if seen.run.beats is None:
        seen.rule("rto_s", verdict.objectives_missed, seen.run.events, outage)
    else:
        recoveries = [figure for name, figure in figures.items() if name.startswith("recovery_")]
        seen.rule("rto_s", objectives.without_service, seen.objectives, recoveries, [leg.called for leg in seen.legs])
    seen.rule("availability_ratio", objectives.availability, seen.objectives, figures["availability"])
    seen.rule("lost writes", objectives.writes_lost, seen.objectives, losses)
    seen.rule("budgets", objectives.budgets, seen.objectives, movements)


def _of_writes(run: Run, losses: Sequence[Losses]) -> Iterator[Finding]:
    """Find lost and duplicated writes and the like, each once: not again in later read-backs."""
    known: set[tuple[str, int]] = set()
    held_back: set[int] = set()  # writes lost while the main table's replication was paused: they may come back
    paused = rules_fault.replication_was_paused(run)
    for one in losses:
        for name, group in _GROUPS.items():
            writes = [write for write in getattr(one, group) if (group, write.seq) not in known]
            known.update((group, write.seq) for write in writes if name != "unsettled-writes")
            late = [write for write in writes if group == "resurrected" and write.seq in held_back]
            yield from _of_group("writes-replicated-late", group, one, late)
            yield from _of_group(name, group, one, [write for write in writes if write not in late])
        held_back = {write.seq for write in one.lost} if paused else set()
        asked = run.ledger is not None and one.label in run.ledger.read_backs
        if asked and one.why_not and one.accepted:
            text = sentence("{read_back}: {why_not}", read_back=one.called, why_not=one.why_not)
            yield finding("read-back-incomplete", text, LEDGER)


def _of_group(name: str, group: str, one: Losses, writes: Sequence[Write]) -> Iterator[Finding]:
    if writes:
        ids = [name_of(write) for write in writes[: objectives.LISTED]]
        values = {"read_back": one.called, "n": len(writes), "group": Name("done", group), "ids": ids}
        yield finding(name, sentence("{read_back}: {n} writes {group}: {ids}", **values), LEDGER)


def _judge_movements(seen: RuleContext, movements: Sequence[LegPhases]) -> None:
    run, facts = seen.run, seen.looks
    for one in movements:
        leg, switched_ns = one.leg, one.named(phases.ROUTING).at_ns
        told = (
            sentence("{movement}: {contradiction}", movement=leg.called, contradiction=text)
            for text in one.contradictions
        )
        seen.findings += [finding("timeline-contradicts", text) for text in told]
        seen.rule("the machine", rules_machine.not_done, leg, facts)
        if seen.target == "lab":  # the intended wait of another system's state machine is unknown
            seen.rule("the wait", rules_machine.wait_left_out, leg, seen.scale)
        seen.rule("the writer", rules_machine.writer_flipped, leg, facts)
        seen.rule("DNS", rules_clients.dns, run, leg, facts, switched_ns, seen.scale)
        seen.rule("service after it", rules_clients.not_served, run, leg, facts, seen.scale)
    end_ns = max([0, *(look.by_ns for look in facts), *(leg.until_ns for leg in seen.legs)])
    seen.rule("the writers", rules_machine.two_writers, facts, end_ns)
    no_effect: FaultEffect | None = None
    effect = seen.known("the fault's effect", no_effect, metrics.effect, run, seen.fault, seen.legs)
    seen.rule("the fault", rules_fault.without_effect, run, effect)
    seen.rule("replication under the fault", rules_fault.replication_continued, run)
    home_again = [one.leg.ended_ns for one in movements if one.leg.what != FAIL_OVER]
    seen.rule("the healing", rules_fault.not_healed, run, home_again[-1] if home_again else None)


def _judge_records(seen: RuleContext) -> None:
    seen.rule("the load", rules_records.silent_load, seen.run)
    seen.rule("the end of the load", rules_records.load_ended_early, seen.run)
    seen.rule("the heartbeat", rules_records.silent_heartbeat, seen.run)
    seen.rule("the end of the heartbeat", rules_records.ended_early, seen.run)
    seen.rule("lateness", rules_records.late_heartbeat, seen.run)
    seen.rule("clocks", rules_records.clocks_off, seen.run)
    seen.rule("unknown clocks", rules_records.clocks_unknown, seen.run)


def _still_out(found: Unavailability | None, outage: ClientOutage | None) -> Iterator[Finding]:
    for name, outages in found.by_operation.items() if found is not None else ():
        for one in outages:
            if not one.ended and one.at_least_ns >= verdict.LEAST_OPEN_OUTAGE_S * 1e9:
                text = sentence(
                    "the operation {operation} had no service when the heartbeat ended, for {seconds}",
                    operation=name,
                    seconds=one.seconds.in_short(),
                )
                yield finding("still-unavailable", text, one.seconds.in_words(), sentence("heartbeat"))
    yield from verdict.still_out(outage)


def _verdict(seen: RuleContext) -> tuple[str, tuple[Sentence, ...], tuple[Finding, ...]]:
    """Return the verdict, its reasons, and all findings, the gravest first."""
    known, before = tuple(dict.fromkeys(seen.findings)), len(seen.findings)
    completed = seen.known("what was planned", known, verdict.complete, seen.run.events, known)
    if len(seen.findings) > before:  # that failed
        completed = tuple(dict.fromkeys(seen.findings))
    judged = verdict.verdict_of(completed, verdict.what_was_proved(seen.run.events))
    ordered = tuple(sorted(completed, key=lambda one: [*GRAVITY, TOLD].index(one.verdict)))
    return judged.word, judged.reasons, ordered
