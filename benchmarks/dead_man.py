"""Drivers that die or are slow beside a timer that runs `chaosdrill rescue --when-stale`: the tables.

    python -m benchmarks.dead_man [--healthy N] [--at-once N] [--deaths N] [--drills N] [--seed N] [--write FILE]

Run from the repository. ``--healthy``: how many drivers are stopped for less than the bound of docs/safety.md and go on
(default 200), ``--at-once`` of them together (default 20). ``--deaths``: how often a driver dies in each way (default
3). A lease lasts 10 s, a timer's period is 1 s; ten minutes in all. ``--drills``: how many whole drills, of
experiments/failover.yaml at scale 0.1, run on a lab beside a timer (default none; two minutes each). ``--write``: the
tables go there, too. Exit code 1 when a healthy driver was rescued, or home did not serve again within the bound.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from random import Random

from chaosdrill.paths import RUNS_VARIABLE, VARIABLE
from tests import drills
from tests.contract import lab_aws
from tests.contract.activities_rig import Rig
from tests.lease_race.dead_man import DEATHS, NEAR_S, STEP_S, DeadMan, Died, Stalled
from tests.lease_race.processes import Processes
from tests.lease_race.race import LEASE_S
from tests.running_lab import RunningLab

PERIOD_S = 1.0
DRILL_WITHIN_S = 1800.0
TITLE = """\
# The dead-man switch

Made by `python -m benchmarks.dead_man {arguments}`, against the lab's AWS endpoint. A timer runs
`chaosdrill rescue --when-stale` each {period_s:g} s; a lease lasts {lease_s:g} s, and a system is free {bound_s:g} s
after the last renewal of its driver. [safety.md](../safety.md#the-dead-man-switch) states the bound.

## Drivers that die

Each has closed the home region before. Times are seconds after its last renewal, by the endpoint's log.

| driver | times | home serves and nothing is owed | rescue took the lease after | home served after | bound |
|---|---|---|---|---|---|
"""
HEALTHY = """
## Drivers that are slow

Each is stopped once (SIGSTOP), for any time up to the bound less {near_s:g} s, and goes on.

| | |
|---|---|
"""

DRILLS = """
## Whole drills

| drills | of these, passed | rescues that a timer began meanwhile | of these, acted |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Drills:
    """Whole drills beside a timer, how many of them passed, and what the timer did."""

    count: int
    passed: int
    rescues: int
    acted: int


def whole_drills(count: int, directory: Path) -> Drills:
    """Run drills, one after the other, on a lab of their own."""
    directory.mkdir()
    lab = RunningLab(directory / "home")
    lab.run("lab", "up", "--detach", "--scale", "0.1")
    try:
        topology = str(lab.home / "lab" / "topology.yaml")
        elsewhere = {VARIABLE: str(directory / "elsewhere"), RUNS_VARIABLE: str(directory / "no-runs")}
        log = directory / "timer.log"
        timer = Processes("tests.lease_race.timers", (str(PERIOD_S), topology), log, **elsewhere)
        try:
            done = [drills.run(lab, directory, *drills.QUICK, timeout_s=DRILL_WITHIN_S) for _ in range(count)]
            timer.end()
        finally:
            timer.close()
    finally:
        lab.down()
    rescues = timer.said("rescue")
    return Drills(
        count, sum(one.returncode == 0 for one in done), len(rescues), sum(bool(one["run"]) for one in rescues)
    )


def bound_s(found: DeadMan, one: Died) -> float:
    """Return within which time home must serve: lease, attempt and clock bound, the timer's period, and the rescue.

    The service's time counts whole seconds.
    """
    return found.bound_s + PERIOD_S + STEP_S + one.times.rescue_s


def is_right(found: DeadMan, one: Died) -> bool:
    """Tell whether home serves again in time, and nothing is owed."""
    return one.is_home and not one.open and one.times.serves_s <= bound_s(found, one)


def death_rows(found: DeadMan, died: Sequence[Died]) -> list[str]:
    """Return a line for each way to die."""
    lines = []
    for death in DEATHS:
        if of_it := [one for one in died if one.death == death]:
            served = sum(one.is_home and not one.open for one in of_it)
            took, serves = ([getattr(one.times, name) for one in of_it] for name in ("taken_s", "serves_s"))
            most = max(bound_s(found, one) for one in of_it)
            spans = " | ".join(f"{min(values):.1f} to {max(values):.1f} s" for values in (took, serves))
            lines.append(f"| {death} | {len(of_it)} | {served} | {spans} | {most:.1f} s |")
    return lines


def healthy_rows(found: DeadMan, stalled: Sequence[Stalled]) -> list[str]:
    """Return the lines about healthy drivers; one that this machine has stopped for longer is not one."""
    healthy = [one for one in stalled if one.gap_s < found.bound_s]
    longest = max((one.gap_s for one in healthy), default=0.0)
    rows = [
        ("drivers that were stopped for less than the bound", len(healthy)),
        ("of these, without a renewal for longer than their lease", sum(one.gap_s > LEASE_S for one in healthy)),
        ("longest time without a renewal, s", f"{longest:.1f}"),
        ("of these, rescued", sum(one.is_rescued for one in healthy)),
        ("that went on, changed the system, reversed it, paid and released", sum(one.is_done for one in healthy)),
        ("stopped for longer by a busy machine, and not counted above", len(stalled) - len(healthy)),
    ]
    return [f"| {what} | {value} |" for what, value in rows]


def page(
    found: DeadMan, died: Sequence[Died], stalled: Sequence[Stalled], whole: Drills | None, arguments: Sequence[str]
) -> str:
    """Return the tables."""
    facts = {"period_s": PERIOD_S, "lease_s": LEASE_S, "bound_s": found.bound_s}
    head = TITLE.format(arguments=" ".join(arguments), **facts)
    healthy = HEALTHY.format(near_s=NEAR_S) + "\n".join(healthy_rows(found, stalled)) + "\n" if stalled else ""
    drilled = f"{DRILLS}| {' | '.join(str(value) for value in astuple(whole))} |\n" if whole else ""
    return head + "".join(f"{line}\n" for line in death_rows(found, died)) + healthy + drilled


def main() -> int:
    """Run them, and print the tables after each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--healthy", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--deaths", type=int, default=3)
    parser.add_argument("--drills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    random, died, stalled, whole = Random(options.seed), list[Died](), list[Stalled](), None
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "lab").mkdir()
        with lab_aws.running(directory / "lab") as lab:
            found = DeadMan(Rig(lab), directory, PERIOD_S)

            def show() -> None:
                text = page(found, died, stalled, whole, sys.argv[1:])
                print(text, flush=True)
                if options.write:
                    options.write.write_text(text)

            while len(stalled) < options.healthy:
                stalled += found.stall(min(options.at_once, options.healthy - len(stalled)), random)
                show()
            for death in DEATHS * options.deaths:
                died.append(found.dies(death))
                show()
            if options.drills:
                whole = whole_drills(options.drills, directory / "drills")
                show()
    healthy = [one for one in stalled if one.gap_s < found.bound_s]
    wrong = [one for one in died if not is_right(found, one)]
    wrong_healthy = [one for one in healthy if one.is_rescued or not one.is_done]
    for one in (*wrong, *wrong_healthy):
        print(one, file=sys.stderr)
    return int(bool(wrong or wrong_healthy or (whole and (whole.acted or whole.passed < whole.count))))


if __name__ == "__main__":
    sys.exit(main())
