"""A step with ``confirm:`` waits for a person: on the terminal and elsewhere at once, and is refused without one."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.activity import ensure_activity_is_valid
from chaoslib.exceptions import InterruptExecution
from chaoslib.types import Dry

from chaosdrill.analysis import judge
from chaosdrill.analysis.summary_fields import approvals_of
from chaosdrill.controls import approvals, context
from chaosdrill.controls.approvals import Terminal, answered
from chaosdrill.controls.arguments import problems_of_experiment
from chaosdrill.controls.confirm import Confirm, problems_of_confirm
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.startup import _open_run_directory
from chaosdrill.coordination.files import FileStore
from chaosdrill.coordination.interface import Approval
from chaosdrill.coordination.operations import ItemCoordination
from chaosdrill.errors import CannotSee, codes_of
from chaosdrill.paths import RUNS_VARIABLE
from tests.small_drills import do, experiment
from tests.unit.test_drill_session import ON_LAB, SOURCE
from tests.waiting import LONG_S, wait_for

RUN, STEP = "run-1", "fail-over"
PATIENT = Confirm("Is the page on?", LONG_S)
INSTANT = Confirm(within_s=0.05)


class Unreachable(ItemCoordination):
    def ask_approval(self, *_: Any) -> Approval:
        raise CannotSee("the table is away", code="coordination-unreachable")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "READ_EVERY_S", 0.01)
    monkeypatch.setattr(approvals, "LOOK_EVERY_S", 0.01)


@pytest.fixture
def coordination(tmp_path: Path) -> ItemCoordination:
    return ItemCoordination(FileStore(tmp_path / "coordination"))


@pytest.fixture
def pty() -> Iterator[tuple[int, Terminal]]:
    """The keyboard's end of a terminal, and the terminal."""
    keyboard, terminal = os.openpty()
    yield keyboard, Terminal(terminal)
    for descriptor in (keyboard, terminal):
        os.close(descriptor)


def asked_of(coordination: ItemCoordination) -> Approval:
    """:returns: the request, once it is there."""
    return wait_for(lambda: next(iter(coordination.read_run(RUN).approvals), None))  # type: ignore[return-value]


