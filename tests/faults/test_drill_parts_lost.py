"""A drill that loses a part of its lab: it says so, and goes home as far as it can."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests import drills
from tests.faults.leftovers import traces, wait_until_nothing_is_left
from tests.running_lab import RunningLab, needs
from tests.waiting import LONG_S, wait_for


@pytest.fixture
def lab(tmp_path: Path) -> RunningLab:
    return RunningLab(tmp_path / "home")


@pytest.mark.long
def test_a_lab_that_ends_under_a_drill_is_the_reason_and_not_a_traceback(lab, tmp_path):
    drill = drills.start(lab, tmp_path, *drills.QUICK)
    drills.read_until(drill, "Action: start-load")
    os.kill(lab.supervisor_pid(), signal.SIGKILL)
    said, _ = drill.communicate(timeout=LONG_S)
    assert drill.returncode != 0, said
    assert "the lab ended before the drill did" in said
    assert "Traceback" not in said


@pytest.mark.long
def test_a_lab_whose_aws_endpoint_died_refuses_calls_at_once_and_says_why(lab):
    lab.up(0.1)
    try:
        port = lab.status()["ports"]["aws"]
        os.kill(lab.process("chaosdrill.lab.aws"), signal.SIGKILL)
        wait_for(lambda: lab.call("lost"), lambda lost: bool(lost["why"]), "the lab to notice")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
        status = lab.status()
        assert not status["ready"]
        assert "-9" in status["parts"]["aws"]["trouble"]
        assert "AWS" in lab.call("lost")["why"]
    finally:
        lab.down()


@pytest.mark.long
@pytest.mark.parametrize("moment", ["Probe: fault-landed", "| moving"])
def test_a_lab_whose_aws_endpoint_dies_under_a_drill_is_the_reason_and_the_drill_ends_soon(lab, tmp_path, moment):
    before = traces(lab.home)
    drill = drills.start(lab, tmp_path, *drills.QUICK)
    drills.read_until(drill, moment)
    os.kill(lab.process("chaosdrill.lab.aws"), signal.SIGKILL)
    began = time.monotonic()
    said, _ = drill.communicate(timeout=LONG_S)
    assert time.monotonic() - began < 60, said
    assert drill.returncode != 0, said
    summary = drills.summary(lab)
    assert summary["verdict"] == "invalid", said
    lost = [one["text"] for one in summary["judgement"]["findings"] if one["name"] == "target-lost"]
    assert [("AWS" in text) for text in lost] == [True], said
    assert summary["client_outage"]["seconds"] is None, said
    assert "target" in summary["client_outage"]["why"], said
    assert "Traceback" not in said
    wait_until_nothing_is_left(lab.home, before)


@needs("pkill")
@pytest.mark.long
def test_without_its_load_generator_a_drill_measures_no_outage_and_goes_home(lab, tmp_path):
    drill = drills.start(lab, tmp_path, *drills.QUICK)
    drills.read_until(drill, "Probe: fault-landed")
    lab.on_client("pkill", "-KILL", "-f", "locust -f")
    said, _ = drill.communicate(timeout=LONG_S)
    assert drill.returncode != 0, said
    assert "generator" in drills.summary(lab)["client_outage"]["why"], said
    assert drills.statuses(lab)["heal-packet-loss"] == "succeeded"
    assert "Traceback" not in said


@needs("pkill")
@pytest.mark.long
def test_without_its_heartbeat_a_drill_proves_nothing_and_goes_home(lab, tmp_path):
    drill = drills.start(lab, tmp_path, *drills.QUICK)
    drills.read_until(drill, "Action: fail-over")
    lab.on_client("pkill", "-KILL", "-f", "heartbeat.*pyz")
    said, _ = drill.communicate(timeout=LONG_S)
    assert drill.returncode != 0, said
    assert "Traceback" not in said
    summary = drills.summary(lab)
    assert summary["verdict"] in ("invalid", "failed"), said
    found = {one["name"] for one in summary["judgement"]["findings"]}
    assert found & {"heartbeat-silent", "records-truncated"}, said
    recovery = summary["judgement"]["figures"]["recovery_fail_over_s"]
    assert recovery["value"] is None or recovery["at_least"], "its end was not seen"
    lost = summary["judgement"]["figures"]["lost_writes_after_failover"]
    assert lost["value"] is None, "nobody could read back"
    assert drills.statuses(lab)["fail-back"] == "succeeded"
