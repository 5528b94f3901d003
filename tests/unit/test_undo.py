"""What a rollback may undo: only what this run did, and only a step that it names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.activity import action
from chaosdrill.controls.outcome import steady_state_met
from chaosdrill.controls.rollback_validation import problems_of_undo
from chaosdrill.errors import codes_of
from chaosdrill.history import History, OpenDrill, opened
from tests.small_drills import do, experiment, step, undo


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[OpenDrill]:
    history = History(tmp_path / "history.jsonl")
    yield OpenDrill("a-run", tmp_path, history)
    history.close()


def ran(drill: OpenDrill, phase: str = "method", **end: Any) -> None:
    drill.history.append("activity-started", activity="fail-over", phase=phase)
    if end:
        drill.history.append("activity-ended", activity="fail-over", phase=phase, **end)


@pytest.mark.parametrize(
    ("phase", "end", "undone"),
    [
        ("method", {}, True),
        ("setup", {"output": {"done": True}}, True),
        ("method", {"output": None, "error_kind": "TimedOut"}, True),
        ("method", {"output": {"done": False, "why": "it serves already"}}, False),
        ("method", {"output": None, "error_kind": "Refused"}, False),
        ("method", {"output": None, "error_kind": "BadInput"}, False),
        ("rollbacks", {}, False),
    ],
)
def test_only_what_this_run_did_is_undone(drill: OpenDrill, phase: str, end: dict[str, Any], undone: bool) -> None:
    assert not drill.may_have_done("fail-over")
    ran(drill, phase, **end)
    assert drill.may_have_done("fail-over") is undone


def test_of_two_steps_of_one_name_one_that_did_something_is_enough(drill: OpenDrill) -> None:
    ran(drill, output={"done": False})
    ran(drill, output={"done": True})
    assert drill.may_have_done("fail-over")


def test_no_fact_takes_the_place_of_an_events_own_time(drill: OpenDrill) -> None:
    with pytest.raises(ValueError, match="an event's own at cannot be given as a fact"):
        drill.history.append("confirmed", at="2026-05-01T09:30:00.123Z")
    assert drill.history.events() == []


@action
def waits(timeout_s: float = 600, undo_of: Any = None, standalone: bool = False) -> float:
    return timeout_s


@pytest.mark.parametrize(("given", "seconds"), [("120", 120.0), (0, 0.0), (1.5, 1.5)])
def test_how_long_an_action_may_take_may_be_a_text_as_variables_are(
    drill: OpenDrill, given: Any, seconds: float
) -> None:
    with opened(drill):
        assert (waits(given), waits(timeout_s=given), waits()) == (seconds, seconds, 600.0)


@pytest.mark.parametrize("given", ["2m", -1, float("nan"), float("inf"), True, None])
def test_what_is_no_time_is_refused_before_anything_is_touched(drill: OpenDrill, given: Any) -> None:
    with opened(drill), pytest.raises(ActivityFailed) as failed:
        waits(timeout_s=given)
    assert failed.value.__cause__.codes == ("argument-invalid",)


def problems(*rollbacks: Any) -> list[str]:
    what = experiment([do("work")], rollbacks)
    return problems_of_undo(what, [do("prepare")], lambda value: "work" if value == "${step}" else value)


def test_a_rollback_names_a_step_that_is_there() -> None:
    assert problems(undo("unwork", "work"), undo("clear", "prepare"), undo("other", "${step}")) == []
    assert problems(step("action", "wait", "wait", seconds=1), {"ref": "work"}) == [], "these take no undo_of"
    found = problems(undo("unwork", "wrok"), step("action", "bare", "undo", what="x"))
    assert codes_of(found) == ["undo-unknown"] * 2
    assert [one.split(": ")[1] for one in found] == ["unwork", "bare"]
    assert " 'wrok':" in found[0]
    assert [one.endswith("`undo_of:`: prepare, work") for one in found] == [True, True]


def test_a_rollback_that_was_written_before_the_argument_was_there_still_works() -> None:
    provider = {
        "type": "python",
        "module": "chaosdrill.automatic_failover.actions",
        "func": "enable_automatic_failover",
    }
    enable = {"type": "action", "name": "enable", "provider": {**provider, "arguments": {"rule": "on-alarm"}}}
    wrong = {**enable, "provider": {**provider, "arguments": {"rule": "on-alarm", "undo_of": "wrok"}}}
    assert problems(enable) == []
    assert len(problems(wrong)) == 1


@pytest.fixture
def open_drill(drill: OpenDrill) -> Iterator[OpenDrill]:
    with opened(drill) as one:
        yield one


@action
def move(when: str | None = None, standalone: bool = False) -> dict[str, Any]:
    return {"done": True}


@pytest.mark.parametrize(
    ("steady", "when", "done"),
    [
        (True, "steady-state-missed", False),
        (True, "steady-state-not-seen", False),
        (False, "steady-state-missed", True),
        (False, "steady-state-not-seen", True),
        (None, "steady-state-missed", False),  # not checked, or blind
        (None, "steady-state-not-seen", True),
        (True, None, True),
    ],
)
def test_a_rollback_may_depend_on_the_steady_state(
    open_drill: OpenDrill, steady: bool | None, when: str | None, done: bool
) -> None:
    if steady is not None:
        open_drill.history.append("steady-state-after-method", met=steady)
    assert move(when=when)["done"] is done


def test_a_condition_that_nobody_knows_is_refused(open_drill: OpenDrill) -> None:
    with pytest.raises(ActivityFailed) as failed:
        move(when="never")
    assert failed.value.__cause__.codes == ("argument-invalid",)


@pytest.mark.parametrize("standalone", ["false", "true", 0, None])
def test_what_is_neither_true_nor_false_is_no_leave_to_act_alone(standalone: Any) -> None:
    with pytest.raises(ActivityFailed) as failed:
        move(standalone=standalone)
    assert failed.value.__cause__.codes == ("argument-invalid",)


def test_outside_a_drill_there_is_no_steady_state() -> None:
    with pytest.raises(ActivityFailed) as failed:
        move(when="steady-state-missed", standalone=True)
    assert failed.value.__cause__.codes == ("no-drill-open",)


@pytest.mark.parametrize(
    ("state", "met"),
    [
        (None, None),
        ({"steady_state_met": True, "probes": [{"status": "succeeded"}]}, True),
        ({"steady_state_met": False, "probes": [{"status": "succeeded"}]}, False),
        ({"steady_state_met": False, "probes": [{"status": "succeeded"}, {"status": "failed"}]}, None),
        ({"steady_state_met": None, "probes": [{"status": "succeeded"}]}, None),
    ],
)
def test_a_blind_probe_has_not_seen_the_steady_state_missed(state: Any, met: bool | None) -> None:
    assert steady_state_met(state) is met
