"""A failover that is a rollback for when the steady state has not returned: it moves the lab there and back, or not."""

from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import SCALE
from tests.running_lab import RunningLab
from tests.small_drills import HOME_SERVES, Step, do, experiment, run, step

OSAKA = "ap-northeast-3"


def move(name: str, func: str, **arguments: Any) -> Step:
    provider = {"type": "python", "module": "chaosdrill.failover.actions", "func": func, "arguments": arguments}
    return {"type": "action", "name": name, "provider": provider}


def what(directory: Path, method: list[Step], when: str) -> dict[str, Any]:
    """A steady state that holds as long as the file says so."""
    (directory / "word").write_text("good")
    steady = [step("probe", "word", "word_in_file", tolerance="good", path=str(directory / "word"))]
    rollbacks = [
        move("fail-over", "fail_over", undo_of="work", when=when),
        move("fail-back", "fail_back", undo_of="work"),
    ]
    made = experiment([do("work"), *method], rollbacks, steady)
    return {**made, "configuration": {"target": "lab", "scale": SCALE}}


def spoil(directory: Path) -> Step:
    provider = {"type": "process", "path": "/bin/sh", "arguments": ["-c", f"echo bad > {directory / 'word'}"]}
    return {"type": "action", "name": "spoil", "provider": provider}


@pytest.mark.long
@pytest.mark.parametrize("when", ["steady-state-missed", pytest.param("steady-state-not-seen", marks=pytest.mark.long)])
def test_it_moves_when_the_steady_state_was_missed(lab: RunningLab, tmp_path: Path, when: str) -> None:
    ran = run(tmp_path, what(tmp_path, [spoil(tmp_path)], when), CHAOSDRILL_HOME=str(lab.home))
    assert ran.verdict == "failed", ran.stdout + ran.stderr
    ended = {row["activity"]: row["output"] for row in ran.events if row["event"] == "activity-ended"}
    assert [ended[name]["status"] for name in ("fail-over", "fail-back")] == ["SUCCEEDED", "SUCCEEDED"]
    assert ran.region_states[-1] == HOME_SERVES
    assert f"serving({OSAKA})" in ran.region_states


@pytest.mark.long
def test_it_stays_when_the_steady_state_held(lab: RunningLab, tmp_path: Path) -> None:
    ran = run(tmp_path, what(tmp_path, [], "steady-state-not-seen"), CHAOSDRILL_HOME=str(lab.home))
    assert ran.verdict == "passed", ran.stdout + ran.stderr
    ended = {row["activity"]: row["output"] for row in ran.events if row["event"] == "activity-ended"}
    assert (ended["fail-over"]["done"], "held" in ended["fail-over"]["why"]) == (False, True)
    assert ended["fail-back"]["done"] is False


@pytest.mark.long
def test_a_step_that_failed_is_no_steady_state_that_was_missed(lab: RunningLab, tmp_path: Path) -> None:
    failing = [step("action", "bad", "fail", why="no luck")]
    ran = run(tmp_path, what(tmp_path, failing, "steady-state-missed"), CHAOSDRILL_HOME=str(lab.home))
    assert ran.verdict == "failed", ran.stdout + ran.stderr
    ended = {row["activity"]: row["output"] for row in ran.events if row["event"] == "activity-ended"}
    assert (ended["fail-over"]["done"], "missed" in ended["fail-over"]["why"]) == (False, True)
    assert f"serving({OSAKA})" not in ran.region_states
