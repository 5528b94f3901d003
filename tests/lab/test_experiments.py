"""Every other experiment as a whole drill on a lab of its own; failover.yaml has ``test_drill``."""

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
EXPERIMENTS = drills.REPOSITORY / "experiments"


@pytest.fixture
def alone(tmp_path: Path) -> RunningLab:
    """A CHAOSDRILL_HOME with no lab in it: the drill starts its own."""
    return RunningLab(tmp_path / "home")


def passed(lab: RunningLab, directory: Path, name: str, *variables: str) -> list[str]:
    """Run it; it must pass with every step succeeded.

    :returns: the region states that were seen.
    """
    done = drills.run(lab, directory, *drills.QUICK, *variables, experiment=EXPERIMENTS / name, timeout_s=280)
    assert done.returncode == 0, done.stdout
    assert drills.summary(lab)["verdict"] == "passed"
    assert set(drills.statuses(lab).values()) == {"succeeded"}
    return [row["state"] for row in drills.summary(lab)["region_states"]]


def outputs(lab: RunningLab, *names: str) -> dict[str, Any]:
    return {name: drills.output(lab, name) for name in names}


def test_failback_begins_in_the_standby_region_and_ends_at_home(alone, tmp_path):
    states = passed(alone, tmp_path, "failback.yaml")
    assert (states[0], states[-1]) == (STANDBY, HOME)
    expected = {
        "resolve-domain": OSAKA,
        "standby-is-closed": True,
        "home-is-open": False,
        "standby-routing-off": "Off",
        "home-routing-on": "On",
        "writer-is-home": TOKYO,
        "clients-resolve-home": TOKYO,
        "load-without-errors-at-home": 0,
        "locust-failures": 0,
    }
    assert outputs(alone, *expected) == expected
    assert drills.output(alone, "fail-back")["status"] == "SUCCEEDED"
    assert drills.output(alone, "fail-over-again")["done"] is False
    assert drills.summary(alone)["client_outage"]["seconds"] > 0.5


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
    assert any(f"the region state is {STANDBY}, expected {HOME}" in reason for reason in summary["reasons"])


def test_failback_is_refused_where_home_serves(alone, tmp_path):
    alone.up(0.1)
    try:
        done = drills.run(alone, tmp_path, *drills.QUICK, experiment=EXPERIMENTS / "failback.yaml")
        assert done.returncode != 0
        assert drills.summary(alone)["verdict"] == "refused"
        assert alone.call("database.status")["writer"] == TOKYO
    finally:
        alone.down()


def test_packet_loss_is_healed_and_nobody_fails_over(alone, tmp_path):
    assert passed(alone, tmp_path, "packet-loss.json") == [HOME]
    assert drills.output(alone, "fault-landed") is True
    (healed,) = drills.output(alone, "heal-packet-loss")["experiments"]
    assert healed["state"] == "stopped"
    idle = ("heal-what-is-left", "fail-over-when-clients-have-not-recovered", "fail-back")
    assert [drills.output(alone, name)["done"] for name in idle] == [False, False, False]
    assert outputs(alone, "locust-failures", "home-serves-again") == {"locust-failures": 0, "home-serves-again": HOME}


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


def test_the_system_fails_over_by_itself_when_the_service_is_taken_away(alone, tmp_path):
    states = passed(alone, tmp_path, "auto-failover.yaml")
    assert (states[0], states[-1]) == (HOME, HOME)
    assert STANDBY in states
    taken, returned = outputs(alone, "take-service-away", "give-service-back").values()
    assert (taken["done"], taken["was"], taken["is"]) == (True, 2, 0)
    assert [(one["service"], one["is"]) for one in returned["services"]] == [("transaction", 2)]
    failover = drills.output(alone, "automatic-failover")
    assert failover["status"] == "SUCCEEDED"
    assert "chaosdrill" not in failover["execution_arn"].rsplit(":", 1)[1]  # the initiator's, not the drill's own
    # two canaries in a row, 60 s apart: the second comes 60 to 120 s after the service went
    assert failover["waited_s"] > 60 * 0.1 * 0.5
    assert drills.output(alone, "disable-automatic-failover")["was"] == "ENABLED"
    assert drills.output(alone, "fail-back")["status"] == "SUCCEEDED"
    assert outputs(alone, "load-without-errors-in-standby", "home-serves-again") == {
        "load-without-errors-in-standby": 0,
        "home-serves-again": HOME,
    }


def test_the_standby_takes_over_when_home_is_lost(alone, tmp_path, monkeypatch):
    monkeypatch.setitem(alone.environment, "CHAOSDRILL_LAB_RESYNC_S", "30")
    states = passed(alone, tmp_path, "region-loss.yaml", "read_back_s:int=30")
    assert (states[0], states[-1]) == (HOME, HOME)
    assert STANDBY in states
    assert len(drills.output(alone, "isolate-home")["subnets"]) == 4
    assert 0 <= drills.output(alone, "replica-lag-before") < 1
    told = [one["name"] for one in drills.summary(alone)["judgement"]["findings"] if one["verdict"] == "told"]
    assert "replication-continued" in told
    assert drills.output(alone, "clients-are-cut-off") >= 0.9
    moved = drills.output(alone, "fail-over-database")
    assert (moved["done"], moved["region"], moved["was"]) == (True, OSAKA, TOKYO)
    expected = {
        "writer-moved": OSAKA,
        "clients-resolve-standby": OSAKA,
        "load-without-errors-in-standby": 0,
        "home-serves-again": HOME,
    }
    assert outputs(alone, *expected) == expected
    assert drills.output(alone, "fail-back")["status"] == "SUCCEEDED"


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
    """The rollback cannot fail back yet, and neither can the next drill; once home is rebuilt, that passes."""
    impatient = tmp_path / "region-loss.yaml"
    text = (EXPERIMENTS / "region-loss.yaml").read_text()
    impatient.write_text(
        text.replace("timeout_s: 3600", "timeout_s: 5").replace(
            'within_s: 180, expected: "serving', 'within_s: 5, expected: "serving'
        )
    )
    assert impatient.read_text() != text
    alone.run("lab", "up", "--detach", "--scale", "0.1", "--resync", "6000")
    try:
        done = drills.run(alone, tmp_path, *drills.QUICK, "read_back_s:int=30", experiment=impatient)
        assert done.returncode == EXIT_CODES["failed"], done.stdout
        check_refused_failback(alone)
        done = drills.run(alone, tmp_path, *drills.QUICK, experiment=EXPERIMENTS / "failback.yaml")
        assert done.returncode == EXIT_CODES["refused"], done.stdout
        assert "database-not-synchronized" in codes(alone)
        assert alone.call("database.status")["writer"] == OSAKA
        endpoint_page.ask(LabPlan.load(alone.home / "lab" / "plan.json"), "PUT", "/chaosdrill/hurry")
        wait_for(lambda: f"{TOKYO} connected" in alone.shell("chaosdrill topology check --json", check=False).stdout)
        # its verdict says that the state machine's waits were shortened, too
        drills.run(alone, tmp_path, *drills.QUICK, experiment=EXPERIMENTS / "failback.yaml")
        assert set(drills.statuses(alone).values()) == {"succeeded"}
        assert drills.summary(alone)["region_states"][-1]["state"] == HOME
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
