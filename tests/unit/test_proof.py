"""A run that proved nothing shows no proven figure, and says what it changed and whether that was undone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.analysis.compared_run import compared_run
from chaosdrill.analysis.judgement import Judgement, judge
from chaosdrill.analysis.objective_results import aims
from chaosdrill.analysis.summary_fields import DRILL, summary_fields
from chaosdrill.analysis.undo_results import AS_MEANT, NOT_UNDONE, UNDONE, UNKNOWN, changes_of
from chaosdrill.controls.experiment import transitions
from chaosdrill.runs import read_run
from tests.synthetic_run import HOME, make_run
from tests.unit.test_owed import AS_BEFORE, recorded

Row = dict[str, Any]
Rows = list[Row]
INTERRUPTED = {"s": 9.0, "event": "interrupted", "signal": "SIGINT", "phase": "method"}
BLIND = {"s": 9.0, "event": "crashed", "where": "method", "why": "x"}


def without_transitions(*more: Row, opened: Row | None = None, fault: bool = True) -> Callable[[Rows], Rows]:
    """The history of a drill in which nothing was failed over."""

    def changed(rows: Rows) -> Rows:
        kept = [row for row in rows if not row["event"].startswith("execution-")]
        kept = [row for row in kept if fault or not row["event"].startswith("fault-")]
        return [*(row | (opened or {}) if row["event"] == "drill-opened" else row for row in kept), *more]

    return changed


def always_served(rows: list[Any]) -> list[Any]:
    served = ([*row[:6], 0, 200, "", HOME, row[10]] if row[0] == "b" else row for row in rows[1:])
    return [rows[0], *served]


def judged(directory: Path, change: Callable[[Rows], Rows], **more: Any) -> Judgement:
    return judge(read_run(make_run(directory, events_of=change, beats_of=always_served, **more)))


def reached(judgement: Judgement) -> dict[str, list[bool | None]]:
    """What comparisons and gates say of the objectives."""
    objectives = {"rto_s": 60, "rpo_writes": 0, "availability_ratio": 0.5}
    run = compared_run(
        "run", {"verdict": judgement.verdict, "judgement": judgement.as_json(), "objectives": objectives}
    )
    return {aim.name: [one.met for one in aim.reached[0]] for aim in aims([run])}


@pytest.mark.parametrize("opened", [{"transitions": ["fail-over"]}, {}])
@pytest.mark.parametrize(("event", "verdict"), [(INTERRUPTED, "interrupted"), (BLIND, "invalid")])
def test_without_the_transition_of_the_experiment_nothing_of_it_is_told(tmp_path, opened, event, verdict):
    judgement = judged(tmp_path, without_transitions(event, opened=opened))
    assert (judgement.verdict, judgement.movements) == (verdict, ())
    for name in ("recovery_s", "lost_writes_after_failback", "lost_s_after_failback"):
        figure = judgement.figures[name]
        assert (figure.value, bool(figure.why)) == (None, True), name
    assert judgement.losses[0].count.value is None
    assert reached(judgement) == {"rto_s": [None], "availability_ratio": [None], "rpo_writes": [None]}


def test_a_fault_alone_in_a_run_that_proved_nothing_is_no_recovery_of_0_s(tmp_path: Path) -> None:
    judgement = judged(tmp_path, without_transitions(BLIND, opened={"transitions": []}))
    assert (judgement.verdict, judgement.figures["recovery_s"].value) == ("invalid", None)
    assert judgement.figures["lost_writes_after_failback"].value == 0, "no transition was to take place"


def test_a_fault_alone_that_proved_something_is_told(tmp_path: Path) -> None:
    judgement = judged(tmp_path, without_transitions(opened={"transitions": [], "objectives": {"rto_s": 60}}))
    assert judgement.verdict == "passed"
    assert judgement.figures["recovery_s"].value == 0


def test_lost_writes_that_were_found_are_told_whatever_took_place(tmp_path: Path) -> None:
    missing = lambda rows: [row | {"state": "missing"} if row.get("row") == "found" else row for row in rows]  # noqa: E731
    change = without_transitions(INTERRUPTED, opened={"transitions": ["fail-over"]})
    judgement = judged(tmp_path, change, ledger_of=missing, truths_of=lambda rows: [])
    assert (judgement.figures["lost_writes_after_failback"].value or 0) > 100


def step(event: str, name: str, func: str, stage: str, **more: Any) -> Row:
    module = more.pop("module", "chaosdrill.x.actions")
    return {"event": f"activity-{event}", "activity": name, "func": func, "phase": stage, "type": "action",
            "module": module, **more}  # fmt: skip


def done(name: str, func: str, stage: str = "method", undo_of: str = "", **more: Any) -> Rows:
    arguments = {"undo_of": undo_of} if undo_of else {}
    module = {"module": more.pop("module", "chaosdrill.x.actions")}
    ended = {"status": "succeeded", "output": {"done": True}, **module, **more}
    return [
        step("started", name, func, stage, arguments=arguments, **module),
        step("ended", name, func, stage, **ended),
    ]


END = {"event": "end-state", "state": "serving(a)", "expected": "serving(a)"}


@pytest.mark.parametrize(
    ("events", "outcomes"),
    [
        ([], {}),
        (done("load", "start_load", "setup") + done("stop", "stop_load", "rollbacks", "load"), {"load": UNDONE}),
        (done("load", "start_load", "setup"), {"load": NOT_UNDONE}),
        (done("load", "start_load", "setup", output={"done": False}), {}),
        ([step("started", "load", "start_load", "setup", arguments={})], {"load": NOT_UNDONE}),
        (
            done("loss", "inject_packet_loss") + done("back", "fail_back", "rollbacks", "loss"),
            {"loss": NOT_UNDONE},  # that it failed back does not heal
        ),
        (done("loss", "inject_packet_loss") + done("heal", "heal_packet_loss"), {"loss": UNDONE}),
        (
            done("loss", "inject_packet_loss")
            + done("heal", "heal_packet_loss", "rollbacks", "loss", status="failed", output=None),
            {"loss": NOT_UNDONE},
        ),
        (done("over", "fail_over") + done("back", "fail_back", "rollbacks", "over"), {"over": UNDONE}),
        (done("back", "fail_back"), {"back": NOT_UNDONE}),
        ([*done("back", "fail_back"), END], {"back": AS_MEANT}),
        ([*done("back", "fail_back"), END | {"state": "dark"}], {"back": NOT_UNDONE}),
        (done("aws", "stop_instance", module="chaosaws.ec2.actions"), {"aws": UNKNOWN}),
    ],
)
@AS_BEFORE
def test_what_was_changed_and_whether_it_was_undone(events, outcomes, written):
    events = written(events)
    assert {one.activity: one.outcome for one in changes_of(events)} == outcomes
    assert summary_fields("x", events, DRILL)["changes"] == [one.as_json() for one in changes_of(events)]


def test_what_the_parts_rules_add_to_what_was_undone() -> None:
    load = done("load", "start_load", "setup") + done("more", "change_load") + done("stop", "stop_load", undo_of="load")
    rule = done("off", "disable_automatic_failover") + done("on", "enable_automatic_failover", "rollbacks", "off")
    refused = done("cut", "isolate_region", status="failed", output=None, error_kind="Refused")
    events = recorded(load + rule + refused)
    assert [(one.activity, one.outcome) for one in changes_of(events)] == [
        ("load", UNDONE),
        ("more", UNDONE),
        ("off", UNDONE),
    ]
    assert {one.activity: one.outcome for one in changes_of(events[:-4])}["off"] == NOT_UNDONE


def test_an_experiment_has_the_transitions_of_its_setup_and_method_alone() -> None:
    def activity(name: str, func: str) -> Any:
        return {"name": name, "type": "action", "provider": {"module": "chaosdrill.failover.actions", "func": func}}

    rollbacks = [activity("back", "fail_back")]
    assert transitions({"method": [activity("over", "fail_over")], "rollbacks": rollbacks}, None) == ["over"]
    assert transitions({"method": [activity("loss", "inject_packet_loss")], "rollbacks": rollbacks}, []) == []
