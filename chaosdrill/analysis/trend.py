"""All runs of an experiment over time: stacked phases of each transition, recovery time, objectives. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.comparability import ExcludedRun, sorted_out
from chaosdrill.analysis.compared_figures import MOVEMENTS, RECOVERY
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.objective_results import Aim, aims
from chaosdrill.analysis.phases import DNS, FAULT, NOTICED, PHASES, STARTED

# phases that follow each other from the start of a transition; DNS changes in parallel
STACKED = tuple(name for name in PHASES if name not in (FAULT, NOTICED, STARTED, DNS))


@dataclass(frozen=True)
class TrendPhase:
    """A phase of a transition.

    :param name: the name of the phase in the judgement, such as ``database-switched``.
    """

    name: str
    took: Measured

    @property
    def seconds(self) -> float:
        """The length of its bar: 0 if the phase ended before the one that it is counted from."""
        return max(0.0, self.took.value or 0.0)


@dataclass(frozen=True)
class Point:
    """One run of a trend.

    :param recovery: the recovery time as clients measured it, the worst of its transitions; None when there is none.
    :param recoveries: the recovery time of each transition.
    :param stacks: for each transition its phases in order, from its start to sustained service.
    """

    run: str
    began: str
    verdict: str
    recovery: Measured | None
    recoveries: Mapping[str, Measured]
    stacks: Mapping[str, tuple[TrendPhase, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return the point as JSON values."""
        return {
            "run": self.run,
            "began": self.began,
            "verdict": self.verdict,
            "recovery": self.recovery and self.recovery.as_json(),
            "phases": {
                what: [{"phase": part.name, **part.took.as_json()} for part in parts]
                for what, parts in self.stacks.items()
            },
        }


@dataclass(frozen=True)
class Trend:
    """The runs of an experiment, oldest first.

    :param aims: every objective of any of the runs, and what each run reached of it.
    """

    experiment: str
    target: str
    scale: float | None
    points: tuple[Point, ...]
    left_out: tuple[ExcludedRun, ...]
    aims: tuple[Aim, ...] = ()

    @property
    def objectives(self) -> Mapping[str, tuple[float | None, ...]]:
        """The limit of each objective in each run, by name; a budget has the name of its phase."""
        return {one.name: one.limits for one in self.aims}

    def as_json(self) -> dict[str, Any]:
        """Return the trend as JSON values."""
        return {
            "kind": "trend",
            "experiment": self.experiment,
            "target": self.target,
            "scale": self.scale,
            "runs": [{**point.as_json(), "reached": self._reached(at)} for at, point in enumerate(self.points)],
            "left_out": [one.as_json() for one in self.left_out],
            "objectives": {name: list(values) for name, values in self.objectives.items()},
        }

    def _reached(self, number: int) -> dict[str, list[dict[str, Any]]]:
        """Return what a run reached of each objective, by name."""
        return {aim.name: [one.as_json() for one in aim.reached[number]] for aim in self.aims}


def trend(runs: Iterable[ComparedRun]) -> Trend:
    """Return the runs over time; runs that differ from the newest or proved nothing are left out by name."""
    usable, left_out = sorted_out(sorted(runs, key=lambda run: (run.began, run.run)))
    if not usable:
        return Trend("", "", None, (), left_out)
    newest = usable[-1]
    points = tuple(map(_point, usable))
    return Trend(newest.experiment, newest.target, newest.scale, points, left_out, aims(usable))


def _point(run: ComparedRun) -> Point:
    stacks = {what: parts for what in MOVEMENTS if (parts := tuple(_parts(run, what.replace("-", "_"))))}
    recoveries = {
        what: took
        for what in MOVEMENTS
        if (took := run.measured.get(f"recovery_{what.replace('-', '_')}_s")) is not None
    }
    return Point(run.run, run.began, run.verdict, run.measured.get(RECOVERY), recoveries, stacks)


def _parts(run: ComparedRun, movement: str) -> Iterator[TrendPhase]:
    for name in STACKED:
        took = run.measured.get(f"{movement}.{name.replace('-', '_')}_s")
        if took is not None and took.value is not None:
            yield TrendPhase(name, took)
