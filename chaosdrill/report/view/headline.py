"""The first screen: the verdict with its reasons, the three most important figures, and the objectives."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis import metrics, objectives, verdict
from chaosdrill.analysis.findings import Finding
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.proof import proved_nothing, proves
from chaosdrill.analysis.untrusted_json import mapping, number
from chaosdrill.messages import Sentence, sentence
from chaosdrill.report.view.inputs import ReportInputs

RECOVERY, LOST, AVAILABILITY = NUMBERS = ("recovery", "lost", "availability")
_PREFIXES = {RECOVERY: "recovery_", LOST: "lost_writes_", AVAILABILITY: "availability"}
_NOT_JUDGED = "objective-not-judged"
_NEVER_STARTED = sentence("the drill never started")


@dataclass(frozen=True)
class HeadlineFigure:
    """A measured figure, or why it was not measured.

    :param name: its name in the judgement.
    """

    name: str
    measured: Measured


@dataclass(frozen=True)
class Objective:
    """An objective of the drill, and whether it was met.

    :param name: such as ``rto_s``, or ``budget database-switched``.
    :param measured: the figures that it applies to.
    :param met: None when that is unknown.
    :param why: what was missed, or why that is unknown.
    """

    name: str
    wanted: float
    unit: str
    measured: tuple[HeadlineFigure, ...]
    met: bool | None
    why: tuple[Sentence, ...]


@dataclass(frozen=True)
class Headline:
    """The first screen.

    :param verdict: the verdict of this version of chaosdrill.
    :param then: the verdict of the drill itself when it closed; empty when it did not close.
    :param numbers: the figures by ``NUMBERS``; empty where there is none.
    """

    verdict: str
    then: str
    reasons: tuple[Sentence, ...]
    numbers: Mapping[str, tuple[HeadlineFigure, ...]]
    objectives: tuple[Objective, ...]


def headline(given: ReportInputs) -> Headline:
    """Return the first screen."""
    judgement = given.judgement
    closed = given.run.first("drill-closed")
    then = closed.get("verdict")
    numbers = {kind: tuple(_figures(judgement.figures, prefix)) for kind, prefix in _PREFIXES.items()}
    wanted = tuple(_objectives(given, numbers))
    return Headline(judgement.verdict, then if isinstance(then, str) else "", judgement.reasons, numbers, wanted)


def _figures(figures: Mapping[str, Measured], prefix: str) -> Iterator[HeadlineFigure]:
    for name, figure in figures.items():
        if name.startswith(prefix):
            yield HeadlineFigure(name, figure)


def _objectives(given: ReportInputs, numbers: Mapping[str, Sequence[HeadlineFigure]]) -> Iterator[Objective]:
    wanted = mapping(given.opened.get("objectives"))
    judgement = given.judgement
    seconds = tuple(_figures(judgement.figures, "lost_s_"))
    rules: list[tuple[str, str, Sequence[HeadlineFigure], Callable[[], Iterable[Finding]]]] = [
        ("rto_s", "s", _times_without_service(given, numbers), lambda: _rto(given)),
        ("rpo_writes", "writes", numbers[LOST], lambda: _of("rpo_writes", given, wanted)),
        ("rpo_s", "s", seconds, lambda: _of("rpo_s", given, wanted)),
        (
            "availability_ratio",
            "ratio",
            numbers[AVAILABILITY],
            lambda: objectives.availability(wanted, judgement.figures["availability"]),
        ),
    ]
    for name, unit, measured, rule in rules:
        value = number(wanted.get(name))
        if value is not None:
            yield _judged(given, name, value, unit, measured, rule())
    for name, budget in mapping(wanted.get(objectives.BUDGETS)).items():
        value = number(budget)
        if value is not None:
            one = {objectives.BUDGETS: {name: value}}
            measured = tuple(_phases(given, str(name)))
            found = objectives.budgets(one, judgement.movements)
            yield _judged(given, f"budget {name}", value, "s", measured, found)


def _judged(
    given: ReportInputs,
    name: str,
    value: float,
    unit: str,
    measured: Sequence[HeadlineFigure],
    found: Iterable[Finding],
) -> Objective:
    """Judge an objective by the rule of the verdict, so that this page and the verdict cannot disagree."""
    if given.run.first("refused"):
        return Objective(name, value, unit, tuple(measured), None, (_NEVER_STARTED,))
    told = [one for one in found if one.verdict != "told"]
    missed = any(one.name != _NOT_JUDGED for one in told)
    met = False if missed else None if told else True
    why = tuple(one.text for one in told)
    if met and not proves(given.judgement.verdict):
        met, why = None, (proved_nothing(given.judgement.verdict),)
    return Objective(name, value, unit, tuple(measured), met, why)


def _rto(given: ReportInputs) -> Iterable[Finding]:
    wanted = mapping(given.opened.get("objectives"))
    if given.run.beats is not None:
        recoveries = [one for name, one in given.judgement.figures.items() if name.startswith("recovery_")]
        called = [one.leg.called for one in given.judgement.movements]
        return objectives.without_service(wanted, recoveries, called)
    outage, _ = metrics.locust_outage(given.run)
    unseen = [one for one in given.findings if one.name == _NOT_JUDGED and "rto_s" in one.text]
    return unseen or verdict.objectives_missed(given.run.events, outage)


def _times_without_service(
    given: ReportInputs, numbers: Mapping[str, Sequence[HeadlineFigure]]
) -> Sequence[HeadlineFigure]:
    """Return the recovery times; without a heartbeat, the outages of the load generator's users."""
    if given.run.beats is not None:
        return numbers[RECOVERY]
    return tuple(_figures(given.judgement.figures, "client_outage"))


def _of(name: str, given: ReportInputs, wanted: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings on one of the two objectives for lost writes."""
    for one in objectives.writes_lost({name: wanted[name]}, given.judgement.losses):
        if one.name != "lost-writes":
            yield one


def _phases(given: ReportInputs, name: str) -> Iterator[HeadlineFigure]:
    for one in given.judgement.movements:
        for phase in one.phases:
            if phase.name == name and phase.took is not None:
                yield HeadlineFigure(one.leg.what, phase.took)
