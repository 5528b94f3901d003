"""A drill that is killed, or loses its terminal: nothing is left, and the next drill runs."""

import json
import os
import pty
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaosdrill.history import read_history
from tests import drills, small_drills
from tests.faults.leftovers import traces, wait_until_nothing_is_left
from tests.running_lab import RunningLab
from tests.small_drills import do, undo
from tests.summary_schema import problems_of_summary
from tests.waiting import LONG_S


@pytest.fixture
def lab(tmp_path: Path) -> RunningLab:
    return RunningLab(tmp_path / "home")


@pytest.mark.long
def test_after_a_drill_was_killed_halfway_the_next_one_passes(lab, tmp_path):
    before = traces(lab.home)
    drill = drills.start(lab, tmp_path, *drills.QUICK)
    drills.read_until(drill, random.choice(["Probe: fault-landed", "| moving", "Rollback: fail-back"]))
    os.killpg(drill.pid, signal.SIGKILL)
    drill.communicate(timeout=LONG_S)
    wait_until_nothing_is_left(lab.home, before)
    died = drills.only_run(lab)
    assert not (died / "journal.json").exists()
    what = small_drills.experiment([do("work")], [undo("unwork", "work")])
    done = small_drills.run(tmp_path, what, CHAOSDRILL_HOME=str(lab.home))
    assert (done.exit_code, done.verdict) == (0, "passed"), done.stdout
    what_it_did_not_write_is_made_afterwards(died, lab)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_beside_what_a_killed_drill_left_in_a_lab_that_stays_up_the_next_one_refuses(lab, tmp_path):
    """It names the dead run, the fault and the load that are in force, and the way back; it touches nothing."""
    lab.run("lab", "up", "--detach", "--scale", "0.1", timeout_s=120)
    try:
        drill = drills.start(lab, tmp_path, *drills.QUICK)
        drills.read_until(drill, "Probe: fault-landed")
        os.killpg(drill.pid, signal.SIGKILL)
        drill.communicate(timeout=20)
        (died,) = [path for path in drills.runs(lab) if path.is_dir()]
        done = drills.run(lab, tmp_path, *drills.QUICK)
        assert done.returncode != 0, done.stdout
        second = next(path for path in drills.runs(lab) if path.is_dir() and path != died)
        events = read_history(second / "history.jsonl")
        refused = next(event for event in events if event["event"] == "refused")
        assert refused["codes"] == ["left-in-force"]
        for part in (died.name, "inject_packet_loss", "load", "chaosdrill lab down"):
            assert part in refused["why"]
        assert not [event for event in events if event["event"] == "activity-started"], "nothing was touched"
        shown = json.loads(lab.run("runs", "show", died.name, "--json").stdout)
        assert {"start-load", "inject-packet-loss"} <= {one["step"] for one in shown["owed"]}
    finally:
        lab.run("lab", "down", check=False)


def what_it_did_not_write_is_made_afterwards(died: Path, lab: RunningLab) -> None:
    """The journal by the next drill, the summary by whoever judges it."""
    journal = json.loads((died / "journal.json").read_text())
    assert (journal["status"], journal["chaosdrill"]["rebuilt"]) == ("interrupted", True)
    assert journal["steady_states"]["before"]["steady_state_met"] is True
    assert [step["activity"]["name"] for step in journal["run"]][:3] == [
        *("resolve-domain", "addresses-of-domain", "inject-packet-loss")
    ]
    assert not (died / "summary.json").exists()
    judged = [sys.executable, "-m", "chaosdrill.cli", "runs", "judge", died.name]
    said = subprocess.run(judged, env=lab.environment, capture_output=True, text=True, check=False)
    assert said.returncode == 1, said.stderr
    summary = json.loads((died / "summary.json").read_text())
    assert (summary["source"], summary["verdict"], problems_of_summary(summary)) == ("rebuilt", "invalid", [])


@pytest.mark.long
def test_a_terminal_that_is_closed_is_as_good_as_ctrl_c(lab, tmp_path):
    """As when the ssh session breaks: SIGHUP, and nowhere to write to any more."""
    before = traces(lab.home)
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", *drills.command(*drills.QUICK)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=drills.environment(lab), stdin=theirs, stdout=theirs, stderr=theirs
    ) as drill:
        os.close(theirs)
        with open(ours, "rb", buffering=0) as screen:
            seen = b""
            while b"Probe: fault-landed" not in seen:
                seen += screen.read(4096)
        # closing our side of the terminal hangs it up
        assert drill.wait(LONG_S) not in (0, -signal.SIGHUP)
    assert drills.summary(lab)["verdict"] == "interrupted"
    assert drills.statuses(lab)["heal-packet-loss"] == "succeeded"
    wait_until_nothing_is_left(lab.home, before)
