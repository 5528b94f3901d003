"""A lab lives as long as somebody uses it: leases, detaching, Ctrl-C."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.leftovers import traces, wait_until_nothing_is_left
from tests.running_lab import RunningLab, needs
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunningLab]:
    one = RunningLab(tmp_path)
    yield one
    one.down()


def user(lab: RunningLab) -> "subprocess.Popen[str]":
    """Somebody who has typed `chaosdrill lab up` and sees that it is ready."""
    process = lab.start("lab", "up", "--scale", "0.1", start_new_session=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "Ctrl-C ends" in line:
            return process
    raise AssertionError(f"lab up ended with {process.wait()}")


def test_the_lab_ends_with_its_last_user_however_that_one_ends(lab):
    before = traces(lab.home)
    first, second = user(lab), user(lab)
    os.killpg(first.pid, signal.SIGINT)  # as a terminal's Ctrl-C: to the whole foreground group
    first.communicate(timeout=LONG_S)
    assert lab.status()["ready"]
    os.kill(second.pid, signal.SIGKILL)
    second.communicate(timeout=LONG_S)
    wait_until_nothing_is_left(lab.home, before)


def test_detaching_makes_a_lab_stay_that_somebody_started_for_himself(lab):
    first = user(lab)
    lab.run("lab", "up", "--detach")
    os.killpg(first.pid, signal.SIGINT)
    first.communicate(timeout=LONG_S)
    assert lab.status()["detached"]
    assert lab.status()["ready"]


def test_whoever_attaches_is_told_what_ctrl_c_ends(lab):
    first = user(lab)
    attached = lab.start("lab", "up", start_new_session=True)
    assert "Ctrl-C ends this command; the lab ends with the last" in last_line(attached)
    os.killpg(attached.pid, signal.SIGINT)
    attached.communicate(timeout=LONG_S)
    lab.run("lab", "up", "--detach")
    attached = lab.start("lab", "up", start_new_session=True)
    assert "Ctrl-C ends this command; the lab stays" in last_line(attached)
    os.killpg(attached.pid, signal.SIGINT)
    attached.communicate(timeout=LONG_S)
    assert lab.status()["ready"]
    first.kill()
    first.communicate(timeout=LONG_S)


def last_line(up):
    """What `lab up` says last, when it is ready."""
    return next(line for line in up.stdout if "Ctrl-C" in line)


def test_down_ends_it_under_its_users_and_they_are_told(lab):
    first = user(lab)
    lab.down()
    said, _ = first.communicate(timeout=LONG_S)
    assert "ended" in said
    assert not lab.status()["running"]


def test_down_ends_a_lab_that_no_longer_answers(lab):
    before = traces(lab.home)
    lab.up(0.1)
    os.kill(lab.supervisor_pid(), signal.SIGSTOP)
    lab.down()
    wait_until_nothing_is_left(lab.home, before)


@needs("pkill")
def test_a_part_that_dies_is_told_by_the_status(lab):
    lab.up(0.1)
    lab.on_client("pkill", "-9", "-f", "chaosdrill.lab.application .*ap-northeast-3")
    status = lab.status()
    assert not status["ready"]
    assert "-9" in status["parts"]["application-osaka"]["trouble"]
    assert status["parts"]["application-tokyo"]["healthy"]
    assert lab.run("lab", "status", check=False).returncode == 1


def test_down_is_refused_while_somebody_uses_the_lab_and_names_them(lab):
    lab.up(0.1)
    first = lab.start("lab", "up")
    with contextlib.closing(first.stdout):
        wait_for(lambda: lab.status()["holders"], lambda holders: len(holders) == 1, "a second user of the lab")
        refused = lab.run("lab", "down", check=False)
        assert (refused.returncode, "[lab-in-use]" in refused.stderr) == (1, True), refused.stderr
        assert f"`chaosdrill lab up` (process {first.pid})" in refused.stderr
        assert lab.status()["running"]
        lab.run("lab", "down", "--force")
        assert not lab.status()["running"]
        assert "ended" in first.stdout.read()
    assert first.wait(20) == 0


def test_down_of_a_lab_that_does_not_respond_takes_force(lab):
    lab.up(0.1)
    os.kill(lab.supervisor_pid(), signal.SIGSTOP)
    refused = lab.run("lab", "down", check=False)
    assert (refused.returncode, "[lab-not-responding]" in refused.stderr) == (1, True), refused.stderr
    lab.run("lab", "down", "--force")
    assert not lab.status()["running"]
