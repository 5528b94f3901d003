"""Comparison of two runs: plain differences, and what may explain them. Pure.

Comparing one run with one run proves nothing: a difference larger than both uncertainties was measured, but it may not
occur again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.comparability import circumstances, have_comparable_losses, unlike
from chaosdrill.analysis.compared_figures import is_loss
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.hypothesis import WHEN, Probe, ProbeResult, flips
from chaosdrill.analysis.measurement import Measured
from chaosdrill.messages import NOTHING, Name, Sentence, sentence


@dataclass(frozen=True)
class FigureDifference:
    """One figure in both runs.

    :param change: the candidate's value minus the baseline's, in their unit; None when one of them was not measured.
    """

    name: str
    baseline: Measured | None
    candidate: Measured | None
    change: Measured | None

    @property
    def ratio(self) -> float | None:
        """The change relative to the baseline's value; None if that is unknown, 0, or possibly 0."""
        if self.change is None or self.change.value is None or self.baseline is None or not self.baseline.value:
            return None
        if abs(self.baseline.value) <= (self.baseline.uncertainty or 0.0):
            return None
        return self.change.value / self.baseline.value

    def as_json(self) -> dict[str, Any]:
        """Return the difference as JSON values."""
        sides = {name: getattr(self, name) for name in ("baseline", "candidate", "change")}
        shown = {name: None if one is None else one.as_json() for name, one in sides.items()}
        return {"name": self.name, **shown, "ratio": self.ratio}


@dataclass(frozen=True)
class ProbeComparison:
    """A probe of the hypothesis in both runs, before, during or after the method.

    :param tolerances: its tolerances in the baseline and in the candidate.
    :param baseline: its readings in order; empty when it was not read.
    """

    probe: str
    tolerances: tuple[Any, Any]
    when: str
    baseline: tuple[ProbeResult, ...]
    candidate: tuple[ProbeResult, ...]

    @property
    def flipped(self) -> bool:
        """Whether the result differs by more than sampling explains."""
        return flips(self.when, self.baseline, self.candidate)

    def as_json(self) -> dict[str, Any]:
        """Return the probe as JSON values."""
        sides = {name: [one.as_json() for one in getattr(self, name)] for name in SIDES}
        tolerances = dict(zip(SIDES, self.tolerances, strict=True))
        return {"probe": self.probe, "when": self.when, "tolerance": tolerances, **sides, "flipped": self.flipped}


SIDES = ("baseline", "candidate")


@dataclass(frozen=True)
class Comparison:
    """A candidate compared with a baseline.

    :param why_not: why they cannot be compared, in sentences; then nothing is compared.
    :param circumstances: the differing circumstances: name, the baseline's value, the candidate's value.
    """

    baseline: ComparedRun
    candidate: ComparedRun
    why_not: tuple[Sentence, ...]
    circumstances: tuple[tuple[str, Any, Any], ...]
    checked: tuple[ProbeComparison, ...]
    differences: tuple[FigureDifference, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        differing = [dict(zip(("name", *SIDES), one, strict=True)) for one in self.circumstances]
        return {
            "kind": "two",
            "baseline": self.baseline.run,
            "candidate": self.candidate.run,
            "comparable": not self.why_not,
            "why_not": list(self.why_not),
            "verdicts": {name: getattr(self, name).verdict for name in SIDES},
            "circumstances": differing,
            "hypothesis": [one.as_json() for one in self.checked],
            "measured": [one.as_json() for one in self.differences],
        }


def comparison(baseline: ComparedRun, candidate: ComparedRun) -> Comparison:
    """Compare a candidate with a baseline; if they are incomparable, return why, with the differing circumstances."""
    why_not = tuple(dict.fromkeys(_why_not(baseline, candidate)))
    differing = tuple((name, *values) for name, values in circumstances((baseline, candidate)).items())
    if why_not:
        return Comparison(baseline, candidate, why_not, differing, (), ())
    return Comparison(
        baseline,
        candidate,
        (),
        differing,
        tuple(_checked(baseline, candidate)),
        tuple(_differences(baseline, candidate)),
    )


def _why_not(baseline: ComparedRun, candidate: ComparedRun) -> Iterator[Sentence]:
    if baseline.run == candidate.run:
        yield sentence("{run} would be compared with itself: name another run", run=baseline.run)
    for run in (baseline, candidate):
        if run.why_not:
            yield sentence("{run} is left out: {why}", run=run.run, why=run.why_not)
    for what, *values in unlike(baseline, candidate):
        yield sentence(
            "{baseline} and {candidate} are not alike: {what} {one} against {other}",
            baseline=baseline.run,
            candidate=candidate.run,
            what=Name("likeness", what),
            one=values[0],
            other=values[1],
        )


def _checked(baseline: ComparedRun, candidate: ComparedRun) -> Iterator[ProbeComparison]:
    for name in dict.fromkeys([*baseline.probes, *candidate.probes]):
        seen = [run.probes.get(name, Probe(name, None, {})) for run in (baseline, candidate)]
        tolerances = seen[0].tolerance, seen[1].tolerance
        for when in WHEN:
            read = [one.readings.get(when, ()) for one in seen]
            if any(read):
                yield ProbeComparison(name, tolerances, when, read[0], read[1])


def _differences(baseline: ComparedRun, candidate: ComparedRun) -> Iterator[FigureDifference]:
    for name in dict.fromkeys([*baseline.measured, *candidate.measured]):
        before, after = (run.measured.get(name) for run in (baseline, candidate))
        comparable = not is_loss(name) or have_comparable_losses((baseline, candidate))
        yield FigureDifference(name, before, after, change(before, after) if comparable else None)


def change(before: Measured | None, after: Measured | None) -> Measured | None:
    """Return the candidate's figure minus the baseline's; None when one of them was not measured.

    Its uncertainty is the sum of both uncertainties.
    """
    if before is None or after is None or before.value is None or after.value is None or before.unit != after.unit:
        return None
    known = [one for one in (before.uncertainty, after.uncertainty) if one is not None]
    resolution = max([one for one in (before.resolution, after.resolution) if one is not None], default=None)
    about = sum(known) if len(known) == len(SIDES) else None
    why = sentence("one of them is a lower bound") if before.at_least or after.at_least else NOTHING
    how = sentence("the candidate's less the baseline's")
    return Measured(after.value - before.value, before.unit, how, resolution, about, why)


def exceeds(change: Measured) -> bool:
    """Return whether a change is larger than its uncertainty and at least the resolution.

    It is False when the uncertainty of one of the figures is unknown.
    """
    if change.value is None or change.uncertainty is None:
        return False
    size = abs(change.value) * (1 + 1e-9)  # in floating point 0.3 - 0.2 is slightly less than 0.1
    return change.value != 0 and abs(change.value) > change.uncertainty and size >= (change.resolution or 0.0)
