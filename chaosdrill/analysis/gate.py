"""Evaluation of gates: held, broken, or cannot tell. Pure.

A figure lies somewhere within its uncertainty. A comparison is held if it is true for every such value, and broken if
it is false for every such value. Otherwise, and if the figure was not measured, the answer is *cannot tell*.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from chaosdrill.analysis import gate_language as language
from chaosdrill.analysis.comparability import ExcludedRun, have_comparable_losses, sorted_out
from chaosdrill.analysis.compared_figures import is_loss
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.comparison import change
from chaosdrill.analysis.gate_language import BEFORE, CHANGE, VERDICT, CandidateFigure, Compare, Gate, Number, Word
from chaosdrill.analysis.measurement import Measured
from chaosdrill.messages import sentence

HELD, BROKEN, CANNOT_TELL = "held", "broken", "cannot tell"
CLOSE = 1e-9  # relative difference below which two numbers are equal: in floating point 110 / 100 is not 1.1
_MILLI = 1000


@dataclass(frozen=True)
class Figures:
    """The input of a gate from one side of the comparison.

    :param measured: its figures by name; of several runs the medians.
    :param verdict: its verdict; of several runs the gravest.
    :param why_not: why the figures prove nothing; empty when they do.
    """

    measured: Mapping[str, Measured]
    verdict: str
    why_not: str = ""


@dataclass(frozen=True)
class Result:
    """The result of one comparison.

    :param text: the comparison.
    :param answer: ``held``, ``broken`` or ``cannot tell``.
    :param why: the figures that decided it, or why it was not decided.
    """

    text: str
    answer: str
    why: str

    def as_json(self) -> dict[str, str]:
        """Return the result as JSON values."""
        return {"comparison": self.text, "answer": self.answer, "why": self.why}


@dataclass(frozen=True)
class _Range:
    """The range of a value; unknown when ``why`` is not empty."""

    low: float
    high: float
    words: str
    why: str = ""


def figures_of(runs: Sequence[ComparedRun], why_not: str = "") -> Figures:
    """Return the input of a gate from one run, or from the medians of several.

    :param runs: the runs whose figures count.
    :param why_not: why there is no run, used when there is none.
    """
    if not runs:
        return Figures({}, "", why_not or "there is no such run")
    verdict = max((run.verdict for run in runs), key=_gravity)
    unusable = "; ".join(f"{run.run}: {run.why_not}" for run in runs if run.why_not)
    if len(runs) == 1:
        return Figures(runs[0].measured, verdict, unusable)
    names = dict.fromkeys(name for run in runs for name in run.measured)
    return Figures({name: _median([run.measured.get(name) for run in runs]) for name in names}, verdict, unusable)


def judged(gate: Gate, candidate: Figures, baseline: Figures) -> tuple[str, tuple[Result, ...]]:
    """Evaluate a gate.

    :param candidate: the side that the gate is about.
    :param baseline: the side that ``.change`` and ``.before`` refer to.
    :returns: ``held``, ``broken`` or ``cannot tell``, and the result of each comparison.
    """
    results = {id(one): _compared(one, candidate, baseline) for one in language.comparisons(gate)}
    return _answer(gate, results), tuple(results.values())


def _answer(gate: Gate, results: Mapping[int, Result]) -> str:
    """Combine the results of a gate's comparisons; an undecided one matters only if the others do not decide."""
    if isinstance(gate, Compare):
        return results[id(gate)].answer
    if isinstance(gate, language.Not):
        return {HELD: BROKEN, BROKEN: HELD}.get(_answer(gate.inner, results), CANNOT_TELL)
    answers = [_answer(part, results) for part in gate.parts]
    decisive, other = (BROKEN, HELD) if isinstance(gate, language.Every) else (HELD, BROKEN)
    if decisive in answers:
        return decisive
    return CANNOT_TELL if CANNOT_TELL in answers else other


