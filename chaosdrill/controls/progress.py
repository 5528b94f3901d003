"""The progress of a drill: the present step, and the estimated remaining time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from chaoslib import substitute

from chaosdrill.controls.activities import activities_by_phase, arguments_of
from chaosdrill.errors import BadInput
from chaosdrill.runs.catalogue import catalogue
from chaosdrill.watch.beats import LiveBeats
from chaosdrill.watch.tail import Tail

PHASES = ("setup", "steady-state-before", "method", "steady-state-after", "rollbacks")
MOST_RUNS = 10  # earlier runs whose durations are used
WAIT = "window_s"  # the argument with the duration of a step's measurement


@dataclass(frozen=True)
class DrillStep:
    """One planned step of a drill.

    :param waits_s: how long it waits by itself: its pauses and its window.
    """

    phase: str
    name: str
    waits_s: float


def planned_steps(
    experiment: Mapping[str, Any], setup: Sequence[Mapping[str, Any]], configuration: Mapping[str, Any]
) -> tuple[DrillStep, ...]:
    """Return the steps of a complete drill, in order."""
    found = {**activities_by_phase(experiment), "setup": setup}
    steady = found["steady-state"]
    by_phase = {**found, "steady-state-before": steady, "steady-state-after": steady}
    return tuple(
        DrillStep(phase, str(one.get("name") or one.get("ref")), _waits_s(substitute(dict(one), configuration, None)))
        for phase in PHASES
        for one in by_phase[phase]
    )


def number_of(steps: Sequence[DrillStep], phase: str, name: str, last: int) -> int:
    """Find the number of a step that begins.

    :param last: number of the step before it; 0 for the first.
    :returns: from 1 on; ``last`` for a step that was not planned.
    """
    later = [number for number, one in enumerate(steps, 1) if (one.phase, one.name) == (phase, name) and number > last]
    return later[0] if later else last


@dataclass(frozen=True)
class RemainingTime:
    """The estimated remaining time of a drill.

    :param at_least: only the experiment's own waits are known.
    """

    seconds: float
    at_least: bool

    def in_words(self) -> str:
        """Return a text such as ``about 45 s left``."""
        short = f"{max(1, round(self.seconds / 5)) * 5} s" if self.seconds < 100 else f"{round(self.seconds / 60)} min"
        return f"{'at least ' if self.at_least else ''}about {short} left"


class TimeLeft:
    """An estimator of a drill's remaining time.

    :param earlier_s: durations of earlier runs of the same experiment; without any, the experiment's own waits are
        added up.
    """

    def __init__(self, steps: Sequence[DrillStep], earlier_s: Sequence[float]) -> None:
        self._steps = steps
        self._whole_s = median(earlier_s) if earlier_s else None

    def left(self, elapsed_s: float, number: int) -> RemainingTime | None:
        """Return the estimated remaining time; None when there is no basis for one, or the drill is overdue.

        :param number: of the present step, from 1 on.
        """
        if self._whole_s is not None:
            left_s = self._whole_s - elapsed_s
        else:
            left_s = sum(one.waits_s for one in self._steps[max(0, number - 1) :])
        return RemainingTime(left_s, self._whole_s is None) if left_s > 0 else None


def earlier_durations(directory: Path, target: str, scale: float) -> list[float]:
    """Return the durations, in seconds, of the newest passed runs of the same experiment, target and scale.

    :param directory: of the present run; the others are beside it.
    """
    try:
        entries = catalogue(directory.parent)
    except (BadInput, OSError):
        return []  # only an estimate is lost
    own = {entry.run: entry.experiment for entry in entries}.get(directory.name)
    alike = [one for one in entries if (one.experiment, one.target, one.scale) == (own, target, scale)]
    found = [one.seconds for one in alike if one.verdict == "passed" and one.seconds is not None]
    return found[-MOST_RUNS:]


def _waits_s(activity: Mapping[str, Any]) -> float:
    pauses = activity.get("pauses") or {}
    values = [*(pauses.get(name) for name in ("before", "after")), arguments_of(activity).get(WAIT)]
    return sum(value for value in values if isinstance(value, int | float) and not isinstance(value, bool))


class CurrentOutage:
    """The duration of clients' present outage, by the heartbeat's beats that have been collected so far.

    :param records: directory into which beats are collected while the drill runs.
    """

    def __init__(self, records: Path) -> None:
        self._rows = Tail(records / "beats.jsonl", object)
        self._beats = LiveBeats()

    def seconds(self) -> float | None:
        """Read the new beats.

        :returns: how long the present outage had lasted when the newest beat was due; None without one.
        """
        for row in self._rows.news():
            self._beats.take(row)
        since_s, newest_s = self._beats.out_since_s, self._beats.newest_s
        return None if since_s is None or newest_s is None else newest_s - since_s
