"""All runs of an experiment over time: the phases of each movement stacked, the recovery time, the objectives. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.aims import Aim, aims
from chaosdrill.analysis.alike import LeftOut, sorted_out
from chaosdrill.analysis.compared_figures import MOVEMENTS, RECOVERY
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.measured import Measured
from chaosdrill.analysis.phases import DNS, FAULT, NOTICED, PHASES, STARTED

# what comes one after the other from the start of a movement; DNS changes beside it, and what is before is not its part
STACKED = tuple(name for name in PHASES if name not in (FAULT, NOTICED, STARTED, DNS))


@dataclass(frozen=True)
class Part:
    """A phase of a movement.

    :param name: as judging names it, such as ``database-switched``.
    """

    name: str
    took: Measured

    @property
    def seconds(self) -> float:
        """How long a bar it has: a phase that came before the one that it follows has none."""
        return max(0.0, self.took.value or 0.0)


@dataclass(frozen=True)
class Point:
    """One run.

    :param recovery: the clients' time without service, the worst of its movements; None when there is none.
    :param recoveries: that of each movement.
    :param stacks: for each movement its phases, one after the other from its start to sustained service.
    """

    run: str
    began: str
    verdict: str
    recovery: Measured | None
    recoveries: Mapping[str, Measured]
    stacks: Mapping[str, tuple[Part, ...]]

    def as_json(self) -> dict[str, Any]:
        """:returns: it as JSON values."""
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
    """The runs of an experiment, the oldest first.

    :param aims: every objective that one of them had, and what each reached of it.
    """

    experiment: str
    target: str
    scale: float | None
    points: tuple[Point, ...]
    left_out: tuple[LeftOut, ...]
    aims: tuple[Aim, ...] = ()

    @property
    def objectives(self) -> Mapping[str, tuple[float | None, ...]]:
        """What was the objective in each run, by name; a budget is called as its phase."""
        return {one.name: one.limits for one in self.aims}

    def as_json(self) -> dict[str, Any]:
        """:returns: it as JSON values."""
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
        """What a run reached of each objective, by name."""
        return {aim.name: [one.as_json() for one in aim.reached[number]] for aim in self.aims}


def trend(runs: Iterable[ComparedRun]) -> Trend:
    """:returns: runs over time; those unlike the newest, and those that proved nothing, are left out by name."""
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


def _parts(run: ComparedRun, movement: str) -> Iterator[Part]:
    for name in STACKED:
        took = run.measured.get(f"{movement}.{name.replace('-', '_')}_s")
        if took is not None and took.value is not None:
            yield Part(name, took)