def _compared(one: Compare, candidate: Figures, baseline: Figures) -> Result:
    if any(isinstance(side, CandidateFigure) and side.name == VERDICT for side in (one.left, one.right)):
        return _of_verdicts(one, candidate, baseline)
    relative = any(isinstance(side, Number) and side.unit == "%" for side in (one.left, one.right))
    sides = [_range(side, relative, candidate, baseline) for side in (one.left, one.right)]
    for side in sides:
        if side.why:
            return Result(str(one), CANNOT_TELL, side.why)
    answer = _holds(sides[0], one.operator, sides[1])
    shown = [side.words for side in sides if side.words]
    why = " and ".join(shown)
    if answer is None:
        return Result(str(one), CANNOT_TELL, f"{why}: it may lie on either side")
    return Result(str(one), HELD if answer else BROKEN, why)


def _holds(left: _Range, operator: str, right: _Range) -> bool | None:
    if operator in (">", ">="):
        return _holds(right, {">": "<", ">=": "<="}[operator], left)
    if operator in ("==", "!="):
        equal = _equal(left, right)
        return equal if equal is None or operator == "==" else not equal
    if operator == "<=":
        return True if _at_most(left.high, right.low) else None if _at_most(left.low, right.high) else False
    return False if _at_most(right.high, left.low) else None if _at_most(right.low, left.high) else True


def _equal(left: _Range, right: _Range) -> bool | None:
    if not (_at_most(left.low, right.high) and _at_most(right.low, left.high)):
        return False
    exact = _at_most(left.high, right.low) and _at_most(right.high, left.low)
    return True if exact else None


def _at_most(one: float, other: float) -> bool:
    return one <= other or math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)


def _of_verdicts(one: Compare, candidate: Figures, baseline: Figures) -> Result:
    words, shown = [], []
    for side in (one.left, one.right):
        if isinstance(side, Word):
            words.append(side.word)
            continue
        of = baseline if isinstance(side, CandidateFigure) and side.of == BEFORE else candidate
        if not of.verdict:
            return Result(str(one), CANNOT_TELL, of.why_not or "the verdict is not known")
        words.append(of.verdict)
        shown.append(f"{side} is {of.verdict}")
    equal = words[0] == words[1]
    return Result(str(one), HELD if equal == (one.operator == "==") else BROKEN, " and ".join(shown))


def _range(side: language.Operand, relative: bool, candidate: Figures, baseline: Figures) -> _Range:
    if isinstance(side, Number):
        value = side.value / {"%": 100, "ms": _MILLI}.get(side.unit, 1)
        return _Range(value, value, "")
    assert isinstance(side, CandidateFigure)
    asked = {CHANGE: (candidate, baseline), BEFORE: (baseline,)}.get(side.of, (candidate,))
    found: list[Measured] = []
    for of in asked:
        one = of.measured.get(side.name)
        why = of.why_not or _why_unknown(side.name, one)
        if why or one is None:
            return _Range(0.0, 0.0, "", f"{side}: {why}")
        found.append(one)
    if side.of != CHANGE:
        return _Range(*_ends(found[0]), f"{side} is {found[0].in_words()}")
    return _change(side, found[1], found[0], relative)


def _why_unknown(name: str, one: Measured | None) -> str:
    if one is None:
        return f"{name} was not measured"
    if one.value is None:
        return one.in_words()
    return "" if one.uncertainty is not None else f"{one.in_words()}, and how uncertain that is nobody knows"


def _ends(one: Measured) -> tuple[float, float]:
    value, about = one.value or 0.0, one.uncertainty or 0.0
    return value - about, math.inf if one.at_least else value + about


