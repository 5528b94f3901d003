"""Other controls beside the drill control, above all the safeguards of chaostoolkit-addons."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import small_drills
from tests.running_lab import RunningLab
from tests.small_drills import Drill, Ran, do, experiment, step, undo

pytest.importorskip("chaosaddons", reason="chaostoolkit-addons is not installed: pip install -e '.[test]'")
pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

ORDERS = ("before", "after")
HOOKS = ("before_experiment", "before_method", "before_activity", "after_activity", "after_method")
PRE_CHECKS = [step("probe", "pre-check", "answer", 2, value=1), step("probe", "pre-check", "blind", 1)]


@pytest.fixture
def start(lab: RunningLab, tmp_path: Path) -> Any:
    def start(what: Mapping[str, Any], *options: str) -> Drill:
        return Drill(tmp_path, what, *options, CHAOSDRILL_HOME=str(lab.home))

    return start


def beside(order: str, module: str, what: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """The experiment with one more control, before or after the drill control."""
    provider = {"type": "python", "module": module, "arguments": arguments}
    other = {"name": "other", "provider": provider}
    (ours,) = what["controls"]
    return {**what, "controls": [other, ours] if order == "before" else [ours, other]}


def guarded(order: str, what: dict[str, Any], *probes: Any) -> dict[str, Any]:
    return beside(order, "chaosaddons.controls.safeguards", what, probes=list(probes))


def interruptions(ran: Ran) -> list[tuple[str, str]]:
    return [(row["signal"], row["by"]) for row in ran.events if row["event"] == "interrupted"]


def own_steps(ran: Ran) -> list[str]:
    return [row["activity"] for row in ran.events if row["event"] == "activity-ended"]


def foreign(ran: Ran) -> set[tuple[str, str]]:
    ended = [row for row in ran.events if row["event"] == "foreign-activity-ended"]
    return {(row["activity"], row["status"]) for row in ended}


WORK_AND_BACK: Any = {"method": [do("work")], "rollbacks": [undo("unwork", "work")]}


@pytest.mark.parametrize("order", ORDERS)
def test_safeguards_that_hold_are_foreign_and_the_drill_passes(start: Any, order: str) -> None:
    check = step("probe", "pre-check", "answer", 1, value=1)
    often = {**step("probe", "often", "answer", 2, value=2), "frequency": 0.1}
    once = {**step("probe", "once", "answer", 3, value=3), "background": True}
    ran = start(guarded(order, experiment(**WORK_AND_BACK), check, often, once)).end()
    assert (ran.exit_code, ran.verdict) == (0, "passed"), ran.stderr
    assert own_steps(ran) == ["work", "unwork"]
    assert foreign(ran) == {("pre-check", "succeeded"), ("often", "succeeded"), ("once", "succeeded")}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "probe", [step("probe", "pre-check", "answer", 2, value=1), step("probe", "pre-check", "blind", 1)]
)
def test_a_pre_check_that_fails_ends_the_drill_and_is_named(start: Any, order: str, probe: Any) -> None:
    ran = start(guarded(order, experiment([do("work"), step("action", "long", "wait", seconds=600)]), probe)).end()
    assert (ran.exit_code, ran.verdict) == (6, "interrupted"), ran.stderr
    assert "pre-check" in ran.said("why")
    assert "waited" not in ran.steps


@pytest.mark.parametrize("order", ORDERS)
def test_a_safeguard_that_trips_in_the_method_leads_to_the_rollbacks(start: Any, tmp_path: Path, order: str) -> None:
    word = tmp_path / "word"
    word.write_text("good")
    guard = {**step("probe", "watch", "word_in_file", "good", path=str(word)), "frequency": 0.1}
    method = [do("work"), step("action", "long", "wait", seconds=600)]
    drill = start(guarded(order, experiment(method, [undo("unwork", "work")]), guard))
    drill.wait_for_step("wait 600")
    word.write_text("bad")
    ran = drill.end()
    assert (ran.exit_code, ran.verdict) == (6, "interrupted"), ran.stderr
    assert interruptions(ran) == [("SIGUSR1", "watch")]
    assert ran.steps == ["do work", "wait 600", "undo unwork"]
    assert "watch" not in own_steps(ran)


@pytest.mark.long
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "hook", ["before_method", "before_experiment", "before_activity", "after_activity", "after_method"]
)
def test_another_control_that_interrupts_is_named(start: Any, order: str, hook: str) -> None:
    what = experiment([do("work"), do("rest")], [undo("unwork", "work")])
    ran = start(beside(order, "tests.other_control", what, hook=hook, how="InterruptExecution")).end()
    assert (ran.exit_code, ran.verdict) == (6, "interrupted"), ran.stderr
    assert "do rest" not in ran.steps or hook == "after_method"
    assert ("do work" in ran.steps) == ("undo unwork" in ran.steps)


@pytest.mark.long
def test_to_leave_without_rollbacks_is_obeyed_and_what_is_left_is_named(start: Any) -> None:
    what = experiment([do("work"), step("action", "long", "wait", seconds=600)], [undo("unwork", "work")])
    drill = start(what)
    drill.wait_for_step("wait 600")
    drill.signal("SIGUSR2")  # what chaoslib.exit.exit_ungracefully() sends
    ran = drill.end()
    assert (ran.exit_code, ran.verdict, ran.steps) == (6, "interrupted", ["do work", "wait 600"])
    assert [row["signal"] for row in ran.events if row["event"] == "interrupted"] == ["SIGUSR2"]
    findings = small_drills.findings(ran)
    assert [one["name"] for one in findings] == ["interrupted", "rollback-not-run"]


@pytest.mark.long
def test_the_process_ends_although_a_safeguard_still_runs(start: Any) -> None:
    slow = {**step("probe", "slow", "answer_after", 1, seconds=3, value=1), "frequency": 0.1}
    ran = start(guarded("after", experiment(**WORK_AND_BACK), slow)).end()
    assert (ran.exit_code, ran.verdict) == (0, "passed"), ran.stderr
    assert os.path.exists(ran.run_directory / "summary.json")
