"""All runs of an experiment over time: the phases of each movement stacked, the recovery time, the objectives. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.analysis.alike import LeftOut, sorted_out
from chaosdrill.analysis.compared_figures import MOVEMENTS, RECOVERY
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.foreign import mapping, number
from chaosdrill.analysis.measured import Measured
from chaosdrill.analysis.phases import DNS, FAULT, NOTICED, PHASES, STARTED

# what comes one after the other from the start of a movement; DNS changes beside it, and what is before is not its part
STACKED = tuple(name for name in PHASES if name not in (FAULT, NOTICED, STARTED, DNS))
RTO, BUDGETS = "rto_s", "budgets"


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

    :param objectives: the seconds that were the objective in each run, by name: ``rto_s``, and the budgets by phase.
    """

    experiment: str
    target: str
    scale: float | None
    points: tuple[Point, ...]
    left_out: tuple[LeftOut, ...]
    objectives: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """:returns: it as JSON values."""
        return {
            "kind": "trend",
            "experiment": self.experiment,
            "target": self.target,
            "scale": self.scale,
            "runs": [point.as_json() for point in self.points],
            "left_out": [one.as_json() for one in self.left_out],
            "objectives": {name: list(values) for name, values in self.objectives.items()},
        }


def trend(runs: Iterable[ComparedRun]) -> Trend:
    """:returns: runs over time; those unlike the newest, and those that proved nothing, are left out by name."""
    usable, left_out = sorted_out(sorted(runs, key=lambda run: (run.began, run.run)))
    if not usable:
        return Trend("", "", None, (), left_out)
    newest = usable[-1]
    points = tuple(map(_point, usable))
    return Trend(newest.experiment, newest.target, newest.scale, points, left_out, _objectives(usable))


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


def _objectives(runs: Sequence[ComparedRun]) -> dict[str, tuple[float | None, ...]]:
    given = [{RTO: run.objectives.get(RTO), **mapping(run.objectives.get(BUDGETS))} for run in runs]
    names = [RTO, *(name for name in PHASES if any(name in one for one in given))]
    found = {name: tuple(number(one.get(name)) for one in given) for name in names}
    return {name: values for name, values in found.items() if any(value is not None for value in values)}
