"""How often comparing groups of runs claims what is not so, how often it sees what is, and how long comparing takes.

    python benchmarks/comparing.py claims [TIMES]
    python benchmarks/comparing.py intervals [TIMES]
    python benchmarks/comparing.py speed [SIZE]

`claims` makes up nights of drills (default: 2,000 times for each line) with 30 measurements each, as real ones are:
skewed, rounded to what the method resolves, moving together from night to night, one night in ten far off. Where both
groups are of the same kind, every `better` or `worse` is false. Then the candidates' recovery time is longer, by a
share of itself, and the others are as before.

`intervals` asks how often intervals of 95 % hold the true difference of two groups of the same kind: of medians and of
means, by the percentile and by the bias-corrected bootstrap; and how often there is none.

`speed` times `chaosdrill compare --last 200`, the whole process, in stores of 100, 1,000 … SIZE (default 10,000) runs
with summaries as large as a real one, and two groups of 100 runs.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaosdrill.analysis import statistics
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.groups import SAME, TOO_FEW, groups
from chaosdrill.analysis.measurement import Measured
from tests.compared_runs import began, figure, judgement, said

CHAOSDRILL = [sys.executable, "-m", "chaosdrill.cli"]
MEASUREMENTS = 30
SIZES = ((3, 3), (4, 4), (7, 7), (10, 10), (14, 14), (20, 4), (30, 7), (30, 30))
AGAIN = 5


def night(chance: random.Random, number: int, longer: float) -> ComparedRun:
    """:returns: a run; its recovery time is ``longer`` by that share."""
    common = chance.lognormvariate(0, 0.05) * (chance.uniform(1.3, 3) if chance.random() < 0.1 else 1.0)
    measured = {
        f"part_{part}_s": _rounded(common * (1 + part) * chance.lognormvariate(0, 0.1), 0.05)
        for part in range(MEASUREMENTS - 2)
    }
    measured["recovery_time_s"] = _rounded((1 + longer) * common * 9.3 * chance.lognormvariate(0, 0.05), 0.05)
    measured["error_s"] = _rounded(common * 33 * chance.lognormvariate(0, 0.05), 1.0)
    return ComparedRun(f"{number:08}T0Z-failover-0", "failover", "lab", 0.2, "passed", measured=measured)


def _rounded(value: float, resolution: float) -> Measured:
    return Measured(round(value / resolution) * resolution, "s", "made up", resolution, 0.0)


def claims(times: int) -> None:
    """Print how often something is claimed."""
    statistics.interval_of_medians = lambda one, other: None  # no claim rests on them, and they take most of the time
    print(f"{times} comparisons of {MEASUREMENTS} measurements a line")
    for before, after in SIZES:
        any_, answers = _claimed(times, before, after, 0.0)
        print(f"nothing differs, {before:2} against {after:2}: {any_:6.2%} claim anything; {answers}", flush=True)
    for longer in (0.1, 0.2, 0.5):
        for before, after in SIZES:
            _, answers = _claimed(times // 4, before, after, longer)
            print(f"recovery {longer:.0%} longer, {before:2} against {after:2}: {answers}", flush=True)


def _claimed(times: int, before: int, after: int, longer: float) -> tuple[float, str]:
    """The share of comparisons that claim anything, and the answers about the recovery time in words."""
    chance, claimed = random.Random(f"{before} {after} {longer}"), 0
    answers: dict[str, int] = {}
    for _ in range(times):
        sides = (
            [night(chance, number, 0.0) for number in range(before)],
            [night(chance, number, longer) for number in range(before, before + after)],
        )
        found = groups(*sides).measured
        claimed += any(one.answer not in (SAME, TOO_FEW) for one in found)
        answer = next(one.answer for one in found if one.name == "recovery_time_s")
        answers[answer] = answers.get(answer, 0) + 1
    told = ", ".join(f"{answer} {count / times:.1%}" for answer, count in sorted(answers.items()))
    return claimed / times, f"recovery time: {told}"


def intervals(times: int) -> None:
    """Print how often the intervals hold the true difference, which is 0."""
    import numpy

    def median(one: Any, other: Any, axis: int = -1) -> Any:
        return numpy.median(other, axis=axis) - numpy.median(one, axis=axis)

    def mean(one: Any, other: Any, axis: int = -1) -> Any:
        return numpy.mean(other, axis=axis) - numpy.mean(one, axis=axis)

    print(f"{times} pairs of groups of recovery times a line")
    for statistic in (median, mean):
        for method in ("percentile", "BCa"):
            for size in (4, 7, 14, 30):
                held, none = _held(times, size, statistic, method)
                name = f"{statistic.__name__}s, {method}"
                print(f"{name:20} {size:2} against {size:2}: {held:.1%} hold it, {none:.1%} none", flush=True)


def _held(times: int, size: int, statistic: Callable[..., Any], method: str) -> tuple[float, float]:
    import numpy
    from scipy.stats import bootstrap

    chance, held, none = random.Random(size), 0, 0
    for _ in range(times):
        sides = [
            [night(chance, 0, 0.0).measured["recovery_time_s"].value for _ in range(size)] for _ in ("before", "after")
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = bootstrap(
                sides, statistic, n_resamples=999, method=method, vectorized=True,
                random_state=numpy.random.default_rng(1),
            ).confidence_interval  # fmt: skip
        none += bool(numpy.isnan(found.low) or numpy.isnan(found.high))
        held += bool(found.low - 1e-9 <= 0 <= found.high + 1e-9)
    return held / max(1, times - none), none / times


def make(runs: Path, size: int) -> None:
    """Make a store of so many runs."""
    chance = random.Random(1)
    how = "heartbeat: " + "x" * 300  # what a figure says about itself in a real summary
    for number in range(size):
        run = f"{2000 + number // 336}{number // 28 % 12 + 1:02}{number % 28 + 1:02}T020000Z-failover-{number:04x}"
        directory = runs / run
        directory.mkdir(parents=True)
        opened = {"at": began(run), "event": "drill-opened", "title": "a title"}
        (directory / "history.jsonl").write_text(json.dumps(opened) + "\n")
        figures = {f"figure_{one}_s": {**figure(chance.gauss(9, 1)), "how": how} for one in range(60)}
        told = judgement(round(chance.gauss(9.3, 0.4), 1), **figures)
        (directory / "summary.json").write_text(json.dumps(said(run, judgement=told), indent=1))


def seconds(*arguments: str, runs: Path) -> tuple[float, float]:
    """:returns: how long a command takes, as a whole process; and how much of a processor's time."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "CHAOSDRILL_RUNS": str(runs)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*CHAOSDRILL, *arguments], env=environment, check=True, **quiet)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - started, used


