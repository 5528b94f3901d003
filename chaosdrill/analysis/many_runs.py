"""Several runs beside each other, the oldest first: what each probe said, what flipped, what was measured. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.alike import LeftOut, circumstances, sorted_out
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.hypothesis import WHEN, Reading, flips, state
from chaosdrill.analysis.measured import Measured


@dataclass(frozen=True)
class Checks:
    """A probe of the hypothesis in all runs, before, during or after the method.

    :param tolerance: what was asked of it in the newest run that read it.
    :param readings: what it said, for each run; empty where it was not read.
    """

    probe: str
    tolerance: Any
    when: str
    readings: tuple[tuple[Reading, ...], ...]

    @property
    def flips(self) -> tuple[int, ...]:
        """In which runs, counted from 0, it came out otherwise than in the one before that read it."""
        found: list[int] = []
        before: tuple[Reading, ...] = ()
        for number, readings in enumerate(self.readings):
            if flips(self.when, before, readings):
                found.append(number)
            before = readings or before
        return tuple(found)


@dataclass(frozen=True)
class ManyRuns:
    """Runs beside each other.

    :param runs: those that can be compared, the oldest first.
    :param left_out: the others.
    :param circumstances: what was not the same, by name: that of each run.
    :param measured: by name the figure of each run; None where there is none.
    """

    runs: tuple[ComparedRun, ...]
    left_out: tuple[LeftOut, ...]
    circumstances: dict[str, tuple[Any, ...]]
    checks: tuple[Checks, ...]
    measured: dict[str, tuple[Measured | None, ...]]

    def as_json(self) -> dict[str, Any]:
        """:returns: it as JSON values; what belongs to a run stands under its id."""
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
    """:returns: the runs beside each other, the oldest first; those that cannot be compared are left out by name."""
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
