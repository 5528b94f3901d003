"""A drill that is interrupted or killed: the lab outlives a Ctrl-C, what was done is undone, the next drill runs."""

import os
import pty
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import drills
from tests.faults.leftovers import traces, wait_until_nothing_is_left
from tests.running_lab import RunningLab, needs


@pytest.fixture
def lab(tmp_path: Path) -> RunningLab:
    return RunningLab(tmp_path / "home")


MOMENTS = ["Starting the lab", "Action: start-load", "Probe: locust-failures", "Probe: fault-landed", "| moving"]
REAL_TIMES = ("scale:float=1", *drills.QUICK[1:])  # there a failover and a failback wait 20 s each


@pytest.mark.parametrize(
    ("moment", "variables"), [*((moment, drills.QUICK) for moment in MOMENTS), ("| moving", REAL_TIMES)]
)
def test_ctrl_c_undoes_what_was_done_and_ends_within_20_s(lab, tmp_path, moment, variables):
    before = traces(lab.home)
    drill = drills.start(lab, tmp_path, *variables)
    drills.read_until(drill, moment)
    os.killpg(drill.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
    began = time.monotonic()
    said, _ = drill.communicate(timeout=60)
    assert drill.returncode != 0, said
    assert time.monotonic() - began < 20, said
    assert drills.summary(lab)["verdict"] == "interrupted", said
    events = drills.history(lab)
    states = [row["state"] for row in events if row["event"] == "region-state"]
    assert not states or states[-1] == "serving(ap-northeast-1)"
    undone = drills.statuses(lab)
    if moment in MOMENTS[3:]:
        assert undone["heal-packet-loss"] == "succeeded"
    if moment == "| moving":
        assert undone["fail-back"] == "succeeded"
        assert "waits were shortened" in drills.summary(lab)["client_outage"]["why"]
    wait_until_nothing_is_left(lab.home, before, within_s=5)


def test_after_a_drill_was_killed_halfway_the_next_one_passes(lab, tmp_path):
    before = traces(lab.home)
    drill = drills.start(lab, tmp_path, *drills.QUICK)
    drills.read_until(drill, random.choice(["Probe: fault-landed", "| moving", "Rollback: fail-back"]))
    os.killpg(drill.pid, signal.SIGKILL)
    drill.communicate(timeout=20)
    wait_until_nothing_is_left(lab.home, before, within_s=10)
    done = drills.run(lab, tmp_path, *drills.QUICK)
    assert done.returncode == 0, done.stdout
    assert drills.summary(lab)["verdict"] == "passed"


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
        assert drill.wait(60) not in (0, -signal.SIGHUP)
    assert drills.summary(lab)["verdict"] == "interrupted"
    assert drills.statuses(lab)["heal-packet-loss"] == "succeeded"
    wait_until_nothing_is_left(lab.home, before, within_s=5)


def test_a_lab_that_ends_under_a_drill_is_the_reason_and_not_a_traceback(lab, tmp_path):
    drill = drills.start(lab, tmp_path, *drills.QUICK)
    drills.read_until(drill, "Action: start-load")
    os.kill(lab.supervisor_pid(), signal.SIGKILL)
    said, _ = drill.communicate(timeout=120)
    assert drill.returncode != 0, said
    assert "the lab ended before the drill did" in said
    assert "Traceback" not in said


@needs("pkill")
def test_without_its_load_generator_a_drill_measures_no_outage_and_goes_home(lab, tmp_path):
    drill = drills.start(lab, tmp_path, *drills.QUICK)
    drills.read_until(drill, "Probe: fault-landed")
    lab.on_client("pkill", "-KILL", "-f", "locust -f")
    said, _ = drill.communicate(timeout=120)
    assert drill.returncode != 0, said
    assert "the load generator went away" in drills.summary(lab)["client_outage"]["why"], said
    assert drills.statuses(lab)["heal-packet-loss"] == "succeeded"
    assert "Traceback" not in said


def test_sigterm_is_as_good_as_ctrl_c(lab, tmp_path):
    drill = drills.start(lab, tmp_path, *drills.QUICK)
    drills.read_until(drill, "Probe: fault-landed")
    os.kill(drill.pid, signal.SIGTERM)
    said, _ = drill.communicate(timeout=60)
    assert drill.returncode != 0, said
    assert drills.statuses(lab)["heal-packet-loss"] == "succeeded"
    assert not lab.status()["running"]
