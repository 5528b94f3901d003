"""The results of the kill matrix: a file of JSON lines, and the table that is made of it."""

import json
import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.kill.points import Point
from tests.kill.rig import Result

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "kill-matrix.jsonl"
MOST = 160  # characters of a problem
TITLE = """\
# Kill matrix

A drill of `tests/kill/short.yaml`, which uses every activity that changes something, is killed at each of its points,
or a part of the lab is, or the answers of an AWS operation are lost. Of the experiments in `experiments/` the runner is
killed. Then `chaosdrill rescue --yes` runs in an empty home, with the topology and the credentials and nothing else. A
point has passed when then the home region serves, everything is as it was before the drill, nothing is owed and no
fault is in force, `chaosdrill sweep` finds nothing, the client host has no files of the drill, no write that the
application accepted is lost (beyond what the experiment allows: one promotes a database), and a second rescue finds
nothing to do. Where Locust died, nobody can read whether its load runs: the first rescue must bring home everything
else and name the load, then Locust is started again and the rescue repeated. Where the AWS endpoint died, the rescue
must refuse, with exit code 2. A drill of `failback` that dies before its state machine is started may stay in the
standby region, where it began.

The rescue runs on the machine of the drill, so it knows that the driver's process has ended, and waits for its last
request only; that it waits for the end of a lease is shown by `python -m benchmarks.dead_man`.

Made by `python -m benchmarks.kill_matrix --write docs/results/kill-matrix.md`, which goes on with what has not passed
on this commit; `--new` leaves out what was reached on any. [kill-matrix.jsonl](kill-matrix.jsonl) has each result.

The short drill took 17.2 s from its first activity to the end of its last but one, `stop-heartbeat`, on 2 quiet cores,
and 26.9 s beside other work. 4.5 s of the 17.2 s are the start of the heartbeat on the client host, and 2.3 s its end:
SSM commands one after the other. (Times in the `history.jsonl` of the run that
`python -m benchmarks.kill_matrix --only "group at stop-load/after" --keep DIRECTORY` leaves.)

What the matrix has found, each corrected:

- A minute after a rescue, files of the dead drill's heartbeat on the client host refused the next drill.
- The files of a heartbeat whose driver died between its end and their removal were owed by no run.
- The end of a drill waited for the region watch, 8 s and more, before it read the end state.
- A drill that lost its lease during the start of its heartbeat found none to stop and called its undo paid;
  the heartbeat ran on (all answers of `dynamodb:UpdateItem` lost: failed on `6c196fbc55`, passed after the correction).
- Two changes that cancel each other were paid oldest first. A drill that died in between owed the newer one alone, and
  the rescue left a rule enabled that was disabled before the drill (`disable-automatic-failover/dynamodb:UpdateItem`, 1
  and 2: failed on `1f9e811a30`, passed after the correction).

"""


class Results:
    """The results of all points, in a file of JSON lines; of each point the last one counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._commit = _git("rev-parse", "--short=10", "HEAD")
        lines = path.read_text().splitlines() if path.exists() else []
        self.last: dict[str, dict[str, Any]] = {row["name"]: row for row in map(json.loads, lines)}

    def has_passed(self, point: Point) -> bool:
        """Tell whether a point was reached and has passed on this commit."""
        row = self.last.get(point.name, {})
        return bool(row.get("passed") and row.get("is_reached")) and row.get("commit") == self._commit

    def was_reached(self, point: Point) -> bool:
        """Tell whether a point was reached, on any commit."""
        return bool(self.last.get(point.name, {}).get("is_reached"))

    def add(self, result: Result) -> None:
        """Write a result down."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"commit": self._commit, "at": at, **result.as_json()}
        self.last[result.name] = row
        with self._path.open("a") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def chosen(points: Sequence[Point], only: Sequence[str], sample: int, seed: int) -> list[Point]:
    """Choose points, in their order."""
    found = [one for one in points if any(text in one.name for text in only)]
    if 0 < sample < len(found):
        places = sorted(random.Random(seed).sample(range(len(found)), sample))
        found = [found[place] for place in places]
    return found


def table(points: Sequence[Point], last: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the results as Markdown: counts by kind and commit, and each point that was run."""
    return TITLE + "\n".join([*_counts(points, last), "", *_rows(points, last)]) + "\n"


def _counts(points: Sequence[Point], last: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| what | points | run | passed | failed | not reached |"
    yield "|---|---|---|---|---|---|"
    kinds: dict[str, list[Point]] = {}
    for point in points:
        kinds.setdefault(point.group, []).append(point)
    for kind, of_kind in {**kinds, "**all**": list(points)}.items():
        ran = [last[one.name] for one in of_kind if one.name in last]
        reached = [row for row in ran if row["is_reached"]]
        passed = sum(row["passed"] for row in reached)
        counts = (len(of_kind), len(ran), passed, len(reached) - passed, len(ran) - len(reached))
        yield f"| {kind} | {' | '.join(map(str, counts))} |"
    commits = Counter(last[one.name]["commit"] for one in points if one.name in last)
    yield ""
    yield "Commits: " + (", ".join(f"`{commit}` ({count})" for commit, count in commits.items()) or "none") + "."
    yield "The points that are not in the table were not run."


def _rows(points: Sequence[Point], last: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| point | commit | passed | states that the rescue found | lost | s | problem |"
    yield "|---|---|---|---|---|---|---|"
    for point in points:
        if (row := last.get(point.name)) is not None:
            problem = " ".join("; ".join(row["problems"]).split()).replace("|", "\\|")[:MOST]
            passed = ("yes" if row["passed"] else "NO") if row["is_reached"] else "not reached"
            states = ", ".join(row["states"])
            name = f"`{point.name}`"
            yield f"| {name} | `{row['commit']}` | {passed} | {states} | {row['lost']} | {row['seconds']} | {problem} |"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