def in_words(*arguments: str, runs: Path) -> str:
    """:returns: the median of several times: another program on the machine makes it slower, but not busier."""
    took = [seconds(*arguments, runs=runs) for _ in range(AGAIN)]
    wall, used = (median(one[place] for one in took) for place in (0, 1))
    return f"{wall:5.2f} s, {used:5.2f} s of a processor"


def speed(largest: int) -> None:
    """Print a line for each size."""
    with tempfile.TemporaryDirectory() as made:
        size = 100
        while size <= largest:
            runs = Path(made) / str(size)
            make(runs, size)
            kilobytes = sum(path.stat().st_size for path in runs.glob("*/summary.json")) / size / 1000
            seconds("runs", "list", runs=runs)  # the catalogue is there, as after any list
            took = in_words("compare", "--last", "200", runs=runs)
            print(f"{size:7,} runs of {kilobytes:.0f} kB: compare --last 200 {took}", flush=True)
            size *= 10
        names = sorted(path.name for path in runs.iterdir() if path.is_dir())[-200:]
        sides = [part for number, name in enumerate(names)
                 for part in (("--baseline", "--candidate")[number >= 100], name)]  # fmt: skip
        print(f"100 runs against 100: {in_words('compare', *sides, runs=runs)}")


if __name__ == "__main__":
    what, number = sys.argv[1] if len(sys.argv) > 1 else "", int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if what == "claims":
        claims(number or 2000)
    elif what == "intervals":
        intervals(number or 1000)
    elif what == "speed":
        speed(number or 10_000)
    else:
        sys.exit(__doc__)
