"""`chaos run experiments/X` as a user types it, and what it left behind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from chaosdrill.history import Event, read_history
from tests.running_lab import RunningLab

REPOSITORY = Path(__file__).parents[1]
EXPERIMENTS = REPOSITORY / "experiments"
FAILOVER = EXPERIMENTS / "failover.yaml"
CHAOS = [sys.executable, "-m", "chaostoolkit", "--no-version-check"]

# short windows and waits, the same steps
CLEAR = "loss_percent:int=60"  # on a busy machine 30 % is easily overlooked
QUICK = ("scale:float=0.1", "window_s:int=5", "spawn_rate:int=10", "heartbeat_rate:float=5")


def command(*variables: str, experiment: Path = FAILOVER) -> list[str]:
    """:returns: the command line of a drill; ``variables`` are given with ``--var``."""
    return [*CHAOS, "run", *(part for variable in variables for part in ("--var", variable)), str(experiment)]


def environment(lab: RunningLab) -> dict[str, str]:
    """:returns: a user's environment with what would lead past the lab in it: it must not matter."""
    misleading = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": "AKIA"}
    misleading |= {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    return {**lab.environment, **misleading}


def with_its_option(text: str) -> str:
    """:returns: an experiment with the steps that stand in it as comments."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("  # - type:"):
            end = next(at for at in range(number, len(lines)) if not lines[at].startswith("  # "))
            lines[number:end] = [f"  {one[4:]}" for one in lines[number:end]]
    return "\n".join(lines) + "\n"


def start(lab: RunningLab, directory: Path, *variables: str, experiment: Path = FAILOVER) -> "subprocess.Popen[str]":
    """Start a drill in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        command(*variables, experiment=experiment),
        cwd=directory,
        env=environment(lab),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(
    lab: RunningLab, directory: Path, *variables: str, timeout_s: float = 280, experiment: Path = FAILOVER
) -> "subprocess.CompletedProcess[str]":
    """Run a drill to its end; its output is stdout and stderr together, as a person sees it."""
    with start(lab, directory, *variables, experiment=experiment) as drill:
        try:
            said, _ = drill.communicate(timeout=timeout_s)
        except BaseException:
            drill.kill()
            raise
    return subprocess.CompletedProcess(drill.args, drill.returncode, said)


def read_until(drill: "subprocess.Popen[str]", words: str) -> None:
    """Read what a running drill says, up to the line that holds ``words``.

    :raises AssertionError: when it ends without.
    """
    assert drill.stdout is not None
    said = ""
    for line in drill.stdout:
        said += line
        if words in line:
            return
    raise AssertionError(f"the drill never said {words!r}:\n{said}")


def runs(lab: RunningLab) -> list[Path]:
    """:returns: the run directories, oldest first."""
    found = [path for path in (lab.home / "runs").iterdir() if path.is_dir()]  # the catalogue is beside them
    return sorted(found, key=lambda path: path.stat().st_ctime_ns)


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
