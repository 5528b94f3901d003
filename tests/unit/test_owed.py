"""What a drill that died began and has not undone, from its history, and how to undo it."""

import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.history import History
from chaosdrill.history.owed_undos import FAULT_LASTS_S, UNDONE_BY, OwedUndo, owed_undos
from chaosdrill.packet_loss import actions as faults
from chaosdrill.parts.registry import part_of_action, undo_rules
from chaosdrill.runs.dead_runs import dead_run, dead_runs
from chaosdrill.runs.description import described
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


END = {"event": "end-state", "state": "serving(a)", "expected": "serving(a)"}


def recorded(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A history as it is written now: the beginning of each change records its undo."""
    return [event | recorded_facts(event) if event["event"] == "activity-started" else event for event in events]


def recorded_facts(event: dict[str, Any]) -> dict[str, Any]:
    part = part_of_action(event["func"])
    if part is None or event["phase"] == "rollbacks":
        return {"undone_by": None}
    rule = undo_rules()[event["func"]]
    facts = {"undone_by": rule.undo, "part": part.name, "role": part.role}
    return {**facts, "lasts_s": rule.lasts_s(event["arguments"])}


AS_BEFORE = pytest.mark.parametrize("written", [list, recorded], ids=["of before", "of now"])
Written = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def names(events: list[dict[str, Any]]) -> list[str]:
    return [one.step for one in owed_undos(events)]


AT_HOME = {"event": "end-state", "state": "serving(a)", "expected": "serving(a)"}
FROM_STANDBY = [{"event": "drill-opened", "expect": "serving(b)"}, {"event": "target-opened", "home": "a"}]


def test_a_transition_that_ends_at_home_as_declared_is_not_owed() -> None:
    back = [*FROM_STANDBY, *recorded([begun("back", "fail_back"), ended("back", "fail_back"), LOSS])]
    assert names([*back, AT_HOME]) == ["lose"], "a fault is"
    assert names([*back, {**AT_HOME, "state": "serving(b)"}]) == ["back", "lose"]
    assert names([*back[:1], *back[2:], AT_HOME]) == ["back", "lose"], "a history that does not name home"


def test_the_step_that_reversed_another_run_s_change_is_not_owed() -> None:
    enabled = recorded([begun("on", "enable_automatic_failover"), begun("off", "disable_automatic_failover"), LOSS])
    paid = {"event": "accepted-undo-paid", "part": "automatic_failover", "undo": "enable_automatic_failover"}
    assert names([*enabled, paid]) == ["off", "lose"]


@AS_BEFORE
def test_a_step_that_was_begun_is_owed_although_it_did_not_end(written: Written) -> None:
    (one,) = owed_undos(written([LOSS, STARTED]))
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
@AS_BEFORE
def test_what_was_undone_or_changed_nothing_is_not_owed(
    more: list[dict[str, Any]], left: list[str], written: Written
) -> None:
    assert names(written([LOSS, *more])) == left


@AS_BEFORE
def test_setting_something_twice_undoes_nothing_unless_it_says_so(written: Written) -> None:
    flag = [begun("close", "set_stop_flag"), ended("close", "set_stop_flag")]
    again = [begun("open", "set_stop_flag"), ended("open", "set_stop_flag")]
    assert names(written([*flag, *again])) == ["close", "open"]
    undone = [step("started", "back", "set_stop_flag", "rollbacks", arguments={"undo_of": "close"})]
    assert names(written([*flag, *undone, ended("back", "set_stop_flag", "rollbacks")])) == []


def test_the_rules_of_the_parts_give_what_the_table_of_older_histories_gives() -> None:
    for action in UNDONE_BY:
        events = [begun("it", action, duration_s=60), STARTED, {"event": "undo", "undo": UNDONE_BY[action][0], "x": 1}]
        events[0]["module"] = f"chaosdrill.{recorded_facts(events[0])['part']}.actions"
        (before,), (now,) = owed_undos(events), owed_undos(recorded(events))
        assert now == OwedUndo(**{**vars(before), "role": now.role})
        assert (now.number, now.before) == (1, {"x": 1})


MOVED = [begun("over", "fail_over"), ended("over", "fail_over")]
BACK = [begun("back", "fail_back"), ended("back", "fail_back")]
FAILED = [begun("back", "fail_back"), ended("back", "fail_back", status="failed", output=None)]
LOADED = [begun("load", "start_load"), ended("load", "start_load"), begun("more", "change_load")]
STOPPED = [
    step("started", "stop", "stop_load", "rollbacks", arguments={"undo_of": "load"}),
    ended("stop", "stop_load", "rollbacks"),
]
NOT_CALLED_FOR = [
    step("started", "home", "fail_back", "rollbacks", arguments={"undo_of": "over", "when": "steady-state-missed"}),
    ended("home", "fail_back", "rollbacks", output={"done": False, "called_for": False, "why": ""}),
]
OPENED = [{"event": "drill-opened", "expect": "serving(a)"}]


@pytest.mark.parametrize(
    ("events", "before", "now"),
    [
        (MOVED + BACK, ["back"], []),  # the undo of a change is no further one
        (MOVED + FAILED, ["over", "back"], ["over", "back"]),
        (BACK, ["back"], ["back"]),
        (LOADED, ["load"], ["load", "more"]),
        (LOADED + STOPPED, [], []),
        (LOADED[2:] + STOPPED, [], ["more"]),
        (MOVED + NOT_CALLED_FOR, ["over"], ["over"]),
        (OPENED + MOVED + [END], ["over"], []),  # it ended as it began, whoever did that
        (OPENED + MOVED + [END | {"state": "dark"}], ["over"], ["over"]),
        ([OPENED[0] | {"expect": "serving(b)"}, *MOVED, END], ["over"], ["over"]),  # it stays there on purpose
        ([*OPENED, LOSS, END], ["lose"], ["lose"]),
    ],
)
def test_what_is_owed_by_histories_of_now_that_those_of_before_tell_otherwise(
    events: list[dict[str, Any]], before: list[str], now: list[str]
) -> None:
    assert (names(events), names(recorded(events))) == (before, now)


def test_each_change_has_its_own_number_and_what_was_before_it() -> None:
    flags = [{**begun(name, "set_stop_flag"), "number": number} for number, name in ((2, "one"), (1, "other"))]
    undos = [
        {"event": "undo", "undo": "set_stop_flag", "number": number, "arguments": {"value": number}}
        for number in (1, 2)
    ]
    found = owed_undos([*recorded(flags), *undos])
    assert [(one.step, one.number, one.before) for one in found] == [
        ("one", 2, {"arguments": {"value": 2}}),
        ("other", 1, {"arguments": {"value": 1}}),
    ]


def test_an_action_of_a_part_that_is_not_installed_is_owed_by_its_event_alone(tmp_path: Path) -> None:
    facts = {"module": "mesh.actions", "undone_by": "join", "part": "mesh", "role": "routing", "number": 7}
    run = died(tmp_path, "1-dead", begun("cut", "cut", **{}) | facts)
    (one,) = described(run)["owed"]
    assert (one["undo"], one["part"], one["number"], one["kind"]) == ("join", "mesh", 7, "system")
    assert any("join" in note for note in described(run)["notes"])


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
    for part in ("20 users", "serving(ap-northeast-3)", "chaosdrill rescue 1-dead", "fis stop-experiment --id EXP1"):
        assert part in told
    lab = died(tmp_path, "2-dead", LOSS, target="lab", topology="")
    assert any("chaosdrill lab down" in one for one in described(lab)["notes"])
