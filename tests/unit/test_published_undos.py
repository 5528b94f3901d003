"""Owed undos are published before a change and paid afterwards; a step whose undo is not published does not begin."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution
from chaoslib.types import Dry

from chaosdrill import history
from chaosdrill.controls import drill
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.shutdown import close
from chaosdrill.controls.startup import _open_run_directory
from chaosdrill.errors import CannotSee, DrillError, Refused
from chaosdrill.history import OpenDrill
from chaosdrill.history.owed_undos import OwedUndo, owed_undos
from chaosdrill.history.publication import PAYMENT_FAILED
from chaosdrill.paths import RUNS_VARIABLE
from tests.failing import fails_with
from tests.small_drills import experiment
from tests.unit.test_drill_session import ON_LAB, SOURCE

Activity = dict[str, Any]


class Table:
    """Where undos are published. ``broken``: it cannot be reached. ``broken_payments``: payments that fail."""

    def __init__(self) -> None:
        self.owed: dict[int, OwedUndo] = {}
        self.paid: list[int] = []
        self.broken = False
        self.broken_payments: set[int] = set()

    def owe(self, undo: OwedUndo) -> None:
        self._reach()
        self.owed[undo.number] = undo

    def pay(self, undo: OwedUndo) -> None:
        self._reach()
        if undo.number in self.broken_payments:
            raise CannotSee("the payment failed")
        self.paid.append(undo.number)

    def _reach(self) -> None:
        if self.broken:
            raise CannotSee("the table cannot be reached")


def flag(name: str, **arguments: Any) -> Activity:
    provider = {"type": "python", "module": "chaosdrill.stop_flag.actions", "func": "set_stop_flag"}
    return {"name": name, "type": "action", "provider": {**provider, "arguments": arguments}}


CLOSE = flag("close", region="home", value=True)
CUT = {**flag("cut", region="standby", value=True), "background": True}
OF_RULES = {"type": "python", "module": "chaosdrill.automatic_failover.actions", "arguments": {"rule": "r"}}
ENABLE = {"name": "enable", "type": "action", "provider": {**OF_RULES, "func": "enable_automatic_failover"}}
DISABLE = {"name": "disable", "type": "action", "provider": {**OF_RULES, "func": "disable_automatic_failover"}}
OPEN = flag("open", region="home", value=False, undo_of="close")


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A drill in its method."""
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    made = Session(experiment([CLOSE, ENABLE, DISABLE], [OPEN]), {}, None)
    _open_run_directory(made, ON_LAB, SOURCE)
    made.opened = True
    made.enter("method")
    drill._session = made
    yield made
    drill._session = None
    made.give_up()


@pytest.fixture
def table(session: Session) -> Table:
    found = Table()
    the_drill().undos.publish_with(found)
    return found


def the_drill() -> OpenDrill:
    found = history.current()
    assert found is not None
    return found


def done() -> dict[str, Any]:
    return {"done": True}


def run(activity: Activity, work: Callable[[], dict[str, Any]] = done) -> None:
    """Run an activity between the hooks, as Chaos Toolkit does."""
    state: dict[str, Any] | None = None
    try:
        drill.before_activity_control(context=activity)
        state = {"status": "succeeded", "output": work(), "duration": 0.0}
    finally:
        drill.after_activity_control(context=activity, state=state)


def record_undo(value: bool) -> dict[str, Any]:
    history.record("undo", undo="set_stop_flag", arguments={"value": value})
    return done()


def not_run() -> dict[str, Any]:
    raise AssertionError("the step was begun")


def owed() -> list[str]:
    return [one.step for one in owed_undos(the_drill().history.events())]


def test_an_undo_is_published_before_the_step_and_again_with_what_was_before(table: Table) -> None:
    seen: list[OwedUndo] = []

    def work() -> dict[str, Any]:
        seen.append(table.owed[1])
        record_undo(False)
        seen.append(table.owed[1])
        return done()

    run(CLOSE, work)
    coarse, exact = seen
    assert (coarse.step, coarse.part, coarse.role, coarse.undo) == ("close", "stop_flag", "gate", "set_stop_flag")
    assert (coarse.before, exact.before) == ({}, {"arguments": {"value": False}})
    assert table.paid == []


def test_it_is_paid_when_the_step_is_undone_and_once(session: Session, table: Table) -> None:
    run(CLOSE)
    session.enter("rollbacks")
    run(OPEN)
    assert (list(table.owed), table.paid) == ([1], [1]), "a rollback owes nothing itself"
    close(session, None)
    assert table.paid == [1]


def test_it_is_paid_when_the_step_changed_nothing(table: Table) -> None:
    run(CLOSE, lambda: {"done": False})
    assert table.paid == [1]


def test_what_the_drill_still_owes_when_it_closes_stays_owed(session: Session, table: Table) -> None:
    run(CLOSE)
    close(session, None)
    assert (list(table.owed), table.paid) == ([1], [])


