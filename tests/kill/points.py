"""The points of the kill matrix: what is killed, or which answer is lost, and when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RECORDED = Path(__file__).with_name("recorded")
SHORT, REAL = "short", ("auto-failover", "failback", "failover", "packet-loss", "region-loss")
RUNNER = "runner"
PARTS = ("locust", "heartbeat", "home-application", "standby-application", "aws")
PARTS_DIE_AT = ("inject-packet-loss/after", "close-home/after", "open-standby/after", "fail-over/after")
GROUP_DIES_AFTER = "/after"
LOSES_DATA = "fail-over-database"  # from this step on the experiment allows that writes are lost
Kind = Literal["runner", "group", "part", "lost-answer"]


@dataclass(frozen=True)
class Point:
    """One row of the matrix.

    :param kind: what is killed; ``lost-answer``: nothing, the answers of an AWS operation are lost.
    :param what: which part; or ``SERVICE:OPERATION`` and how many of its calls, 0 for all.
    :param at: the point of the drill; empty where an answer is lost.
    :param experiment: which one is run.
    """

    kind: Kind
    at: str = ""
    what: str = RUNNER
    calls: int = 0
    experiment: str = SHORT

    @property
    def name(self) -> str:
        """Its name in the results, such as ``runner at fail-over/after``."""
        of = "" if self.experiment == SHORT else f"{self.experiment}: "
        if self.kind == "lost-answer":
            return f"{of}lost-answer of {self.what}, {f'first {self.calls}' if self.calls else 'all'}"
        return f"{of}{self.what} at {self.at}"

    @property
    def group(self) -> str:
        """What the results count it with: what is killed, or the experiment, where that is a real one."""
        if self.experiment != SHORT:
            return f"experiments/{self.experiment}"
        return self.what if self.kind == "part" else self.kind

    @property
    def breaks_lab(self) -> bool:
        """Whether the lab is of no more use afterwards: a part of it has died."""
        return self.kind == "part" and self.what != "heartbeat"


def points_of(passed: Sequence[str], experiment: str = SHORT) -> list[Point]:
    """List the rows of the matrix. Of a real experiment only its runner is killed.

    :param passed: the points that a recorded drill passed, in order.
    """
    at = list(dict.fromkeys(passed))
    found = [Point("runner", one, experiment=experiment) for one in at]
    if experiment != SHORT:
        return found
    found += [Point("group", one, "group") for one in at if one.endswith(GROUP_DIES_AFTER) and one.count("/") == 1]
    found += [Point("part", one, part) for part in PARTS for one in PARTS_DIE_AT if one in at]
    operations = dict.fromkeys(_operation(one) for one in at if one.endswith("/after-send"))
    return found + [Point("lost-answer", what=one, calls=calls) for one in operations for calls in (1, 0)]


def recorded_points(experiments: Sequence[str] = (SHORT,)) -> list[Point]:
    """List the rows of the matrix, by the recorded drills of some experiments."""
    return [point for name in experiments for point in points_of(recorded(name).read_text().split(), name)]


def recorded(experiment: str) -> Path:
    """Return the file with the points of a recorded drill."""
    return RECORDED / f"{experiment}.txt"


def may_lose(passed: Iterable[str]) -> bool:
    """Tell whether the experiment allows that accepted writes are lost, by the points that a drill has passed."""
    return any(one.startswith(f"{LOSES_DATA}/") for one in passed)


def _operation(point: str) -> str:
    return point.split("/")[1].partition("#")[0]
