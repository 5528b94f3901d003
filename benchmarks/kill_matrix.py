"""Drills that die at each of their points, and a rescue from another machine: the kill matrix.

    python -m benchmarks.kill_matrix [--real] [--only TEXT...] [--new] [--sample N] [--seed N] [--results FILE]
        [--write FILE] [--keep DIRECTORY] [--until HH:MM] [--at-once N]
    python -m benchmarks.kill_matrix --record [NAME…]  list the points again, in tests/kill/recorded
    python -m benchmarks.kill_matrix --list

Run from the repository. Each point is a drill of ``tests/kill/short.yaml`` on a lab at the smallest scale, which is
killed there; then `chaosdrill rescue --yes` runs with an empty home. The home region must serve then, with everything
as before the drill: nothing owed, nothing left, no accepted write lost, and a second rescue finds nothing to do.
About a minute each. ``--real``: the points of the experiments in ``experiments/`` instead. ``--results``: a line of
JSON for each point, with its commit (default: docs/results/kill-matrix.jsonl); points that passed on this commit are
left out. ``--only``: points whose name contains one TEXT. ``--new``: none that was reached on any commit.
``--sample``: so many of them, chosen with ``--seed``. ``--write``: the table of all results goes there. ``--keep``:
where the drills stay. ``--until``: no point is begun after HH:MM (UTC). ``--at-once``: how many labs run side by side.
Exit code 1 when a point did not pass.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.kill.points import REAL, SHORT, Point, recorded, recorded_points
from tests.kill.results import RESULTS, Results, chosen, table
from tests.kill.rig import BEGINS_IN_STANDBY, DRILL_WITHIN_S, KillLab, Result, carry_out

MOST_LABS = 20  # that a worker starts


class Labs:
    """One lab after the other: a point that leaves its lab as it was leaves it to the next one."""

    def __init__(self, keep: Path) -> None:
        self._keep, self._count = keep, 0
        self._held = ExitStack()
        self._lab: KillLab | None = None

    def run(self, point: Point, number: int) -> Result:
        """Carry out a point."""
        self._lab = self._lab or self._started()
        try:
            result = carry_out(self._lab, point, self._keep / f"drill-{number:03}")
        except Exception as error:  # noqa: BLE001 - the next point has a lab of its own
            result = Result(point.name, [f"the matrix failed: {type(error).__name__}: {error}"])
        if not result.has_passed or point.breaks_lab:
            self.end()
        return result

    def _started(self) -> KillLab:
        """Start a lab, again where the machine is too busy for it to be ready in time."""
        while True:
            self._count += 1
            try:
                return self._held.enter_context(KillLab(self._keep / f"lab-{self._count}"))
            except AssertionError as error:
                print(f"a lab did not start: {error}", file=sys.stderr, flush=True)
                if self._count >= MOST_LABS:
                    raise

    def end(self) -> None:
        """End the lab."""
        self._held.close()
        self._lab = None


def record(names: Sequence[str]) -> None:
    """Run drills to their end, and write down the points that they pass."""
    for name in names:
        with tempfile.TemporaryDirectory() as temporary, KillLab(Path(temporary) / "lab") as lab:
            if name == BEGINS_IN_STANDBY:
                lab.begin_in_standby()
            directory = Path(temporary) / "drill"
            drill = lab.drill(directory, name)
            drill.wait(DRILL_WITHIN_S)
            print((directory / "printed").read_text()[-4000:])
            recorded(name).write_text((directory / "points").read_text())
        print(f"{name}: exit {drill.returncode}: {len(recorded_points([name]))} points", flush=True)


def main() -> int:
    """:returns: the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", nargs="*", metavar="NAME", choices=[SHORT, *REAL])
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--until", default="")
    parser.add_argument("--at-once", type=int, default=1)
    options = parser.parse_args()
    if options.record is not None:
        record(options.record or [SHORT, *REAL])
        return 0
    results = Results(options.results)
    points = recorded_points(REAL if options.real else [SHORT])
    points = [one for one in points if not (options.new and results.was_reached(one))]
    ours = chosen(points, options.only, options.sample, options.seed)
    if options.list:
        print("\n".join(one.name for one in ours), f"\n{len(ours)} points")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        matrix = Matrix(ours, results, options.keep or Path(temporary), options.until)
        matrix.run(options.at_once)
    if options.write:
        options.write.write_text(table(recorded_points([SHORT, *REAL]), results.last))
    return int(matrix.failed > 0)


def _next(clock: str) -> datetime:
    """Return the next moment at which it is HH:MM (UTC)."""
    now = datetime.now(UTC)
    hour, minute = map(int, clock.split(":"))
    at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return at if at > now else at + timedelta(days=1)


class Matrix:
    """Carries points out, each worker in a lab of its own.

    :param until: no point is begun after HH:MM (UTC); empty: all are.
    """

    def __init__(self, points: Sequence[Point], results: Results, keep: Path, until: str) -> None:
        self._left = list(enumerate((one for one in points if not results.has_passed(one)), 1))
        self._count, self._results, self._keep = len(self._left), results, keep
        self._until = _next(until) if until else None
        self._lock = threading.Lock()
        self.failed = 0

    def run(self, at_once: int) -> None:
        """Carry the points out, so many at a time."""
        with ThreadPoolExecutor(at_once) as workers:
            list(workers.map(self._work, range(at_once)))

    def _work(self, worker: int) -> None:
        labs = Labs(self._keep / f"worker-{worker}")
        try:
            while (next_one := self._next()) is not None:
                number, point = next_one
                self._add(number, labs.run(point, number))
        finally:
            labs.end()

    def _next(self) -> tuple[int, Point] | None:
        with self._lock:
            is_late = self._until is not None and datetime.now(UTC) >= self._until
            return self._left.pop(0) if self._left and not is_late else None

    def _add(self, number: int, result: Result) -> None:
        with self._lock:
            self._results.add(result)
            self.failed += not result.has_passed
            passed = "passed" if result.has_passed else f"FAILED: {'; '.join(result.problems)[:1500]}"
            reached = "" if result.is_reached else ", not reached"
            print(f"{number}/{self._count} {result.name}: {passed}{reached} ({result.seconds:g} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
