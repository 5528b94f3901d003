"""The objectives of a drill: their valid values, and the findings on those that were missed or cannot be judged.

``rto_s``: the longest time without service that clients may experience, in seconds. ``rpo_writes``: how many
acknowledged writes may be lost; ``rpo_s``: how many seconds of writes. ``availability_ratio``: the least share of beats
that are served within the deadline. ``budgets``: the most seconds for phases of :mod:`chaosdrill.analysis.phases`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.losses import Losses, name_of
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.phases import DATABASE, PHASES, LegPhases
from chaosdrill.messages import NOTHING, Name, Sentence, sentence

BUDGETS = "budgets"
LISTED = 5

# name: (what it must be, the check)
_NUMBERS: Mapping[str, tuple[str, Callable[[float], bool]]] = {
    "rto_s": ("a number greater than 0", lambda value: 0 < value < math.inf),
    "rpo_writes": ("a whole number, 0 or more", lambda value: value >= 0 and value == int(value)),
    "rpo_s": ("a number, 0 or more", lambda value: 0 <= value < math.inf),
    "availability_ratio": ("a number greater than 0, at most 1", lambda value: 0 < value <= 1),
}
OBJECTIVES = (*_NUMBERS, BUDGETS)


def problems_of_names(raw: Any) -> list[str]:
    """Return a problem for each unknown objective and phase.

    Values are not checked, because they may still be variables.
    """
    if not isinstance(raw, Mapping):
        return [] if raw is None else ["control argument objectives: must be a mapping, such as {rto_s: 300}"]
    problems = [f"objectives: {name}: there is only {', '.join(OBJECTIVES)}" for name in raw if name not in OBJECTIVES]
    budgets = raw.get(BUDGETS)
    if budgets is not None and not isinstance(budgets, Mapping):
        return [*problems, f"objectives: {BUDGETS}: must be a mapping, such as {{{DATABASE}: 60}}"]
    known = [name for name, since in PHASES.items() if since]
    unknown = [name for name in budgets or () if name not in known]
    return problems + [f"objectives: {BUDGETS}: {name}: there is only {', '.join(known)}" for name in unknown]


def problems_of_values(objectives: Mapping[str, Any]) -> list[str]:
    """Return a problem for each value that is not valid for its objective."""
    problems = []
    for name, (meant, fits) in _NUMBERS.items():
        if name in objectives and not (_is_number(objectives[name]) and fits(objectives[name])):
            problems.append(f"objectives: {name}: {objectives[name]!r} is not {meant}")
    budgets = objectives.get(BUDGETS)
    for name, value in budgets.items() if isinstance(budgets, Mapping) else ():
        if not _is_number(value) or value <= 0:
            problems.append(f"objectives: {BUDGETS}: {name}: {value!r} is not a number greater than 0")
    return problems


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def without_service(
    objectives: Mapping[str, Any], recoveries: Sequence[Measured], transitions: Sequence[Name] = ()
) -> Iterator[Finding]:
    """Judge ``rto_s``.

    :param recoveries: the recovery time of each transition.
    :param transitions: the transition of each recovery time; empty: there was none.
    """
    wanted = _given(objectives, "rto_s")
    if wanted is None:
        return
    for number, recovery in enumerate(recoveries):
        of = transitions[number] if number < len(transitions) else None
        if recovery.value is not None and recovery.value > wanted:
            text = sentence(
                "clients were without service for {recovery}, the objective rto_s is {wanted:g} s",
                recovery=recovery.in_short(),
                wanted=wanted,
            )
            yield finding("unavailable-too-long", _of(of, text), recovery.in_words(), recovery.how)
        elif recovery.value is None or recovery.at_least:
            unseen = sentence("service was not seen to be sustained, {recovery}", recovery=recovery.in_short())
            text = _of(of, _cannot("rto_s", wanted, recovery.why or unseen))
            yield finding("objective-not-judged", text, recovery.in_words(), recovery.how)


def _of(transition: Name | None, text: Sentence) -> Sentence:
    if transition is None:
        return text
    return sentence("{movement}: {reason}", movement=transition, reason=text)


def availability(objectives: Mapping[str, Any], measured: Measured) -> Iterator[Finding]:
    """Judge ``availability_ratio``."""
    wanted = _given(objectives, "availability_ratio")
    if wanted is None:
        return
    if measured.value is None:
        yield finding("objective-not-judged", _cannot("availability_ratio", wanted, measured.why))
    elif measured.value < wanted:
        text = sentence(
            "the availability was {availability}, the objective availability_ratio is {wanted:g}",
            availability=measured.in_short(),
            wanted=wanted,
        )
        yield finding("availability-missed", text, measured.in_words(), measured.how)


def writes_lost(objectives: Mapping[str, Any], found: Iterable[Losses]) -> Iterator[Finding]:
    """Judge ``rpo_writes`` and ``rpo_s``; without them any lost write is a failure.

    :param found: the losses of each read-back.
    """
    known = list(found)
    allowed = {name: _given(objectives, name) for name in ("rpo_writes", "rpo_s")}
    for losses in known:
        yield from _too_many(losses, allowed)
    blind = next((losses for losses in known if losses.why_not), None)
    why = blind.why_not if blind else NOTHING if known else sentence("no write was read back")
    for name, wanted in allowed.items():
        if wanted is not None and why:
            yield finding("objective-not-judged", _cannot(name, wanted, why))


def _too_many(losses: Losses, allowed: Mapping[str, float | None]) -> Iterator[Finding]:
    if losses.why_not or not losses.lost:
        return
    left = len(losses.lost) - LISTED
    ids = [name_of(write) for write in (*losses.new, *losses.before)]
    said = sentence(
        "{read_back}: {n} of {accepted} accepted writes are lost ({ids}{more})",
        read_back=losses.called,
        n=len(losses.lost),
        accepted=losses.accepted,
        ids=ids[:LISTED],
        more=sentence(" and {n} more", n=left) if left > 0 else "",
    )
    if losses.before:
        said = sentence("{lost}; {n} of them were lost before", lost=said, n=len(losses.before))
    if all(wanted is None for wanted in allowed.values()):
        yield finding("lost-writes", said, losses.count.how)
        return
    seconds = losses.seconds.value
    over = {"rpo_writes": float(len(losses.lost)), "rpo_s": math.inf if seconds is None else seconds}
    missed = [(name, wanted) for name, wanted in allowed.items() if wanted is not None and over[name] > wanted]
    yield finding("lost-writes", said, losses.count.how, verdict="" if missed else "told")
    if missed:
        limits = [sentence("{objective} is {wanted:g}", objective=name, wanted=wanted) for name, wanted in missed]
        text = sentence(
            "{lost}, {seconds} of writes; the objective {limits}",
            lost=said,
            seconds=losses.seconds.in_short(),
            limits=limits[0] if len(limits) == 1 else sentence("{one} and {other}", one=limits[0], other=limits[1]),
        )
        yield finding("rpo-missed", text, losses.seconds.in_words(), losses.seconds.how)


def budgets(objectives: Mapping[str, Any], legs: Iterable[LegPhases]) -> Iterator[Finding]:
    """Judge the budgets of the phases in every transition."""
    given = objectives.get(BUDGETS)
    wanted = {name: value for name, value in given.items() if _is_number(value)} if isinstance(given, Mapping) else {}
    moved = list(legs)
    for name, budget in wanted.items():
        if not moved:
            text = sentence(
                "budget {phase} {budget:g} s cannot be judged: nothing was failed over",
                phase=Name("moment", name),
                budget=budget,
            )
            yield finding("objective-not-judged", text)
        for leg in moved:
            yield from _over_budget(leg, name, budget)


def _over_budget(leg: LegPhases, name: str, budget: float) -> Iterator[Finding]:
    phase = leg.named(name)
    values = {"movement": leg.leg.called, "phase": Name("moment", name), "budget": budget}
    if phase.seconds is None or phase.since != PHASES[name]:
        if name in ("noticed",) and leg.leg.what != "fail-over":
            return
        missing = Name("moment", name if phase.at_ns is None else PHASES[name])
        text = sentence(
            "budget {phase} {budget:g} s of the {movement} cannot be judged: {missing} was not seen",
            **values,
            missing=missing,
        )
        yield finding("objective-not-judged", text)
    elif phase.seconds > budget:
        text = sentence(
            "{movement}: {phase} took {seconds:.1f} s after {since}, its budget is {budget:g} s",
            **values,
            seconds=phase.seconds,
            since=Name("moment", phase.since),
        )
        yield finding("budget-missed", text, *phase.evidence)
        if name == DATABASE:
            yield finding("switchover-slow", text, *phase.evidence)


def _cannot(name: str, wanted: float, why: Sentence) -> Sentence:
    return sentence("{objective} {wanted:g} cannot be judged: {why}", objective=name, wanted=wanted, why=why)


def _given(objectives: Mapping[str, Any], name: str) -> float | None:
    value = objectives.get(name)
    return float(value) if value is not None and _is_number(value) else None
