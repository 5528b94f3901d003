"""The objectives of a drill: what they may be, and which of them were missed or cannot be judged.

``rto_s``: longest time without service that clients may see, in seconds. ``rpo_writes``: how many acknowledged writes
may be lost; ``rpo_s``: how many seconds of them. ``availability_ratio``: the least share of beats that are answered
within the deadline. ``budgets``: for phases of :mod:`chaosdrill.analysis.phases`, how many seconds each may take.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.losses import Losses, name_of
from chaosdrill.analysis.measured import Measured
from chaosdrill.analysis.phases import DATABASE, PHASES, LegPhases

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
    """:returns: every objective and phase that there is none of; values may still be variables."""
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
    """:returns: every value that cannot be an objective."""
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


def without_service(objectives: Mapping[str, Any], recoveries: Sequence[Measured]) -> Iterator[Finding]:
    """Judge ``rto_s``.

    :param recoveries: the recovery time of each movement.
    """
    wanted = _given(objectives, "rto_s")
    if wanted is None:
        return
    for recovery in recoveries:
        if recovery.value is not None and recovery.value > wanted:
            text = f"clients were without service for {recovery.in_words()}, the objective rto_s is {wanted:g} s"
            yield finding("unavailable-too-long", text, recovery.how)
        elif recovery.value is None or recovery.at_least:
            why = recovery.why or f"service was not seen to be sustained, {recovery.in_words()}"
            yield finding("objective-not-judged", f"rto_s {wanted:g} cannot be judged: {why}", recovery.how)


def availability(objectives: Mapping[str, Any], measured: Measured) -> Iterator[Finding]:
    """Judge ``availability_ratio``."""
    wanted = _given(objectives, "availability_ratio")
    if wanted is None:
        return
    if measured.value is None:
        yield finding("objective-not-judged", f"availability_ratio {wanted:g} cannot be judged: {measured.why}")
    elif measured.value < wanted:
        text = f"the availability was {measured.in_words()}, the objective availability_ratio is {wanted:g}"
        yield finding("availability-missed", text, measured.how)


def writes_lost(objectives: Mapping[str, Any], found: Iterable[Losses]) -> Iterator[Finding]:
    """Judge ``rpo_writes`` and ``rpo_s``; without them any lost write is a failure.

    :param found: what each read-back said.
    """
    known = list(found)
    allowed = {name: _given(objectives, name) for name in ("rpo_writes", "rpo_s")}
    for losses in known:
        yield from _too_many(losses, allowed)
    blind = next((losses for losses in known if losses.why_not), None)
    why = blind.why_not if blind else "" if known else "no write was read back"
    for name, wanted in allowed.items():
        if wanted is not None and why:
            yield finding("objective-not-judged", f"{name} {wanted:g} cannot be judged: {why}")


def _too_many(losses: Losses, allowed: Mapping[str, float | None]) -> Iterator[Finding]:
    if losses.why_not or not losses.lost:
        return
    ids = ", ".join(name_of(write) for write in losses.lost[:LISTED])
    more = f" and {len(losses.lost) - LISTED} more" if len(losses.lost) > LISTED else ""
    said = f"{losses.label}: {len(losses.lost)} of {losses.accepted} accepted writes are lost ({ids}{more})"
    if all(wanted is None for wanted in allowed.values()):
        yield finding("lost-writes", said, losses.count.how)
        return
    over = {"rpo_writes": float(len(losses.lost)), "rpo_s": losses.seconds.value or 0.0}
    missed = [f"{name} is {wanted:g}" for name, wanted in allowed.items() if wanted is not None and over[name] > wanted]
    yield finding("lost-writes", said, losses.count.how, verdict="" if missed else "told")
    if missed:
        text = f"{said}, {losses.seconds.in_words()} of writes; the objective {' and '.join(missed)}"
        yield finding("rpo-missed", text, losses.seconds.how)


def budgets(objectives: Mapping[str, Any], legs: Iterable[LegPhases]) -> Iterator[Finding]:
    """Judge the budgets of the phases, in every movement."""
    given = objectives.get(BUDGETS)
    wanted = {name: value for name, value in given.items() if _is_number(value)} if isinstance(given, Mapping) else {}
    moved = list(legs)
    for name, budget in wanted.items():
        if not moved:
            text = f"budget {name} {budget:g} s cannot be judged: nothing was failed over"
            yield finding("objective-not-judged", text)
        for leg in moved:
            yield from _over_budget(leg, name, budget)


def _over_budget(leg: LegPhases, name: str, budget: float) -> Iterator[Finding]:
    phase = leg.named(name)
    what = f"{leg.leg.what}: {name}"
    if phase.seconds is None or phase.since != PHASES[name]:
        if name in ("noticed",) and leg.leg.what != "fail-over":
            return
        missing = name if phase.at_ns is None else PHASES[name]
        text = f"budget {name} {budget:g} s of the {leg.leg.what} cannot be judged: {missing} was not seen"
        yield finding("objective-not-judged", text)
    elif phase.seconds > budget:
        text = f"{what} took {phase.seconds:.1f} s after {phase.since}, its budget is {budget:g} s"
        yield finding("budget-missed", text, *phase.evidence)
        if name == DATABASE:
            yield finding("switchover-slow", text, *phase.evidence)


def _given(objectives: Mapping[str, Any], name: str) -> float | None:
    value = objectives.get(name)
    return float(value) if value is not None and _is_number(value) else None
