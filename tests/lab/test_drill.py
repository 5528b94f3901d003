"""The whole drill on the real lab, by the tutorial's own command: `chaos run experiments/failover.yaml`.

It runs once, and is judged by several tests; `test_tutorial` has the other commands of the tutorial.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.client.load_generator import load_generator
from chaosdrill.lab.plan import HOME, STANDBY
from chaosdrill.load.load_control import IDLE
from chaosdrill.runs.events import read_events
from chaosdrill.runs.journals import journal_of
from chaosdrill.runs.rebuilding import experiment_in
from tests import drills, small_drills
from tests.faults.leftovers import Traces, traces, wait_until_nothing_is_left
from tests.further import first_of
from tests.lab.test_aws_guide import with_commands
from tests.lab.test_tutorial import succeeds, typed
from tests.running_lab import RunningLab
from tests.summary_schema import problems_of_summary

USERS_OWN = Path(__file__).parent / "users_own.py"
DRILL = "chaos run experiments/failover.yaml"
ONE_RUN_SAYS_NOTHING = 2  # of `compare`: no two runs to compare
ELSEWHERE = {"chaosdrill compare": ONE_RUN_SAYS_NOTHING}


@dataclass(frozen=True)
class Recorded:
    """The drill of the tutorial: its lab, of which there was nothing before, and what it said.

    :param before: what there was on the machine.
    """

    lab: RunningLab
    clone: Path
    before: Traces
    done: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A CHAOSDRILL_HOME with no lab in it: the drill starts its own, with short waits; `make drill` has the others."""
    lab, clone = RunningLab(tmp_path_factory.mktemp("home") / "home"), tmp_path_factory.mktemp("clone")
    (clone / "experiments").symlink_to(drills.EXPERIMENTS)
    before = traces(lab.home)
    environment = {**drills.environment(lab), "PATH": with_commands(lab)["PATH"]}
    (command,) = (one for one in typed("The experiment") if one.startswith(DRILL))
    quick = " ".join(f"--var {variable}" for variable in drills.QUICK)
    done = subprocess.run(
        ["bash", "-c", f"{command} {quick} 2>&1"],
        cwd=clone, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return Recorded(lab, clone, before, done)


@pytest.mark.long
def test_every_command_about_a_run_does_what_the_tutorial_says(recorded: Recorded) -> None:
    environment, run = with_commands(recorded.lab), drills.only_run(recorded.lab)
    for command in typed("The experiment"):
        if not command.startswith((".", DRILL)):  # the path leads there already, and the drill was run
            succeeds(command, recorded.clone, environment)
    for command in typed("What a drill leaves behind"):
        code = next((code for start, code in ELSEWHERE.items() if command.startswith(start)), 0)
        succeeds(command.replace("RUN", run.name), recorded.clone, environment, code)


@pytest.mark.long
def test_the_drill_passes_and_proves_every_step_of_the_runbook(recorded: Recorded) -> None:
    alone, done = recorded.lab, recorded.done
    summary = drills.summary(alone)
    assert (summary["verdict"], problems_of_summary(summary)) == ("passed", [])
    its_journal_could_be_made_from_its_history(drills.only_run(alone))
    states = [row["state"] for row in summary["region_states"]]
    assert states[0] == states[-1] == "serving(ap-northeast-1)"
    assert "serving(ap-northeast-3)" in states
    assert summary["client_outage"]["seconds"] > 0.5
    assert set(drills.statuses(alone).values()) == {"succeeded"}
    expected = {
        "addresses-of-domain": ["10.100.5.165", "10.100.9.84"],
        "fault-landed": True,
        "home-is-closed": True,
        "standby-is-open": False,
        "home-routing-off": "Off",
        "standby-routing-on": "On",
        "writer-moved": "ap-northeast-3",
        "clients-resolve-standby": "ap-northeast-3",
        "load-without-errors-in-standby": 0,
        "lost-writes-in-standby": 0,
        "lost-writes-at-home": 0,
        "locust-failures": 0,
        "home-serves-again": "serving(ap-northeast-1)",
    }
    assert {name: drills.output(alone, name) for name in expected} == expected
    failover = drills.output(alone, "fail-over")
    assert failover["status"] == "SUCCEEDED"
    assert [state["name"] for state in failover["states"]][:4] == [
        *("ParseInput", "SelectEndpoint", "StopSource", "WaitForParameterPropagation")
    ]
    end = done.stdout.strip().splitlines()[-6:]
    labels = ["verdict", "why", "recovery", "lost writes", "report", "details"]
    assert [line.partition(":")[0] for line in end] == labels, end
    assert end[4].endswith(f" {drills.only_run(alone)}/report.html")
    the_hypothesis_was_sampled(alone)
    the_heartbeat_saw_it(alone)
    its_records_are_whole(alone)
    others_vouch_for_it(alone)
    wait_until_nothing_is_left(alone.home, recorded.before)


def its_journal_could_be_made_from_its_history(run: Path) -> None:
    """As it is done for a drill that died: step by step, with what each has answered."""
    real = json.loads((run / "journal.json").read_text())
    made = journal_of(read_events(run, still_open=True)[0], experiment_in(run))
    for part in ("before", "after"):
        assert _steps(made["steady_states"][part]["probes"]) == _steps(real["steady_states"][part]["probes"])
        assert (
            made["steady_states"][part]["steady_state_met"] is real["steady_states"][part]["steady_state_met"] is True
        )
    for part in ("run", "rollbacks"):
        assert _steps(made[part]) == _steps(real[part])
    for part in ("status", "deviated", "node", "chaoslib-version"):
        assert made[part] == real[part]


def _steps(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without their times, which history and journal note one after the other."""
    return [{name: value for name, value in step.items() if name not in ("start", "end")} for step in steps]


def the_hypothesis_was_sampled(lab: RunningLab) -> None:
    """Of each probe of the steady state it is known what it was like while the region moved."""
    history = drills.history(lab)
    samples = [row for row in history if row["event"] == "hypothesis-sampled"]
    serving = [row for row in samples if row["activity"] == "one-region-serves"]
    assert len(serving) >= 4
    assert {row["tolerance_met"] for row in serving} <= {True, False}
    assert serving[0]["output"] == "serving(ap-northeast-1)"
    assert {"stop-flag-of-the-serving-region", "locust-failures"} < {row["activity"] for row in samples}
    method, after = (
        next(row["at"] for row in history if row.get("phase") == phase) for phase in ("method", "after the method")
    )
    assert all(method <= row["at"] <= after for row in samples)


def others_vouch_for_it(lab: RunningLab) -> None:
    """What AWS recorded is in the run, every file is vouched for, and so it is for an auditor, elsewhere."""
    run = drills.only_run(lab)
    collected = [row for row in drills.history(lab) if row["event"] == "evidence-collected"]
    kinds = ["execution", "execution", "fis-experiment", "changing-calls"]
    assert [(row["kind"], row["why"]) for row in collected] == [(kind, "") for kind in kinds]
    for row, name in zip(collected, ("fail-over", "fail-back"), strict=False):
        told = json.loads((run / row["file"]).read_text())["DescribeExecution"]
        assert (told["executionArn"], told["status"]) == (drills.output(lab, name)["execution_arn"], "SUCCEEDED")
    said = json.loads(lab.run("runs", "verify", "--json").stdout)
    assert (said["intact"], said["problems"]) == (True, [])
    assert [note.partition(":")[0] for note in said["notes"]] == ["report.html"]  # made from the rest, not covered
    archive = lab.home / "archive.zip"
    made = json.loads(lab.run("runs", "export", "--evidence", "--output", str(archive), "--json").stdout)
    assert (made["manifest"]["approver"], made["manifest"]["operator"] != "") == (None, True)
    assert json.loads(lab.run("runs", "verify", str(archive), "--digest", made["digest"], "--json").stdout)["intact"]
    evidence = run / "evidence" / "execution-1.json"
    kept = evidence.read_text()
    evidence.write_text("{}")
    found = lab.run("runs", "verify", check=False)
    assert (found.returncode, "altered: evidence/execution-1.json" in found.stdout) == (1, True)
    evidence.write_text(kept)


def the_heartbeat_saw_it(lab: RunningLab) -> None:
    """What it measured lies between what is known of each movement."""
    judgement = drills.summary(lab)["judgement"]
    assert [one for one in judgement["findings"] if one["verdict"] != "told"] == []
    for name, lost in judgement["figures"].items():
        if name.startswith("lost_writes_"):
            assert (lost["value"], lost["why"]) == (0, ""), name
    assert len(judgement["losses"]) == len(judgement["truths"]) == 2
    assert [(one["lost"], one["not_lost"]) for one in judgement["truths"]] == [([], [])] * 2
    assert all(one["accepted"] > 50 for one in judgement["losses"])
    for movement in judgement["movements"]:
        recovery = judgement["figures"][f"recovery_{movement['what'].replace('-', '_')}_s"]
        parts = {one["name"]: one["at_ns"] for one in movement["phases"]}
        closed_s = (parts["flag-opened"] - parts["flag-closed"]) / 1e9
        assert 0.5 < closed_s < movement["whole_s"]
        assert recovery["uncertainty"] > 0.04, "not exact to the millisecond; a busy machine leaves gaps"
        assert closed_s - 1.5 < recovery["value"] + recovery["uncertainty"], "at least as long as it was closed"
        assert recovery["value"] - recovery["uncertainty"] < movement["whole_s"] + 1
        if parts["sustained"] is not None:  # on a busy machine some answers are late, and none of 5 s was good enough
            assert parts["first-good-answer"] <= parts["sustained"]


def its_records_are_whole(lab: RunningLab) -> None:
    """Each raw file was collected to its end, and is kept as it was, or as Parquet."""
    directory, history = drills.only_run(lab), drills.history(lab)
    raw = {row["file"]: row for row in history if row["event"] == "records-collected"}
    (requests,) = (name for name in raw if name.startswith("requests-locust-"))
    truths = {"truth-0.json", "truth-1.json"}  # of the databases, at each reading back
    assert set(raw) == {"beats.jsonl", "ledger.jsonl", requests, *truths}
    assert all(row["complete"] for row in raw.values()), raw
    stored = {row["file"]: row for row in history if row["event"] == "records-stored"}
    assert stored["beats.parquet"]["of"] == {"beats.jsonl": raw["beats.jsonl"]["sha256"]}
    assert stored["requests.parquet"]["of"] == {requests: raw[requests]["sha256"]}
    kept = {path.name for path in (directory / "records").iterdir()}
    assert kept == {"beats.parquet", "ledger.jsonl", "lookups.jsonl", "requests.parquet", *truths}
    sent = sum(drills.output(lab, "stop-heartbeat")["sent"].values())
    assert sent <= stored["beats.parquet"]["rows"] <= sent + 2
    sources = {row["source"] for row in history if row["event"] == "clock-measured"}
    assert {"heartbeat", "locust", requests.removeprefix("requests-").removesuffix(".jsonl")} <= sources


@pytest.fixture(scope="module")
def staying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A lab that stays. The last of its tests leaves it served by the standby."""
    lab = RunningLab(tmp_path_factory.mktemp("home"))
    lab.up(0.1)
    yield lab
    lab.down()


@pytest.mark.long
def test_another_scale_than_the_running_labs_is_refused(staying, tmp_path):
    done = drills.run(staying, tmp_path, "scale:float=0.5")
    assert done.returncode != 0
    summary = drills.summary(staying)
    assert summary["verdict"] == "refused"
    codes = [code for one in summary["judgement"]["findings"] for code in one.get("codes", ())]
    assert codes == ["lab-settings-differ"]
    assert "0.1" in done.stdout


def activity(kind: str, module: str, func: str, **arguments: Any) -> small_drills.Step:
    provider = {"type": "python", "module": f"chaosdrill.{module}.{kind}s", "func": func, "arguments": arguments}
    return {"type": kind, "name": func.replace("_", "-"), "provider": provider}


@pytest.mark.long
def test_any_locust_script_runs_unchanged_and_a_lab_that_stays_is_left_serving_and_running(staying, tmp_path):
    """A failover and the way back under the load of the user's script, which the lab did not start with."""
    failures = activity("probe", "load", "failures", window_s=5, min_requests=25, within_s=180) | {"tolerance": 0}
    start = activity("action", "load", "start_load", users=20, spawn_rate_per_s=10, locustfile=str(USERS_OWN))
    what = small_drills.experiment(
        method=[activity("action", "failover", "fail_over", region=STANDBY.name), failures],
        rollbacks=[
            activity("action", "failover", "fail_back", region=HOME.name, undo_of="fail-over"),
            activity("action", "load", "stop_load", undo_of="start-load", recovery_within_s=180),
        ],
        steady=[{**failures, "name": "steady"}],
        control={"setup": [start]},
        configuration={"target": "lab", "scale": 0.1, "locustfile": str(USERS_OWN)},
    )
    ran = small_drills.run(tmp_path, what, CHAOSDRILL_HOME=str(staying.home))
    assert set(drills.statuses(staying).values()) == {"succeeded"}, ran.stdout + ran.stderr
    assert ran.verdict == "passed", ran.why
    started = drills.output(staying, "start-load")
    assert (started["users"], started["locustfiles"]) == (20, [str(USERS_OWN)])
    assert f"serving({STANDBY.name})" in ran.region_states
    assert (ran.region_states[0], ran.region_states[-1]) == (small_drills.HOME_SERVES, small_drills.HOME_SERVES)
    status = staying.status()
    assert (status["ready"], status["leases"]) == (True, 0)


@pytest.mark.long
def test_failback_is_refused_where_home_serves(staying, tmp_path):
    done = drills.run(staying, tmp_path, *drills.QUICK, experiment=drills.EXPERIMENTS / "failback.yaml")
    assert done.returncode != 0
    assert drills.summary(staying)["verdict"] == "refused"
    assert staying.call("database.status")["writer"] == HOME.name


@pytest.mark.long
def test_it_is_refused_and_touches_nothing_when_home_does_not_serve(staying, tmp_path):
    fail_over_by_hand(staying)
    dropped = staying.call("packet_loss.status")["dropped_packets"]
    done = drills.run(staying, tmp_path, *drills.QUICK)
    assert done.returncode != 0
    assert drills.summary(staying)["verdict"] == "refused"
    assert "serving(ap-northeast-3)" in drills.summary(staying)["reasons"][0]
    assert staying.call("database.status")["writer"] == "ap-northeast-3"
    assert staying.call("packet_loss.status")["dropped_packets"] == dropped
    assert load_generator({"topology": str(staying.home / "lab" / "topology.yaml")}).state().state in IDLE
    begun = {row["activity"] for row in drills.history(staying) if row["event"] == "activity-started"}
    assert "start-load" not in begun


def fail_over_by_hand(lab: RunningLab) -> None:
    """Runbook 3."""
    sfn = "aws stepfunctions --region ap-northeast-3 --profile chaosdrill-lab --output text"
    machines = "--query 'stateMachines[?starts_with(name,`FailoverStateMachine`)].stateMachineArn'"
    machine = lab.shell(f"{sfn} list-state-machines {machines}").stdout.strip()
    execution = lab.shell(f"{sfn} start-execution --state-machine-arn {machine} --query executionArn").stdout.strip()
    status = f"{sfn} describe-execution --execution-arn {execution} --query status"
    while (seen := lab.shell(status).stdout.strip()) == "RUNNING":
        pass  # each look takes the CLI a second
    assert seen == "SUCCEEDED"


EXPERIMENTS = sorted(path for path in (drills.REPOSITORY / "experiments").iterdir() if path.is_file())


@pytest.mark.parametrize("experiment", first_of(EXPERIMENTS), ids=lambda path: path.name)
def test_every_experiment_validates(experiment, tmp_path):
    done = subprocess.run(
        [*drills.CHAOS, "validate", str(experiment)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