def beside(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_who_approves_elsewhere_lets_the_step_begin(coordination: ItemCoordination) -> None:
    def approve() -> None:
        asked = asked_of(coordination)
        assert (asked.step, asked.question, asked.is_pending) == (STEP, PATIENT.question, True)
        coordination.answer_approval(RUN, 1, "approved", "alice@laptop")

    thread = beside(approve)
    answer = answered(coordination, RUN, 1, STEP, PATIENT, None)
    thread.join()
    assert (answer.is_approved, answer.where, answer.by, answer.why) == (True, "elsewhere", "alice@laptop", "")
    assert answer.at


def test_without_an_answer_in_time_the_step_is_refused_for_others_too(coordination: ItemCoordination) -> None:
    answer = answered(coordination, RUN, 1, STEP, INSTANT, None)
    assert (answer.is_approved, answer.by) == (False, "")
    stands = coordination.answer_approval(RUN, 1, "approved", "late@laptop")
    assert (stands.state, stands.by == "late@laptop") == ("refused", False)


def test_an_approval_that_came_first_wins_over_the_timeout(
    coordination: ItemCoordination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drill has not read it yet when its time is up."""
    monkeypatch.setattr(approvals, "READ_EVERY_S", LONG_S)
    asks = coordination.ask_approval

    def ask_and_approve(*what: Any) -> Approval:
        asked = asks(*what)
        coordination.answer_approval(RUN, 1, "approved", "alice@laptop")
        return asked

    monkeypatch.setattr(coordination, "ask_approval", ask_and_approve)
    answer = answered(coordination, RUN, 1, STEP, INSTANT, None)
    assert (answer.is_approved, answer.by) == (True, "alice@laptop")


@pytest.mark.parametrize(("typed", "approved"), [("yes", True), ("Y", True), ("no", False), ("what?\nyes", True)])
def test_what_is_typed_at_the_terminal_counts(
    coordination: ItemCoordination, pty: tuple[int, Terminal], typed: str, approved: bool
) -> None:
    os.write(pty[0], f"{typed}\n".encode())
    answer = answered(coordination, RUN, 1, STEP, PATIENT, pty[1])
    assert (answer.is_approved, answer.where, bool(answer.by)) == (approved, "terminal", True)
    assert asked_of(coordination).state == ("approved" if approved else "refused"), "others see it"


def test_what_was_typed_before_the_question_does_not_count() -> None:
    keyboard, descriptor = os.openpty()
    os.write(keyboard, b"yes\n")
    terminal = Terminal(descriptor)
    assert terminal.answer(0.05) is None
    os.write(keyboard, b"yes\n")
    assert terminal.answer(LONG_S) is True
    os.close(keyboard)
    assert [terminal.answer(0.01) for _ in range(2)] == [None, None], "a terminal that was closed says nothing"
    os.close(descriptor)


def test_where_coordination_is_away_the_terminal_alone_counts(tmp_path: Path, pty: tuple[int, Terminal]) -> None:
    away = Unreachable(FileStore(tmp_path))
    os.write(pty[0], b"yes\n")
    assert answered(away, RUN, 1, STEP, PATIENT, pty[1]).is_approved
    assert not answered(away, RUN, 1, STEP, PATIENT, None).is_approved, "at once: nobody can answer"


def test_a_signal_during_the_wait_ends_it_and_takes_the_request_back(
    coordination: ItemCoordination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def signalled(*_: Any) -> None:
        raise InterruptExecution("SIGTERM")

    monkeypatch.setattr(approvals, "_wait", signalled)
    with pytest.raises(InterruptExecution, match="SIGTERM"):
        answered(coordination, RUN, 1, STEP, PATIENT, None)
    wait_for(lambda: asked_of(coordination).state == "refused")


@pytest.mark.parametrize("terminal", ["none", "there"])
def test_a_signal_whose_exception_was_lost_in_a_request_ends_the_wait_too(
    coordination: ItemCoordination, pty: tuple[int, Terminal], terminal: str
) -> None:
    """The request was sent by this thread when it came: botocore has taken it for a failed try."""
    with pytest.raises(InterruptExecution):
        answered(coordination, RUN, 1, STEP, PATIENT, pty[1] if terminal == "there" else None, lambda: True)
    wait_for(lambda: asked_of(coordination).state == "refused")


@pytest.mark.parametrize(
    ("phase", "more"),
    [
        ("rollbacks", {"confirm": {}}),
        ("steady-state", {"confirm": {}}),
        ("safeguards", {"confirm": {}}),
        ("method", {"confirm": {}, "background": True}),
        ("method", {"confirm": True}),
        ("method", {"confirm": "Really?"}),
        ("method", {"confirm": {"whithin_s": 3}}),
        ("method", {"confirm": {"within_s": 0}}),
        ("method", {"confirm": {"within_s": "soon"}}),
        ("method", {"confirm": {"within_s": True}}),
        ("setup", {"confirm": {"question": ["a"]}}),
    ],
)
def test_a_confirm_that_cannot_be_used_is_a_problem(phase: str, more: dict[str, Any]) -> None:
    assert list(problems_of_confirm({**do("work"), **more}, phase, lambda value: value))


@pytest.mark.parametrize("confirm", [{}, {"within_s": 30}, {"question": "?", "within_s": "60"}, {"within_s": "${for}"}])
def test_a_confirm_that_can_be_used_is_none(confirm: dict[str, Any]) -> None:
    step = {**do("work"), "confirm": confirm}
    assert not list(problems_of_confirm(step, "method", lambda value: value))
    ensure_activity_is_valid(step)  # Chaos Toolkit lets it pass


def test_it_is_found_with_every_other_problem_before_a_drill() -> None:
    what = experiment([{**do("work"), "confirm": True}, {"ref": "work", "confirm": {}}])
    assert codes_of(problems_of_experiment(what, [])) == ["confirm-invalid", "confirm-invalid"]


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coordination: ItemCoordination) -> Iterator[Session]:
    """A drill whose only step waits for approval."""
    monkeypatch.setenv("STEPS_FILE", str(tmp_path / "steps"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    monkeypatch.setattr(context, "system_of", lambda *_: None)
    monkeypatch.setattr(approvals, "coordination_of", lambda _: coordination)
    step = {**do("work"), "confirm": {"question": "Now?", "within_s": LONG_S}}
    made = Session(experiment([step]), {}, None)
    _open_run_directory(made, ON_LAB, SOURCE)
    made.opened = True
    made.enter("method")
    yield made
    made.give_up()


def waiting(session: Session, coordination: ItemCoordination) -> Approval:
    assert session.directory is not None
    run = session.directory.name
    return wait_for(lambda: next(iter(coordination.read_run(run).approvals), None))  # type: ignore[return-value]


def test_the_history_says_who_approved_a_step_before_it_begins(
    session: Session, coordination: ItemCoordination
) -> None:
    def approve() -> None:
        asked = waiting(session, coordination)
        assert not [row for row in session.record.events if row["event"] == "activity-started"]
        coordination.answer_approval(asked.run, asked.number, "approved", "alice@laptop")

    thread = beside(approve)
    session.begin_activity(session.experiment["method"][0])
    thread.join()
    names = [row["event"] for row in session.record.events]
    assert names[-3:] == ["approval-requested", "approval-granted", "activity-started"]
    (approval,) = approvals_of(session.record.events)
    assert (approval["activity"], approval["approved"], approval["by"]) == ("work", True, "alice@laptop")


def test_a_step_that_is_refused_is_not_begun_and_interrupts_the_drill(
    session: Session, coordination: ItemCoordination
) -> None:
    def refuse() -> None:
        asked = waiting(session, coordination)
        coordination.answer_approval(asked.run, asked.number, "refused", "bob@laptop")

    thread = beside(refuse)
    step = session.experiment["method"][0]
    with pytest.raises(InterruptExecution):
        session.begin_activity(step)
    thread.join()
    session.end_activity(step, None)  # Chaos Toolkit calls it all the same
    events = session.record.events
    assert not [row for row in events if row["event"] == "activity-started"]
    verdict = judge(events, None)
    assert verdict.word == "interrupted"
    assert "bob@laptop" in verdict.reasons[0]
    assert [one["approved"] for one in approvals_of(events)] == [False]


@pytest.mark.parametrize("dry", [Dry.ACTIONS, Dry.ACTIVITIES])
def test_a_dry_run_waits_for_nobody(session: Session, coordination: ItemCoordination, dry: Dry) -> None:
    session.experiment = {**session.experiment, "dry": dry}
    session.begin_activity(session.experiment["method"][0])
    assert not approvals_of(session.record.events)
    assert "activity-started" in [row["event"] for row in session.record.events]
