"""Two groups of repeated runs: for each figure whether it is better, worse, or undecidable. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from chaosdrill.analysis import statistics
from chaosdrill.analysis.comparability import ExcludedRun, have_comparable_losses, sorted_out
from chaosdrill.analysis.compared_figures import better, is_loss
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.comparison import exceeds
from chaosdrill.analysis.many_runs import ManyRuns, many_runs
from chaosdrill.analysis.measurement import Measured
from chaosdrill.messages import Sentence, sentence

BETTER, WORSE, DIFFERENT, SAME, TOO_FEW = "better", "worse", "different", "no difference seen", "too few runs to tell"


@dataclass(frozen=True)
class GroupFigure:
    """One figure in one group.

    :param values: the sorted values of the runs in which it was measured with a known uncertainty.
    :param of: how many runs the group has.
    :param about: the uncertainty of the median, if every run is off by its uncertainty in the same direction.
    :param resolution: the coarsest resolution of the runs; 0: unknown.
    :param at_least: some of the values are lower bounds only.
    """

    values: tuple[float, ...]
    of: int
    about: float = 0.0
    resolution: float = 0.0
    at_least: bool = False

    @property
    def median(self) -> float | None:
        """The median; None when no run measured it."""
        return median(self.values) if self.values else None

    def as_json(self) -> dict[str, Any]:
        """Return the side as JSON values."""
        return {"median": self.median, "measured": len(self.values), "of": self.of, "values": list(self.values)}


@dataclass(frozen=True)
class Repeated:
    """One figure in both groups.

    :param change: the candidates' median minus the baselines', with the uncertainty of the runs' own figures.
    :param interval: the 95 % interval of the difference, from the scatter of the runs.
    :param delta: Cliff's delta: how much more often a candidate is above a baseline than below it, -1 to 1.
    :param p: the p-value of the rank test, corrected for all figures.
    :param answer: ``better``, ``worse``, ``different``, ``no difference seen``, ``too few runs to tell``.
    :param why: the reason for the answer.
    """

    name: str
    baseline: GroupFigure
    candidate: GroupFigure
    change: Measured | None
    interval: statistics.ConfidenceInterval | None
    delta: float | None
    p: float | None
    answer: str
    why: Sentence

    @property
    def is_constant(self) -> bool:
        """Whether it was the same in all runs, or measured in none."""
        return len({*self.baseline.values, *self.candidate.values}) < 2

    def as_json(self) -> dict[str, Any]:
        """Return the figure as JSON values."""
        return {
            "name": self.name,
            "baseline": self.baseline.as_json(),
            "candidate": self.candidate.as_json(),
            "change": self.change and self.change.as_json(),
            "interval": self.interval and self.interval.as_json(),
            "cliffs_delta": self.delta,
            "effect": None if self.delta is None else statistics.effect_in_words(self.delta),
            "p": self.p,
            "answer": self.answer,
            "why": self.why,
        }


@dataclass(frozen=True)
class Groups:
    """Candidates compared with baselines.

    :param runs: the comparable runs of both groups, side by side.
    :param left_out: the other runs, each with the reason.
    :param looked_at: for how many figures the claims are corrected.
    """

    baseline: tuple[ComparedRun, ...]
    candidate: tuple[ComparedRun, ...]
    left_out: tuple[ExcludedRun, ...]
    runs: ManyRuns
    looked_at: int
    measured: tuple[Repeated, ...]

    @property
    def comparable(self) -> bool:
        """Whether each group has a run."""
        return bool(self.baseline and self.candidate)

    def as_json(self) -> dict[str, Any]:
        """Return the groups as JSON values."""
        return {
            "kind": "groups",
            "baseline": [run.run for run in self.baseline],
            "candidate": [run.run for run in self.candidate],
            "comparable": self.comparable,
            "left_out": [one.as_json() for one in self.left_out],
            "looked_at": self.looked_at,
            "circumstances": self.runs.as_json()["circumstances"],
            "hypothesis": self.runs.as_json()["hypothesis"],
            "measured": [one.as_json() for one in self.measured],
        }


def groups(baseline: Iterable[ComparedRun], candidate: Iterable[ComparedRun]) -> Groups:
    """Compare candidates with baselines; runs that differ from the newest candidate are left out by name.

    A run that is in both groups is left out of the baselines.
    """
    wanted = {run.run: run for run in candidate}
    both = sorted({**{run.run: run for run in baseline}, **wanted}.values(), key=lambda run: (run.began, run.run))
    reference = next((run for run in reversed(both) if run.run in wanted and not run.why_not), None)
    usable, left_out = sorted_out(both, reference)
    sides = tuple(run for run in usable if run.run not in wanted), tuple(run for run in usable if run.run in wanted)
    compared = _compared(*sides) if all(sides) else ()
    return Groups(*sides, left_out, many_runs(usable), _looked_at(compared), compared)


def _compared(baseline: Sequence[ComparedRun], candidate: Sequence[ComparedRun]) -> tuple[Repeated, ...]:
    runs = (*baseline, *candidate)
    comparable = have_comparable_losses(runs)
    names = dict.fromkeys(name for run in runs for name in run.measured if comparable or not is_loss(name))
    sides = {name: (_side(baseline, name), _side(candidate, name)) for name in names}
    tested = {name: both for name, both in sides.items() if _is_tested(*both)}
    # figures with the same values in every run count as one measurement
    different = {(one.values, other.values): name for name, (one, other) in tested.items()}
    corrected = statistics.holm({values: statistics.rank_test(*values) for values in different})
    ps = {name: corrected[one.values, other.values] for name, (one, other) in tested.items()}
    units = {name: _unit((*baseline, *candidate), name) for name in names}
    return tuple(_judged(name, units[name], both, ps.get(name), len(different)) for name, both in sides.items())


def _is_tested(one: GroupFigure, other: GroupFigure) -> bool:
    """Return whether a figure is tested: without differing values no claim is possible, so it needs no correction."""
    return bool(one.values and other.values) and len({*one.values, *other.values}) > 1


def _looked_at(compared: Sequence[Repeated]) -> int:
    return len({(one.baseline.values, one.candidate.values) for one in compared if one.p is not None})


def _unit(runs: Iterable[ComparedRun], name: str) -> str:
    return next((run.measured[name].unit for run in runs if name in run.measured), "")


def _side(runs: Sequence[ComparedRun], name: str) -> GroupFigure:
    found = [run.measured[name] for run in runs if name in run.measured]
    known = [(one.value, one.uncertainty) for one in found if one.value is not None and one.uncertainty is not None]
    if not known:
        return GroupFigure((), len(runs))
    low, high = (median(value + sign * about for value, about in known) for sign in (-1, 1))
    values = tuple(sorted(value for value, _ in known))
    middle = median(values)
    resolution = max((one.resolution or 0.0 for one in found), default=0.0)
    return GroupFigure(
        values, len(runs), max(high - middle, middle - low), resolution, any(one.at_least for one in found)
    )


def _judged(name: str, unit: str, sides: tuple[GroupFigure, GroupFigure], p: float | None, looked_at: int) -> Repeated:
    one, other = sides
    if one.median is None or other.median is None:
        why = sentence("not measured on both sides")
        return Repeated(name, one, other, None, None, None, None, TOO_FEW, why)
    about, finest = one.about + other.about, max(one.resolution, other.resolution) or None
    how = sentence("the candidates' median less the baselines'")
    change = Measured(other.median - one.median, unit, how, finest, about)
    delta = statistics.cliffs_delta(one.values, other.values)
    answer, why = _answer(name, sides, change, delta, 1.0 if p is None else p, looked_at)
    interval = statistics.interval_of_medians(one.values, other.values)
    return Repeated(name, one, other, change, interval, delta, p, answer, why)


def _answer(
    name: str, sides: tuple[GroupFigure, GroupFigure], change: Measured, delta: float, p: float, looked_at: int
) -> tuple[str, Sentence]:
    one, other = sides
    if p > statistics.ALPHA:
        return _no_claim(sides, looked_at)
    if min(len(one.values), len(other.values)) < statistics.LEAST_RUNS:
        return TOO_FEW, _too_few(one, other, looked_at)
    more = delta > 0
    if not exceeds(change) or (change.value or 0.0) * delta <= 0:
        return SAME, sentence("the medians differ by no more than the runs' own uncertainty and resolution")
    if (one if more else other).at_least:  # the true values could be on the other side
        return TOO_FEW, sentence("some runs give a lower bound only")
    how = sentence("p {p:.2g} after looking at {looked_at} measurements", p=p, looked_at=looked_at)
    way = better(name)
    return (DIFFERENT if not way else BETTER if (way == "more") == more else WORSE), how


def _no_claim(sides: tuple[GroupFigure, GroupFigure], looked_at: int) -> tuple[str, Sentence]:
    one, other = sides
    counts = len(one.values), len(other.values)
    same = len({*one.values, *other.values}) == 1
    possible = same or statistics.least_p(*counts) * looked_at <= statistics.ALPHA
    if min(counts) < statistics.LEAST_RUNS or not possible:
        return TOO_FEW, _too_few(one, other, looked_at)
    if one.at_least or other.at_least:
        return TOO_FEW, sentence("some runs give a lower bound only")
    return SAME, sentence("the same in all runs") if same else sentence("such a difference comes by chance, too")


def _too_few(one: GroupFigure, other: GroupFigure, looked_at: int) -> Sentence:
    each, beside = statistics.needed(looked_at), len(one.values)
    text = sentence(
        "{one} against {other}: with {looked_at} measurements looked at a claim needs {each} a side",
        one=beside,
        other=len(other.values),
        looked_at=looked_at,
        each=each,
    )
    if statistics.LEAST_RUNS <= beside < each or beside > each:
        needed = statistics.needed(looked_at, beside)
        return sentence("{few}, or {needed} against these {beside}", few=text, needed=needed, beside=beside)
    return text