def test_a_step_whose_undo_cannot_be_published_is_not_begun_and_the_drill_stops(session: Session, table: Table) -> None:
    table.broken = True
    with pytest.raises(InterruptExecution):
        run(CLOSE, not_run)
    (ended,) = the_drill().history.events("activity-ended")
    assert (ended["status"], ended["error_kind"]) == ("failed", "Refused")
    assert ended["error_codes"] == ["undo-not-published"]
    assert owed() == []
    assert not the_drill().may_have_done("close")
    assert session.signals.leaving, "only rollbacks are left"


def test_an_undo_that_its_action_records_and_that_cannot_be_published_refuses_the_change(table: Table) -> None:
    def work() -> dict[str, Any]:
        table.broken = True
        with fails_with("undo-not-published") as refused:
            record_undo(False)
        assert isinstance(refused.value, Refused)
        raise refused.value

    with pytest.raises(Refused):
        run(CLOSE, work)


def test_a_second_undo_of_a_step_that_cannot_be_published_does_not_say_that_nothing_was_changed(table: Table) -> None:
    def work() -> dict[str, Any]:
        record_undo(False)
        table.broken = True
        with fails_with("undo-not-published") as failed:
            record_undo(True)
        assert type(failed.value) is DrillError
        return done()

    run(CLOSE, work)
    assert owed() == ["close"]


def test_rollbacks_go_on_when_nothing_can_be_published(session: Session, table: Table) -> None:
    run(CLOSE)
    session.enter("rollbacks")
    table.broken = True
    run(OPEN, lambda: record_undo(True))
    assert owed() == []
    assert [row["number"] for row in the_drill().history.events(PAYMENT_FAILED)] == [1]
    table.broken = False
    close(session, None)
    assert table.paid == [1], "a payment that failed is tried again"


def test_background_steps_publish_their_own_undos(table: Table, session: Session) -> None:
    session.experiment = {**session.experiment, "method": [CLOSE, CUT]}
    inside, recorded = threading.Event(), threading.Event()

    def work() -> dict[str, Any]:
        inside.set()
        assert recorded.wait(60)
        return record_undo(True)

    beside = threading.Thread(target=run, args=(CUT, work))
    beside.start()
    assert inside.wait(60)
    run(CLOSE, lambda: record_undo(False))
    recorded.set()
    beside.join()
    by_step = {one.step: one.before["arguments"]["value"] for one in table.owed.values()}
    assert by_step == {"close": False, "cut": True}


def switched(undo: str) -> dict[str, Any]:
    history.record("undo", undo=undo, arguments={"rule": "r", "region": "ap-northeast-3"})
    return done()


def test_two_changes_that_cancel_each_other_are_paid_newest_first(table: Table) -> None:
    """A drill that dies in between still owes the older one, which leads back to the state before the drill."""
    run(ENABLE, lambda: switched("disable_automatic_failover"))
    run(DISABLE, lambda: switched("enable_automatic_failover"))
    assert table.paid == [2, 1]


def test_where_a_payment_fails_no_older_one_is_paid(table: Table) -> None:
    table.broken_payments = {2}
    run(ENABLE, lambda: switched("disable_automatic_failover"))
    run(DISABLE, lambda: switched("enable_automatic_failover"))
    assert table.paid == []
    table.broken_payments = set()
    the_drill().undos.pay()
    assert table.paid == [2, 1]


def test_what_is_owed_already_is_published_when_a_publisher_comes(session: Session) -> None:
    run(CLOSE)
    found = Table()
    the_drill().undos.publish_with(found)
    assert list(found.owed) == [1]


@pytest.mark.parametrize(("dry", "numbers"), [(Dry.ACTIONS, []), (Dry.ACTIVITIES, []), (Dry.PROBES, [1])])
def test_a_dry_run_owes_what_it_runs(session: Session, table: Table, dry: Dry, numbers: list[int]) -> None:
    session.experiment = {**session.experiment, "dry": dry}
    run(CLOSE)
    assert list(table.owed) == numbers
    assert len(owed()) == len(numbers)


def test_no_secret_is_published(tmp_path: Path) -> None:
    """What leaves this machine is what the history has: without the secrets that it hides."""
    table, log = Table(), history.History(tmp_path / "history.jsonl", hide=["s3cret-token"])
    one = OpenDrill("run", tmp_path, log)
    one.undos.publish_with(table)
    arguments = {"host": "http://bank/?t=s3cret-token", "headers": {"Authorization": "Bearer s3cret-token"}}
    owed = {"undone_by": "stop_load", "part": "load", "role": "client", "number": 1}
    log.append("activity-started", activity="load", phase="setup", func="start_load", arguments=arguments, **owed)
    one.undos.begin(1)
    log.append("undo", undo="stop_load", number=1, arguments={"host": "http://bank/?t=s3cret-token"})
    one.undos.record()
    log.close()
    assert "***" in str(table.owed[1])
    assert "s3cret-token" not in str(table.owed[1])
