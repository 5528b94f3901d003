"""Comparison of several runs, oldest first: probe results, changes of result, and figures. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.comparability import ExcludedRun, circumstances, sorted_out
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.hypothesis import WHEN, ProbeResult, flips, state
from chaosdrill.analysis.measurement import Measured


@dataclass(frozen=True)
class Checks:
    """The results of one probe of the hypothesis in all runs, before, during or after the method.

    :param tolerance: its tolerance in the newest run that read it.
    :param readings: its readings in each run; empty where it was not read.
    """

    probe: str
    tolerance: Any
    when: str
    readings: tuple[tuple[ProbeResult, ...], ...]

    @property
    def flips(self) -> tuple[int, ...]:
        """The indices of the runs in which the result differs from that of the previous run that read it."""
        found: list[int] = []
        before: tuple[ProbeResult, ...] = ()
        for number, readings in enumerate(self.readings):
            if flips(self.when, before, readings):
                found.append(number)
            before = readings or before
        return tuple(found)


@dataclass(frozen=True)
class ManyRuns:
    """Several runs side by side.

    :param runs: the comparable runs, oldest first.
    :param left_out: the other runs.
    :param circumstances: the circumstances that differ, by name, with the value of each run.
    :param measured: the figure of each run, by name; None where a run has none.
    """

    runs: tuple[ComparedRun, ...]
    left_out: tuple[ExcludedRun, ...]
    circumstances: dict[str, tuple[Any, ...]]
    checks: tuple[Checks, ...]
    measured: dict[str, tuple[Measured | None, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values; what belongs to a run is keyed by its id."""
        names = [run.run for run in self.runs]
        return {
            "kind": "many",
            "runs": [{"run": run.run, "began": run.began, "verdict": run.verdict} for run in self.runs],
            "comparable": len(self.runs) > 1,
            "left_out": [one.as_json() for one in self.left_out],
            "circumstances": {
                name: dict(zip(names, values, strict=True)) for name, values in self.circumstances.items()
            },
            "hypothesis": [_as_json(one, names) for one in self.checks],
            "measured": {
                name: {run: one and one.as_json() for run, one in zip(names, values, strict=True)}
                for name, values in self.measured.items()
            },
        }


def many_runs(runs: Iterable[ComparedRun]) -> ManyRuns:
    """Return the runs side by side, oldest first; runs that cannot be compared are left out by name."""
    ordered = sorted(runs, key=lambda run: (run.began, run.run))
    usable, left_out = sorted_out(ordered)
    names = dict.fromkeys(name for run in usable for name in run.measured)
    measured = {name: tuple(run.measured.get(name) for run in usable) for name in names}
    return ManyRuns(usable, left_out, circumstances(usable), tuple(_checks(usable)), measured)


def _checks(runs: Sequence[ComparedRun]) -> Iterator[Checks]:
    for name in dict.fromkeys(name for run in runs for name in run.probes):
        known = [run.probes.get(name) for run in runs]
        tolerance = next(one.tolerance for one in reversed(known) if one is not None)
        for when in WHEN:
            readings = tuple(one.readings.get(when, ()) if one is not None else () for one in known)
            if any(readings):
                yield Checks(name, tolerance, when, readings)


def _as_json(checks: Checks, names: Sequence[str]) -> dict[str, Any]:
    read = {
        run: {"state": state(readings), "readings": [one.as_json() for one in readings]}
        for run, readings in zip(names, checks.readings, strict=True)
    }
    flipped = [names[number] for number in checks.flips]
    return {"probe": checks.probe, "tolerance": checks.tolerance, "when": checks.when, "runs": read, "flipped": flipped}
