"""The first screen: the verdict and why, the three numbers that matter, and which objectives were met."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis import measuring, objectives, verdict
from chaosdrill.analysis.findings import Finding
from chaosdrill.analysis.foreign import mapping, number
from chaosdrill.analysis.measured import Measured
from chaosdrill.analysis.proof import proved_nothing, proves
from chaosdrill.report.view.given import Given
from chaosdrill.sentences import Sentence, sentence

RECOVERY, LOST, AVAILABILITY = NUMBERS = ("recovery", "lost", "availability")
_PREFIXES = {RECOVERY: "recovery_", LOST: "lost_writes_", AVAILABILITY: "availability"}
_NOT_JUDGED = "objective-not-judged"
_NEVER_STARTED = sentence("the drill never started")


@dataclass(frozen=True)
class Figure:
    """Something that was measured, or why it was not.

    :param name: as the judgement names it.
    """

    name: str
    measured: Measured


@dataclass(frozen=True)
class Objective:
    """What was asked of the system, and whether it was so.

    :param name: such as ``rto_s``, or ``budget database-switched``.
    :param measured: what it was held against.
    :param met: None when that cannot be told.
    :param why: what was missed, or why it cannot be told.
    """

    name: str
    wanted: float
    unit: str
    measured: tuple[Figure, ...]
    met: bool | None
    why: tuple[Sentence, ...]


@dataclass(frozen=True)
class Headline:
    """The first screen.

    :param verdict: what this chaosdrill judges.
    :param then: what the drill itself judged when it closed; empty when it did not.
    :param numbers: by ``NUMBERS``; none of one when nothing tells of it.
    """

    verdict: str
    then: str
    reasons: tuple[Sentence, ...]
    numbers: Mapping[str, tuple[Figure, ...]]
    objectives: tuple[Objective, ...]


def headline(given: Given) -> Headline:
    """:returns: the first screen."""
    judgement = given.judgement
    closed = given.run.first("drill-closed")
    then = closed.get("verdict")
    numbers = {kind: tuple(_figures(judgement.figures, prefix)) for kind, prefix in _PREFIXES.items()}
    wanted = tuple(_objectives(given, numbers))
    return Headline(judgement.verdict, then if isinstance(then, str) else "", judgement.reasons, numbers, wanted)


def _figures(figures: Mapping[str, Measured], prefix: str) -> Iterator[Figure]:
    for name, figure in figures.items():
        if name.startswith(prefix):
            yield Figure(name, figure)


def _objectives(given: Given, numbers: Mapping[str, Sequence[Figure]]) -> Iterator[Objective]:
    wanted = mapping(given.opened.get("objectives"))
    judgement = given.judgement
    seconds = tuple(_figures(judgement.figures, "lost_s_"))
    rules: list[tuple[str, str, Sequence[Figure], Callable[[], Iterable[Finding]]]] = [
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
    given: Given, name: str, value: float, unit: str, measured: Sequence[Figure], found: Iterable[Finding]
) -> Objective:
    """Its own rule says whether it was met: this page and the verdict cannot disagree."""
    if given.run.first("refused"):
        return Objective(name, value, unit, tuple(measured), None, (_NEVER_STARTED,))
    told = [one for one in found if one.verdict != "told"]
    missed = any(one.name != _NOT_JUDGED for one in told)
    met = False if missed else None if told else True
    why = tuple(one.text for one in told)
    if met and not proves(given.judgement.verdict):
        met, why = None, (proved_nothing(given.judgement.verdict),)
    return Objective(name, value, unit, tuple(measured), met, why)


def _rto(given: Given) -> Iterable[Finding]:
    wanted = mapping(given.opened.get("objectives"))
    if given.run.beats is not None:
        recoveries = [one for name, one in given.judgement.figures.items() if name.startswith("recovery_")]
        called = [one.leg.called for one in given.judgement.movements]
        return objectives.without_service(wanted, recoveries, called)
    outage, _ = measuring.locust_outage(given.run)
    unseen = [one for one in given.findings if one.name == _NOT_JUDGED and "rto_s" in one.text]
    return unseen or verdict.objectives_missed(given.run.events, outage)


def _times_without_service(given: Given, numbers: Mapping[str, Sequence[Figure]]) -> Sequence[Figure]:
    """Without a heartbeat the load generator's users tell."""
    if given.run.beats is not None:
        return numbers[RECOVERY]
    return tuple(_figures(given.judgement.figures, "client_outage"))


def _of(name: str, given: Given, wanted: Mapping[str, Any]) -> Iterator[Finding]:
    """Only what is said of this one of the two objectives for lost writes."""
    for one in objectives.writes_lost({name: wanted[name]}, given.judgement.losses):
        if one.name != "lost-writes":
            yield one


def _phases(given: Given, name: str) -> Iterator[Figure]:
    for one in given.judgement.movements:
        for phase in one.phases:
            if phase.name == name and phase.took is not None:
                yield Figure(one.leg.what, phase.took)
