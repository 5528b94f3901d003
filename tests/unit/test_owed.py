"""What a drill that died began and has not undone, from its history, and how to undo it."""

import inspect
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.history import History
from chaosdrill.history.owed import FAULT_LASTS_S, UNDONE_BY, owed_undos
from chaosdrill.packet_loss import actions as faults
from chaosdrill.runs.dead_runs import dead_run, dead_runs
from chaosdrill.runs.describing import described
from chaosdrill.runs.events import read_events

AT = "2026-05-01T09:30:00.000Z"
NOW = datetime(2026, 5, 1, 9, 35, tzinfo=UTC)


def step(event: str, name: str, func: str, phase: str = "method", **facts: Any) -> dict[str, Any]:
    known = {"activity": name, "func": func, "phase": phase, "module": "chaosdrill.any.actions", "at": AT}
    return {"event": f"activity-{event}", **known, **facts}


def begun(name: str, func: str, **arguments: Any) -> dict[str, Any]:
    return step("started", name, func, arguments=arguments)


def ended(name: str, func: str, phase: str = "method", **facts: Any) -> dict[str, Any]:
    return step("ended", name, func, phase, **{"status": "succeeded", "output": {"done": True}, **facts})


LOSS = begun("lose", "inject_packet_loss", duration_s="600")
STARTED = {"event": "fault-started", "experiment": "EXP1", "region": "ap-northeast-1"}
HEALED = [step("started", "heal", "heal_packet_loss", "rollbacks", arguments={"undo_of": "lose"})]


def names(events: list[dict[str, Any]]) -> list[str]:
    return [one.step for one in owed_undos(events)]


def test_a_step_that_was_begun_is_owed_although_it_did_not_end() -> None:
    (one,) = owed_undos([LOSS, STARTED])
    assert (one.step, one.kind, one.undo, one.ids) == (
        "lose",
        "fault",
        "heal_packet_loss",
        {"ap-northeast-1": ["EXP1"]},
    )
    assert one.ends == "2026-05-01T09:40:00Z"
    assert one.left_s(NOW) == 300.0
    assert one.left_s(datetime(2027, 1, 1, tzinfo=UTC)) == 0.0


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ([ended("lose", "inject_packet_loss")], ["lose"]),
        ([ended("lose", "inject_packet_loss", status="failed", error_kind="TimedOut", output=None)], ["lose"]),
        ([ended("lose", "inject_packet_loss", status="failed", error_kind="Refused", output=None)], []),
        ([ended("lose", "inject_packet_loss", output={"done": False})], []),
        (HEALED, ["lose"]),
        ([*HEALED, ended("heal", "heal_packet_loss", "rollbacks")], []),
        ([*HEALED, ended("heal", "heal_packet_loss", "rollbacks", status="failed")], ["lose"]),
        ([begun("heal", "heal_packet_loss"), ended("heal", "heal_packet_loss")], []),
        ([begun("heal", "heal_packet_loss", undo_of="other"), ended("heal", "heal_packet_loss")], ["lose"]),
    ],
)
def test_what_was_undone_or_changed_nothing_is_not_owed(more: list[dict[str, Any]], left: list[str]) -> None:
    assert names([LOSS, *more]) == left


def test_setting_something_twice_undoes_nothing_unless_it_says_so() -> None:
    flag = [begun("close", "set_stop_flag"), ended("close", "set_stop_flag")]
    again = [begun("open", "set_stop_flag"), ended("open", "set_stop_flag")]
    assert names([*flag, *again]) == ["close", "open"]
    undone = [step("started", "back", "set_stop_flag", "rollbacks", arguments={"undo_of": "close"})]
    assert names([*flag, *undone, ended("back", "set_stop_flag", "rollbacks")]) == []


def test_the_times_of_the_faults_are_those_of_the_actions() -> None:
    for name, lasts_s in FAULT_LASTS_S.items():
        assert inspect.signature(getattr(faults, name)).parameters["duration_s"].default == lasts_s


def test_every_action_with_an_undo_is_known() -> None:
    found = json.loads((Path(__file__).parents[1] / "contract" / "discovery.json").read_text())
    actions = {name.rpartition(".")[2] for name, one in found.items() if one["type"] == "action"}
    only_undo = {"stop_load", "stop_heartbeat", "heal_packet_loss", "restore_desired_count", "change_load"}
    assert actions - only_undo == set(UNDONE_BY)


def died(runs: Path, name: str, *events: dict[str, Any], target: str = "aws", topology: str = "t.yaml") -> Path:
    (runs / name).mkdir(parents=True)
    history = History(runs / name / "history.jsonl")
    history.append("drill-opened", run_id=name, target=target, configuration={"topology": topology})
    for event in events:
        facts = {key: value for key, value in event.items() if key not in ("event", "at")}
        history.append(event["event"], **facts)
    history.close()
    return runs / name


def whole(runs: Path, name: str, verdict: str) -> None:
    run = died(runs, name)
    (run / "summary.json").write_text(json.dumps({"version": 3, "verdict": verdict, "source": "drill"}))


def like(topology: str = "t.yaml", target: str = "aws") -> list[dict[str, Any]]:
    return [{"event": "drill-opened", "target": target, "configuration": {"topology": topology}}]


def test_the_drills_of_a_system_that_died_are_found_back_to_one_that_ended(tmp_path: Path) -> None:
    died(tmp_path, "1-too-old", LOSS)
    whole(tmp_path, "2-whole", "passed")
    died(tmp_path, "3-dead", LOSS)
    died(tmp_path, "4-elsewhere", LOSS, topology="other.yaml")
    whole(tmp_path, "5-refused", "refused")
    assert [one.run for one in dead_runs(tmp_path, like())] == ["3-dead"]
    assert [one.run for one in dead_runs(tmp_path, like("other.yaml"))] == ["4-elsewhere"]
    assert not list(dead_runs(tmp_path, like(target="lab")))


def test_a_drill_that_goes_on_is_not_dead(tmp_path: Path) -> None:
    run = died(tmp_path, "1-alive", LOSS)
    history = History(run / "history.jsonl")
    assert dead_run(run, read_events(run, True)[0]) is None
    history.close()
    assert dead_run(run, read_events(run, True)[0]) is not None


def test_a_dead_run_says_what_may_be_in_force_and_the_way_back(tmp_path: Path) -> None:
    state = {"event": "region-state", "state": "serving(ap-northeast-3)"}
    moved = begun("fail-over", "fail_over")
    run = died(tmp_path, "1-dead", begun("load", "start_load", users=20), LOSS, STARTED, moved, state)
    found = described(run)
    assert [one["step"] for one in found["owed"]] == ["load", "lose", "fail-over"]
    told = "\n".join(found["notes"])
    for part in ("20 users", "serving(ap-northeast-3)", "fis stop-experiment --id EXP1", "failback.yaml"):
        assert part in told
    lab = died(tmp_path, "2-dead", LOSS, target="lab", topology="")
    assert any("chaosdrill lab down" in one for one in described(lab)["notes"])