def _change(side: CandidateFigure, before: Measured, after: Measured, relative: bool) -> _Range:
    """Return the range of a change; a difference below the resolution counts as 0."""
    difference = change(before, after)
    if difference is None:
        return _Range(0.0, 0.0, "", f"{side}: {before.unit} against {after.unit}")
    finest = difference.resolution or 0.0
    after_value = before.value if abs(difference.value or 0.0) < finest * (1 - CLOSE) else after.value
    was, now = _ends(before), tuple(end + (after_value or 0.0) - (after.value or 0.0) for end in _ends(after))
    words = f"{side.name} is {after.in_words()}, was {before.in_words()}"
    if not relative:
        return _Range(now[0] - was[1], now[1] - was[0], words)
    if was[0] < 0:
        return _Range(0.0, 0.0, "", f"{side}: {words}: a share of what may be less than 0 says nothing")
    return _Range(_share(now[0], was[1]), _share(now[1], was[0]), words)


def _share(now: float, was: float) -> float:
    """Return the relative growth; 0 if both values are 0, infinite if only the earlier one is."""
    if was:
        return now / was - 1
    return 0.0 if not now else math.copysign(math.inf, now)


def _gravity(verdict: str) -> int:
    """Return the rank of a verdict; unknown verdicts rank highest."""
    order = ("passed", "failed", "invalid", "interrupted", "refused")
    return order.index(verdict) if verdict in order else len(order)


def _median(figures: Sequence[Measured | None]) -> Measured:
    """Return the median of all runs; no value unless all were measured, because the missing ones may be the worst."""
    known = [one for one in figures if one is not None and one.value is not None]
    unit = next((one.unit for one in figures if one is not None), "")
    how = sentence("the median of {n} runs", n=len(figures))
    if len(known) < len(figures):
        why = sentence("measured in {known} of {n} runs", known=len(known), n=len(figures))
        return Measured(None, unit, how, why=why)
    values = [one.value or 0.0 for one in known]
    middle, about = median(values), None
    if all(one.uncertainty is not None for one in known):
        low, high = (median((one.value or 0.0) + sign * (one.uncertainty or 0.0) for one in known) for sign in (-1, 1))
        about = max(high - middle, middle - low)
    resolution = max((one.resolution for one in known if one.resolution is not None), default=None)
    return Measured(middle, unit, how, resolution, about, at_least=any(one.at_least for one in known))


def as_json(gates: Sequence[tuple[str, str, Sequence[Result]]]) -> list[dict[str, Any]]:
    """Return gates as JSON values: the text, the answer and the results of the comparisons of each."""
    return [
        {"gate": text, "answer": answer, "comparisons": [one.as_json() for one in results]}
        for text, answer, results in gates
    ]


def sides_of(
    candidates: Sequence[ComparedRun], baselines: Sequence[ComparedRun], unreadable: Sequence[ExcludedRun] = ()
) -> tuple[tuple[ComparedRun, ...], tuple[ExcludedRun, ...], Figures, Figures]:
    """Return both sides of a gate from runs.

    :param unreadable: runs of either side that could not be read.
    :returns: the baselines that are comparable with the candidates; the runs that are left out; the candidates'
        figures; the baselines' figures.
    """
    names = {run.run for run in candidates}
    others = [run for run in baselines if run.run not in names]
    reference = next((run for run in reversed(candidates) if not run.why_not), None)
    usable, left_out = sorted_out(others, reference)
    why = "; ".join(f"{one.run} is left out: {one.why}" for one in left_out) or "there is no run to compare with"
    unread = "; ".join(f"{one.run}: {one.why}" for one in unreadable)
    unlike = [one for one in sorted_out(candidates, reference)[1]] if reference else []
    candidate = figures_of(candidates, unread)
    if unlike and not candidate.why_not:
        candidate = replace(candidate, why_not="; ".join(f"{one.run}: {one.why}" for one in unlike))
    baseline = figures_of(usable, why)
    if not have_comparable_losses((*candidates, *usable)):
        kept = {name: one for name, one in baseline.measured.items() if not is_loss(name)}
        baseline = replace(baseline, measured=kept)
    return usable, (*unreadable, *left_out), candidate, baseline
