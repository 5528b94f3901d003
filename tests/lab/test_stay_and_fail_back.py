"""A drill that stays in the standby region on purpose, and the one that leads back, in real runs of `chaos run`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import small_drills
from tests.running_lab import RunningLab
from tests.small_drills import HOME_SERVES, do, experiment
from tests.waiting import LONG_S

AWAY = "serving(ap-northeast-3)"


def move(func: str) -> dict[str, Any]:
    provider = {"type": "python", "module": "chaosdrill.failover.actions", "func": func}
    return {"type": "action", "name": func, "provider": provider}


def run(
    lab: RunningLab, directory: Path, name: str, method: Sequence[dict[str, Any]], **control: Any
) -> dict[str, Any]:
    """Run an experiment of that name.

    :returns: its summary.
    """
    (directory / f"{name}.yaml").write_text(yaml.safe_dump(experiment(method, control=control)))
    subprocess.run(
        [sys.executable, "-m", "chaostoolkit", "--no-version-check", "run", f"{name}.yaml"],
        cwd=directory,
        env={
            **lab.environment,
            "PYTHONPATH": str(small_drills.REPOSITORY),
            "PYTHONWARNINGS": "",
            "STEPS_FILE": str(directory / "steps"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=3 * LONG_S,
        check=False,
    )
    found: dict[str, Any] = json.loads((directory / "journal.json").read_text())["chaosdrill"]
    return found


def status(lab: RunningLab) -> tuple[int, list[tuple[str, str]]]:
    """:returns: its exit code, and what is owed."""
    done = lab.run("status", "--json", check=False)
    return done.returncode, [(one["state"], one["to"]) for one in json.loads(done.stdout)["owed"]]


@pytest.mark.long
def test_only_the_failback_follows_a_failover_that_stays(lab: RunningLab, tmp_path: Path) -> None:
    stays = {"end": AWAY, "hand_over": {"to": "failback", "within_days": 14}}
    stayed = run(lab, tmp_path, "stay", [move("fail_over")], **stays)
    assert (stayed["verdict"], [one["to"] for one in stayed["handed_over"]]) == ("passed", ["failback"]), stayed
    assert status(lab) == (1, [("handed-over", "failback")])
    other = run(lab, tmp_path, "other", [do("work")], expect=AWAY)
    assert other["verdict"] == "refused"
    assert "undo-owed" in [code for one in other["judgement"]["findings"] for code in one.get("codes", ())]
    back = run(lab, tmp_path, "failback", [move("fail_back")], expect=AWAY, end=HOME_SERVES)
    assert back["verdict"] == "passed", back
    assert status(lab) == (0, [])
