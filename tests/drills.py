"""`chaos run experiments/failover.yaml` as a user types it, and what it left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from chaosdrill.history import Event, read_history
from tests.running_lab import RunningLab

REPOSITORY = Path(__file__).parents[1]
CHAOS = [sys.executable, "-m", "chaostoolkit", "--no-version-check"]
FAILOVER = REPOSITORY / "experiments" / "failover.yaml"
QUICK = ("scale:float=0.1", "spawn_rate:float=10")


def start(lab: RunningLab, directory: Path, *variables: str) -> "subprocess.Popen[str]":
    """Start the drill in a process group of its own; ``variables`` are given with ``--var``."""
    options = [part for variable in variables for part in ("--var", variable)]
    return subprocess.Popen(
        [*CHAOS, "run", *options, str(FAILOVER)],
        cwd=directory,
        env={**lab.environment, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(
    lab: RunningLab, directory: Path, *variables: str, timeout_s: float = 180
) -> "subprocess.CompletedProcess[str]":
    """Run the drill to its end."""
    drill = start(lab, directory, *variables)
    try:
        said, _ = drill.communicate(timeout=timeout_s)
    finally:
        drill.kill()
        drill.wait()
    return subprocess.CompletedProcess(drill.args, drill.returncode, said)


def read_until(drill: "subprocess.Popen[str]", text: str) -> None:
    """Read what the drill says up to the line that holds ``text``."""
    assert drill.stdout is not None
    seen = []
    for line in drill.stdout:
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"the drill ended without saying {text!r}:\n{''.join(seen)}")


def runs(lab: RunningLab) -> list[Path]:
    """:returns: the run directories, oldest first."""
    return sorted((lab.home / "runs").iterdir(), key=lambda path: path.stat().st_ctime_ns)


def only_run(lab: RunningLab) -> Path:
    """:returns: the run directory of the only drill there was."""
    (found,) = runs(lab)
    return found


def summary(lab: RunningLab) -> dict[str, Any]:
    """:returns: the last drill's summary."""
    found: dict[str, Any] = json.loads((runs(lab)[-1] / "summary.json").read_text())
    return found


def history(lab: RunningLab) -> list[Event]:
    """:returns: the last drill's history."""
    return read_history(runs(lab)[-1] / "history.jsonl")


def statuses(lab: RunningLab) -> dict[str, str]:
    """:returns: how each activity ended, the last time it ran."""
    return {row["activity"]: row["status"] for row in history(lab) if row["event"] == "activity-ended"}


def output(lab: RunningLab, activity: str) -> Any:
    """:returns: what an activity answered, the last time it ran."""
    return [row for row in history(lab) if row["event"] == "activity-ended" and row["activity"] == activity][-1][
        "output"
    ]
