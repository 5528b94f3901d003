"""What else may happen to the other experiments, as whole drills on labs of their own; how they pass is in
``test_aws_calls``, and failover.yaml has ``test_drill``.
"""

from pathlib import Path
from typing import Any

import pytest

from chaosdrill.controls.exit_code import EXIT_CODES
from chaosdrill.lab import endpoint_page
from chaosdrill.lab.plan import LabPlan
from tests import drills
from tests.running_lab import RunningLab
from tests.waiting import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(320)]

TOKYO, OSAKA = "ap-northeast-1", "ap-northeast-3"
HOME, STANDBY = f"serving({TOKYO})", f"serving({OSAKA})"
EXPERIMENTS = drills.EXPERIMENTS


@pytest.fixture
def alone(tmp_path: Path) -> RunningLab:
    """A CHAOSDRILL_HOME with no lab in it: the drill starts its own."""
    return RunningLab(tmp_path / "home")


def outputs(lab: RunningLab, *names: str) -> dict[str, Any]:
    return {name: drills.output(lab, name) for name in names}


def test_a_failback_that_clients_do_not_survive_ends_where_it_began(alone, tmp_path):
    broken = tmp_path / "failback.yaml"
    text = (EXPERIMENTS / "failback.yaml").read_text()
    broken.write_text(
        text.replace('name: writer-is-home\n    tolerance: "${home_region}"', "name: w\n    tolerance: nowhere")
    )
    assert broken.read_text() != text
    done = drills.run(alone, tmp_path, *drills.QUICK, experiment=broken)
    assert done.returncode != 0
    summary = drills.summary(alone)
    assert summary["verdict"] == "failed"
    assert [row["state"] for row in summary["region_states"]][-1] == STANDBY
    assert drills.output(alone, "fail-over-again")["status"] == "SUCCEEDED"
    (missed,) = [one["text"] for one in summary["judgement"]["findings"] if one["name"] == "end-state-missed"]
    assert (STANDBY in missed, HOME in missed) == (True, True)


def test_clients_that_do_not_get_over_packet_loss_are_failed_over_and_back(alone, tmp_path):
    """Home serves nobody after the fault was healed, until its clients were moved away from it."""
    path = EXPERIMENTS / "packet-loss.json"
    with drills.start(alone, tmp_path, *drills.QUICK, experiment=path) as drill:
        drills.read_until(drill, "Action: heal-packet-loss")
        alone.call("application.run", region=TOKYO, running=False)
        drills.read_until(drill, "Rollback: fail-back")
        alone.call("application.run", region=TOKYO, running=True)
        said, _ = drill.communicate(timeout=280)
    summary = drills.summary(alone)
    assert summary["verdict"] == "failed", said
    moved = outputs(alone, "fail-over-when-clients-have-not-recovered", "fail-back")
    assert [one["status"] for one in moved.values()] == ["SUCCEEDED", "SUCCEEDED"]
    states = [row["state"] for row in summary["region_states"]]
    assert STANDBY in states
    assert states[-1] == HOME
    assert drills.output(alone, "home-serves-again") == HOME


@pytest.mark.timeout(600)
def test_what_home_accepts_while_the_replication_is_paused_is_missing_in_the_standby(alone, tmp_path, monkeypatch):
    """Without the pause every write arrives: neither store replicates through the subnets."""
    monkeypatch.setitem(alone.environment, "CHAOSDRILL_LAB_RESYNC_S", "10")
    path = tmp_path / "region-loss.yaml"
    text = drills.with_its_option((EXPERIMENTS / "region-loss.yaml").read_text())
    path.write_text(
        text.replace('objectives: {rto_s: "${rto_s}"}', 'objectives: {rto_s: "${rto_s}", rpo_writes: 10000}')
    )
    done = drills.run(
        alone, tmp_path, *drills.QUICK, "heartbeat_rate:str=", "read_back_s:int=30", experiment=path, timeout_s=500
    )
    assert done.returncode == 0, done.stdout
    assert drills.output(alone, "pause-replication")["table"] == "MainTable-chaosdrill"
    assert drills.output(alone, "lost-writes-in-standby") > 0
    assert drills.output(alone, "lost-writes-at-home") == 0, "it caught up when the pause ended"
    told = {one["name"] for one in drills.summary(alone)["judgement"]["findings"]}
    assert {"replication-paused", "writes-replicated-late"} <= told
    assert not {"replication-continued", "resurrected-writes"} & told


@pytest.mark.timeout(900)
def test_while_home_is_rebuilt_the_standby_serves_and_the_failback_is_owed(alone, tmp_path):
    """The rollback cannot fail back yet, and neither can a rescue; once home is rebuilt, the rescue does."""
    impatient = tmp_path / "region-loss.yaml"
    text = (EXPERIMENTS / "region-loss.yaml").read_text()
    impatient.write_text(
        text.replace("timeout_s: 3600", "timeout_s: 5").replace(
            'within_s: 180, expected: "serving', 'within_s: 5, expected: "serving'
        )
    )
    assert impatient.read_text() != text
    alone.run("lab", "up", "--detach", "--scale", "0.1", "--resync", "6000")
    topology = str(alone.home / "lab" / "topology.yaml")
    try:
        done = drills.run(alone, tmp_path, *drills.QUICK, "read_back_s:int=30", experiment=impatient)
        assert done.returncode == EXIT_CODES["failed"], done.stdout
        check_refused_failback(alone)
        done = drills.run(alone, tmp_path, *drills.QUICK, experiment=EXPERIMENTS / "failback.yaml")
        assert done.returncode == EXIT_CODES["refused"], done.stdout
        assert "undo-owed" in codes(alone)
        too_early = alone.run("rescue", topology, "--yes", check=False)
        assert too_early.returncode == 1, too_early.stdout
        assert alone.call("database.status")["writer"] == OSAKA
        endpoint_page.ask(LabPlan.load(alone.home / "lab" / "plan.json"), "PUT", "/chaosdrill/hurry")
        wait_for(lambda: f"{TOKYO} connected" in alone.shell("chaosdrill topology check --json", check=False).stdout)
        alone.run("rescue", topology, "--yes")
        assert alone.call("database.status")["writer"] == TOKYO
        alone.run("status", topology)
    finally:
        alone.down()


def check_refused_failback(alone: RunningLab) -> None:
    """The standby served from the failover to the end, and the run says what is to be done."""
    summary = drills.summary(alone)
    assert summary["verdict"] == "failed"
    assert "database-not-synchronized" in codes(alone)
    assert drills.statuses(alone)["fail-back"] == "failed"
    assert drills.output(alone, "lost-writes-in-standby") is not None
    states = [row["state"] for row in summary["region_states"]]
    assert states[-1] == STANDBY
    assert not {"dark", HOME} & set(states[states.index(STANDBY) :]), states
    (why,) = [one for one in summary["reasons"] if "fail-back" in one]
    assert "FailbackStateMachine" in why, "the command of the failback that is owed"


def codes(alone: RunningLab) -> set[str]:
    """The codes of the last drill's findings."""
    return {code for one in drills.summary(alone)["judgement"]["findings"] for code in one.get("codes") or ()}
