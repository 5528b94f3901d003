"""The drill control's hooks when something is wrong with themselves, or with how they are called."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution, InvalidControl

from chaosdrill.controls import drill
from chaosdrill.controls.control_validation import own_arguments, problems_of_hooks
from chaosdrill.controls.lifecycle import Session
from chaosdrill.errors import BadInput, codes_of
from tests.small_drills import do, experiment, step

STEP = do("work")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session whose history cannot be written any more, as on a full disk."""
    made = Session(experiment([STEP]), {}, None)
    made.record.open(tmp_path / "history.jsonl", ()).close()
    made.opened = True
    drill._session = made
    yield made
    drill._session = None


@pytest.mark.parametrize("hook", [drill.before_activity_control, drill.after_activity_control])
def test_a_hook_fails_closed_even_if_that_cannot_be_written(session: Session, hook: Any) -> None:
    session.status.phase = "method"
    if hook is drill.after_activity_control:
        session._own_steps.begin(STEP, False)
    with pytest.raises(InterruptExecution):
        hook(context=STEP)
    assert session.signals.leaving


def test_rollbacks_go_on_when_a_hook_fails(session: Session) -> None:
    session.status.phase = "rollbacks"
    with pytest.raises(ValueError, match="closed"):  # which Chaos Toolkit hides
        drill.before_activity_control(context=STEP)


@pytest.fixture
def stops() -> Iterator[list[int]]:
    """Signals by which Chaos Toolkit is told to stop."""
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    yield heard
    signal.signal(signal.SIGUSR1, before)


def test_a_safeguard_stops_the_drill_even_if_that_cannot_be_written(session: Session, stops: list[int]) -> None:
    with pytest.raises(ValueError, match="closed"):
        session.safeguard_tripped("guard", "is 2, expected 1", unreadable=False)
    assert stops == [signal.SIGUSR1]


def in_thread(work: Any) -> BaseException | None:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).exception()


def test_beside_the_main_line_a_hook_that_fails_signals(session: Session, stops: list[int]) -> None:
    session.status.phase = "method"
    error = in_thread(lambda: drill.before_activity_control(context=STEP))
    assert isinstance(error, InterruptExecution), "so that the step is not run"
    assert stops == [signal.SIGUSR1]


def test_a_continuous_hypothesis_does_not_change_the_phase() -> None:
    steady = step("probe", "steady", "answer", 1, value=2)
    session = Session(experiment([STEP], steady=[steady]), {}, None)
    session.opened = True
    session.enter("setup")

    def look() -> None:
        session.begin_hypothesis()
        session.begin_activity(steady)
        session.end_hypothesis(met=False)

    assert in_thread(look) is None
    assert session.status.phase == "setup"
    assert session.record.events[-1]["phase"] == "steady-state-during"
    assert not session.signals.leaving


@pytest.mark.parametrize(("steady", "leaving"), [((), True), ((step("probe", "s", "answer", 1, value=1),), False)])
def test_after_the_method_only_rollbacks_are_left_unless_a_steady_state_is_checked(steady: Any, leaving: bool) -> None:
    session = Session(experiment([STEP], steady=steady), {}, None)
    session.end_method()
    assert session.signals.leaving is leaving


def changed(control: Any = None, step_controls: Any = None, **more: Any) -> dict[str, Any]:
    what = experiment([{**STEP, "controls": step_controls} if step_controls else STEP], **more)
    what["controls"][0].update(control or {})
    return what


@pytest.mark.parametrize(
    ("what", "code", "named"),
    [
        (changed({"scope": "before"}), "control-incomplete", "drill: scope: "),
        (changed({"automatic": False}), "control-incomplete", "drill: automatic: "),
        ({**changed(), "controls": []}, "control-missing", "`controls:`"),
        (changed(step_controls=[{"ref": "drill-not"}]), "control-incomplete", "work: "),
        (
            changed(step_controls=[{"name": "drill", "provider": {"type": "python", "module": "m"}}]),
            "control-incomplete",
            "work: ",
        ),
    ],
)
def test_what_would_keep_the_control_from_hearing_of_a_step_is_named(what: Any, code: str, named: str) -> None:
    (problem,) = problems_of_hooks(what, [do("prepare")])
    assert (codes_of([problem]), named in problem) == ([code], True)


def test_a_step_may_have_other_controls() -> None:
    more = [{"name": "more", "provider": {"type": "python", "module": "m"}}]
    assert problems_of_hooks(changed(step_controls=more), [do("prepare")]) == []
    assert own_arguments(changed())["expect"] == "serving(ap-northeast-1)"


def test_chaos_validate_names_a_control_that_would_not_hear_everything() -> None:
    with pytest.raises(InvalidControl) as invalid:
        drill.validate_control(changed({"scope": "after"})["controls"][0])
    assert isinstance(invalid.value.__cause__, BadInput)
    assert invalid.value.__cause__.codes == ("control-incomplete",)
