"""A drill on a lab that stays up, and rescues of it as another machine makes them."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.running_lab import CHAOSDRILL, RunningLab
from tests.small_drills import HOME_SERVES, Drill, Step, do, experiment, step
from tests.waiting import LONG_S

Elsewhere = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., Drill]
SCALE = 0.1
OSAKA = "ap-northeast-3"


def act(name: str, func: str, **arguments: Any) -> Step:
    """An activity of chaosdrill."""
    module = {"inject_packet_loss": "packet_loss", "heal_packet_loss": "packet_loss"}.get(func, "failover")
    provider = {"type": "python", "module": f"chaosdrill.{module}.actions", "func": func, "arguments": arguments}
    return {"type": "action", "name": name, "provider": provider}


def moves(
    directory: Path, before: Sequence[Step] = (), rollbacks: Sequence[Step] = (), back_within_s: float = 600
) -> dict[str, Any]:
    """A drill that stays in the standby until the file ``go-on`` exists."""
    method = [
        *before,
        act("fail over", "fail_over", region=OSAKA, timeout_s=600),
        do("moved"),
        step("action", "wait", "wait_for_file", path=str(directory / "go-on")),
    ]
    back = act("fail back", "fail_back", undo_of="fail over", timeout_s=back_within_s)
    return experiment(method, [*rollbacks, back])


@contextmanager
def drills_on(lab: RunningLab, directory: Path) -> Iterator[Start]:
    """Start drills, which end with the block."""
    started: list[Drill] = []

    def start(what: dict[str, Any], **variables: str) -> Drill:
        started.append(Drill(directory, what, CHAOSDRILL_HOME=str(lab.home), **variables))
        return started[-1]

    yield start
    for drill in started:
        drill.process.kill()
        drill.process.wait()


def another_machine(lab: RunningLab, directory: Path) -> Elsewhere:
    """Return what runs a command with an empty home and a copy of the topology."""
    topology = shutil.copy(lab.plan.topology_file, directory / "elsewhere.yaml")

    def run(command: str, *words: str) -> "subprocess.CompletedProcess[str]":
        empty = {"CHAOSDRILL_HOME": str(directory / "empty"), "CHAOSDRILL_RUNS": str(directory / "no-runs")}
        full = [*CHAOSDRILL, command, str(topology), *words, "--json"]
        return subprocess.run(
            full, env={**os.environ, **empty}, capture_output=True, text=True, timeout=4 * LONG_S, check=False
        )

    return run


def home_serves_again(lab: RunningLab, rescue: "subprocess.CompletedProcess[str]", elsewhere: Elsewhere) -> None:
    """Check what a rescue reported, that the database is at home, and that nothing is owed."""
    assert rescue.returncode == 0, rescue.stdout + rescue.stderr
    found = json.loads(rescue.stdout)
    assert (found["is_paid"], found["left"], found["region"]["state"]) == (True, [], HOME_SERVES)
    nothing_is_owed_at_home(lab, elsewhere)


def nothing_is_owed_at_home(lab: RunningLab, elsewhere: Elsewhere) -> None:
    """Check that the database is at home, and that nothing is owed."""
    assert lab.call("database.status")["writer"] == "ap-northeast-1"
    after = elsewhere("status")
    assert (after.returncode, json.loads(after.stdout)["owed"]) == (0, [])
