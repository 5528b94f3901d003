"""A drill that is interrupted: the lab outlives a Ctrl-C, and what was done is undone."""

import os
import signal
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


MOMENTS = ["Starting the lab", "Action: start-load", "Probe: locust-failures", "Probe: fault-landed", "| moving"]
REAL_TIMES = ("scale:float=1", *drills.QUICK[1:])  # there a failover and a failback wait 20 s each, and more


@pytest.mark.long
@pytest.mark.parametrize(
    ("moment", "variables"), [*((moment, drills.QUICK) for moment in MOMENTS), (MOMENTS[-1], REAL_TIMES)]
)
def test_ctrl_c_undoes_what_was_done_and_ends_soon(lab, tmp_path, moment, variables):
    before = traces(lab.home)
    drill = drills.start(lab, tmp_path, *variables)
    drills.read_until(drill, moment)
    os.killpg(drill.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
    began = time.monotonic()
    said, _ = drill.communicate(timeout=LONG_S)
    assert drill.returncode != 0, said
    assert time.monotonic() - began < 40, said
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
    wait_until_nothing_is_left(lab.home, before)
