"""A step with ``confirm:`` in real runs of `chaos run`: approved from elsewhere or on the terminal, or refused."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.controls.exit_code import EXIT_CODES
from chaosdrill.history import Event, read_history
from tests import small_drills
from tests.lab.test_drill_control import _reading
from tests.running_lab import RunningLab
from tests.small_drills import Drill, do, experiment, undo
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long
Start = Callable[[float], Drill]


def asking(within_s: float) -> dict[str, Any]:
    """A drill whose second step waits for approval."""
    second = {**do("second"), "confirm": {"question": "Is the page on?", "within_s": within_s}}
    return experiment([do("first"), second], [undo("back", "first"), undo("second back", "second")])


def asked(lab: RunningLab, before: set[Path]) -> Path:
    """:returns: the directory of the run that waits."""

    def waiting() -> Path | None:
        for path in lab.home.glob("runs/*/history.jsonl"):
            events = [] if path.parent in before else read_history(path)
            if any(row["event"] == "approval-requested" for row in events):
                return path.parent
        return None

    return wait_for(waiting, what="the request for an approval")  # type: ignore[return-value]


@pytest.fixture
def before(lab: RunningLab) -> set[Path]:
    """The runs that were there before."""
    return set(lab.home.glob("runs/*"))


@pytest.fixture
def start(lab: RunningLab, tmp_path: Path) -> Iterator[Start]:
    """Starts a drill, which ends with the test."""
    started: list[Drill] = []

    def start(within_s: float) -> Drill:
        started.append(Drill(tmp_path, asking(within_s), CHAOSDRILL_HOME=str(lab.home)))
        return started[-1]

    yield start
    for drill in started:
        drill.process.kill()
        drill.process.wait()


def test_a_step_begins_when_it_is_approved_from_elsewhere(lab: RunningLab, start: Start, before: set[Path]) -> None:
    drill = start(LONG_S)
    run = asked(lab, before)
    assert lab.run("approve", run.name).returncode == 0
    ran = drill.end()
    assert (ran.verdict, ran.steps) == ("passed", ["do first", "do second", "undo back", "undo second back"])
    (approval,) = json.loads((run / "summary.json").read_text())["approvals"]
    assert (approval["activity"], approval["approved"], approval["where"]) == ("second", True, "elsewhere")
    shown = json.loads(lab.run("runs", "show", run.name, "--json").stdout)
    assert shown["approvals"] == [approval]
    assert approval["by"] in (run / "report.html").read_text()


def test_without_an_answer_the_step_is_not_begun_and_what_was_done_is_undone(lab: RunningLab, tmp_path: Path) -> None:
    ran = small_drills.run(tmp_path, asking(1), CHAOSDRILL_HOME=str(lab.home))
    assert (ran.exit_code, ran.verdict) == (EXIT_CODES["interrupted"], "interrupted"), ran.stderr
    assert ran.steps == ["do first", "undo back"]
    assert [one["name"] for one in small_drills.findings(ran) if one["verdict"] == "interrupted"] == [
        "approval-refused"
    ]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_wait_at_once(lab: RunningLab, start: Start, before: set[Path], name: str) -> None:
    drill = start(86_400)
    run = asked(lab, before)
    drill.signal(name)
    ran = drill.end()
    assert (ran.exit_code, ran.verdict) == (EXIT_CODES["interrupted"], "interrupted"), ran.stderr
    assert ran.steps == ["do first", "undo back"]
    names: list[Event] = [row for row in read_history(run / "history.jsonl") if row["event"] == "interrupted"]
    assert [row["signal"] for row in names] == [name]


def test_a_step_begins_when_it_is_approved_on_the_terminal(lab: RunningLab, tmp_path: Path, before: set[Path]) -> None:
    (tmp_path / "try-it.yaml").write_text(json.dumps(asking(LONG_S)))
    ours, theirs = pty.openpty()
    environment = {"PYTHONPATH": str(small_drills.REPOSITORY), "STEPS_FILE": str(tmp_path / "steps"), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "chaostoolkit", "--no-version-check", "run", "try-it.yaml"],
        cwd=tmp_path,
        env={**lab.environment, **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    with _reading(ours) as parts:
        run = asked(lab, before)
        wait_for(lambda: b"write yes or no here" in b"".join(parts), what="the question on the terminal")
        os.write(ours, b"perhaps\nyes\n")
    written = b"".join(parts).decode()
    assert process.wait(LONG_S) == 0, written
    (approval,) = json.loads((run / "summary.json").read_text())["approvals"]
    assert (approval["approved"], approval["where"]) == (True, "terminal")
