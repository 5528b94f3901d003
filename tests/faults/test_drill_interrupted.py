"""A drill that is interrupted: the lab outlives a Ctrl-C, and what was done is undone; a SIGTERM is as good."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import drills
from tests.faults.leftovers import traces, wait_until_nothing_is_left
from tests.running_lab import RunningLab
from tests.waiting import LONG_S


@pytest.fixture
def lab(tmp_path: Path) -> RunningLab:
    return RunningLab(tmp_path / "home")


IN_FORCE, MOVING = "Probe: fault-landed", "| moving"
REAL_TIMES = ("scale:float=1", *drills.QUICK[1:])  # there a failover and a failback wait 20 s each, and more


def press_ctrl_c(drill: "subprocess.Popen[str]") -> None:
    """As a terminal does: to the whole foreground group."""
    os.killpg(drill.pid, signal.SIGINT)


def terminate(drill: "subprocess.Popen[str]") -> None:
    drill.terminate()


@pytest.mark.long
@pytest.mark.parametrize(
    ("moment", "interrupt", "variables"),
    [
        ("Starting the lab", press_ctrl_c, drills.QUICK),
        ("Action: start-load", press_ctrl_c, drills.QUICK),
        ("Probe: locust-failures", press_ctrl_c, drills.QUICK),
        (IN_FORCE, terminate, drills.QUICK),
        (MOVING, press_ctrl_c, REAL_TIMES),
    ],
)
def test_what_was_done_is_undone_and_the_drill_ends_soon(lab, tmp_path, moment, interrupt, variables):
    before = traces(lab.home)
    drill = drills.start(lab, tmp_path, *variables)
    drills.read_until(drill, moment)
    interrupt(drill)
    began = time.monotonic()
    said, _ = drill.communicate(timeout=LONG_S)
    assert drill.returncode != 0, said
    assert time.monotonic() - began < 40, said
    assert drills.summary(lab)["verdict"] == "interrupted", said
    events = drills.history(lab)
    states = [row["state"] for row in events if row["event"] == "region-state"]
    assert not states or states[-1] == "serving(ap-northeast-1)"
    undone = drills.statuses(lab)
    if moment in (IN_FORCE, MOVING):
        assert undone["heal-packet-loss"] == "succeeded"
    if moment == MOVING:
        assert undone["fail-back"] == "succeeded"
        assert "shortened" in drills.summary(lab)["client_outage"]["why"]
    wait_until_nothing_is_left(lab.home, before)
