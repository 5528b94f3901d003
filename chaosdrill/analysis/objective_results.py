"""What runs reached of their own objectives. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.compared_figures import AVAILABILITY, LOST_S, LOST_WRITES, MOVEMENTS, RECOVERY
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.phases import PHASES
from chaosdrill.analysis.proof import proves
from chaosdrill.analysis.untrusted_json import mapping, number

RTO, BUDGETS = "rto_s", "budgets"
WHOLE_RUN = ""
_OF_RUN = {"availability_ratio": AVAILABILITY, "rpo_writes": LOST_WRITES, "rpo_s": LOST_S}
_LEAST = ("availability_ratio",)  # more is better; for all others less is
_UNITS = {"availability_ratio": "ratio", "rpo_writes": "writes"}


@dataclass(frozen=True)
class Reached:
    """What a run reached of one objective.

    :param of: the transition; empty: the whole run.
    :param met: None when it cannot be decided, or there is no limit.
    """

    of: str
    measured: Measured
    met: bool | None

    def as_json(self) -> dict[str, Any]:
        """Return the value as JSON values."""
        return {"of": self.of or None, "met": self.met, **self.measured.as_json()}


@dataclass(frozen=True)
class Aim:
    """An objective, and what each run reached of it.

    :param name: ``rto_s``, ``availability_ratio``, ``rpo_writes``, ``rpo_s``, or the phase that has a budget.
    :param unit: the unit of the objective and of the figures.
    :param limits: the limit in each run; None where it had none.
    :param reached: the figures of each run; empty where nothing was measured.
    """

    name: str
    unit: str
    limits: tuple[float | None, ...]
    reached: tuple[tuple[Reached, ...], ...]

    @property
    def is_budget(self) -> bool:
        """Whether it is the budget of a phase."""
        return self.name in PHASES


def aims(runs: Sequence[ComparedRun]) -> tuple[Aim, ...]:
    """Return every objective that any run had: the recovery time, the budgets in order of the phases, the others."""
    found = []
    for name in (RTO, *PHASES, *_OF_RUN):
        limits = tuple(_limit(run, name) for run in runs)
        if any(limit is not None for limit in limits):
            reached = tuple(tuple(_reached(run, name, limit)) for run, limit in zip(runs, limits, strict=True))
            found.append(Aim(name, _UNITS.get(name, "s"), limits, reached))
    return tuple(found)


def _limit(run: ComparedRun, name: str) -> float | None:
    given = mapping(run.objectives.get(BUDGETS)) if name in PHASES else run.objectives
    return number(given.get(name))


def _reached(run: ComparedRun, name: str, limit: float | None) -> Iterator[Reached]:
    for of, measured in _measured(run, name).items():
        if measured is not None:
            met = _is_met(name, measured, limit)
            yield Reached(of, measured, None if met and not proves(run.verdict) else met)


def _measured(run: ComparedRun, name: str) -> Mapping[str, Measured | None]:
    """Return the figures by transition; a run without a transition has the recovery time of its fault."""
    if name in _OF_RUN:
        return {WHOLE_RUN: run.measured.get(_OF_RUN[name])}
    phase = name.replace("-", "_")
    form = "recovery_{}_s" if name == RTO else f"{{}}.{phase}_s"
    found = {what: run.measured.get(form.format(what.replace("-", "_"))) for what in MOVEMENTS}
    nothing_moved = name == RTO and not any(found.values())
    return {WHOLE_RUN: run.measured.get(RECOVERY)} if nothing_moved else found


def _is_met(name: str, measured: Measured, limit: float | None) -> bool | None:
    """Return whether the value met the limit, as the judgement decides.

    A phase that was counted from another moment is not held against its budget.
    """
    if limit is None or measured.value is None or (name in PHASES and measured.why):
        return None
    if measured.value < limit if name in _LEAST else measured.value > limit:
        return False
    return None if measured.at_least else True
