"""SIGTERM with a grace: what fits into it is undone, the rest is left to a rescue."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.activity import action, take_failure
from chaosdrill.aws.polling import poll_until
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.settings import read_settings
from chaosdrill.controls.signals import TAKEN, Signals
from chaosdrill.history import History, OpenDrill, opened, stop_grace
from chaosdrill.history.owed_undos import owed_undos
from tests.small_drills import do, experiment
from tests.waiting import LONG_S

_moved: list[str] = []


@action
def fail_back(undo_of: Optional[str] = None, timeout_s: float = 3600, standalone: bool = False) -> str:
    """A move back, by its name."""
    _moved.append("back")
    return "back"


@action
def heal_packet_loss(undo_of: Optional[str] = None, timeout_s: float = 3600, standalone: bool = False) -> str:
    """The end of a fault, by its name."""
    _moved.append("healed")
    return "healed"


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[OpenDrill]:
    """A drill in its rollbacks, which has failed over."""
    _moved.clear()
    history = History(tmp_path / "history.jsonl")
    one = OpenDrill("run-1", tmp_path, history)
    with opened(one):
        step = {
            "activity": "fail-over",
            "phase": "method",
            "func": "fail_over",
            "module": "chaosdrill.failover.actions",
        }
        history.append("activity-started", **step, arguments={}, undone_by="fail_back", part="failover",
                       role="orchestrator", number=1)  # fmt: skip
        history.append("activity-ended", **step, status="succeeded", duration_s=40.0, output=None, error_kind="")
        history.append("phase", phase="rollbacks")
        yield one
    history.close()


def begun(drill: OpenDrill, rollbacks_s: float) -> None:
    drill.history.append(stop_grace.BEGAN, grace_s=rollbacks_s, rollbacks_s=rollbacks_s)


@pytest.mark.parametrize(("left_s", "undo_of", "timeout_s", "is_begun"), [
    (100.0, "fail-over", 3600, True),
    (70.0, "fail-over", 3600, False),
    (70.0, "another", 60, True),
    (100.0, "another", 3600, False),
    (100.0, None, 3600, False),
])  # fmt: skip
def test_a_move_back_is_begun_only_when_it_fits(
    drill: OpenDrill, left_s: float, undo_of: str | None, timeout_s: float, is_begun: bool
) -> None:
    begun(drill, left_s)
    why = stop_grace.too_long("fail_back", undo_of, timeout_s)
    assert (why == "") is is_begun
    assert stop_grace.too_long("heal_packet_loss", undo_of, timeout_s) == ""
    assert stop_grace.too_long("set_stop_flag", undo_of, timeout_s) == "", "it takes a second"


def test_a_move_back_that_does_not_fit_is_left_owed_and_the_fault_is_healed(drill: OpenDrill) -> None:
    begun(drill, 70.0)
    with pytest.raises(ActivityFailed):
        fail_back(undo_of="fail-over")
    assert getattr(take_failure(), "code", None) == "left-to-rescue"
    heal_packet_loss()
    assert _moved == ["healed"]
    (left,) = drill.history.events(stop_grace.LEFT_TO_RESCUE)
    assert (left["function"], left["undo_of"]) == ("fail_back", "fail-over")
    drill.history.append("activity-ended", activity="fail-back", phase="rollbacks", func="fail_back", status="failed",
                         output=None, error_kind="Refused")  # fmt: skip
    assert [one.step for one in owed_undos(drill.history.events())] == ["fail-over"]


def test_without_a_grace_and_before_the_rollbacks_everything_is_begun(drill: OpenDrill) -> None:
    assert stop_grace.left_s() is None
    fail_back(undo_of="fail-over")
    begun(drill, 1.0)
    drill.history.append("phase", phase="method")
    fail_back(undo_of="fail-over")
    assert _moved == ["back", "back"]


def test_once_something_is_left_to_a_rescue_a_probe_reads_once(drill: OpenDrill) -> None:
    drill.history.append(stop_grace.LEFT_TO_RESCUE, function="fail_back", undo_of="fail-over", why="")
    reads: list[int] = []
    assert poll_until(lambda: reads.append(1) or "standby", lambda seen: seen == "home", 10 * LONG_S) == "standby"
    assert len(reads) == 1


@pytest.mark.parametrize(("grace_s", "rollbacks_s"), [(120, 100), (30, 15), (10, 5), (3600, 3580)])
def test_closing_the_drill_has_its_share_of_the_grace(grace_s: float, rollbacks_s: float) -> None:
    assert stop_grace.rollbacks_s(grace_s) == rollbacks_s


@pytest.mark.parametrize(("written", "is_good"), [
    ("", True), ("120", True), ("12.5", True), ("9", False), ("0", False), ("-1", False), ("soon", False),
    ("nan", False), ("inf", False), ("86401", False),
])  # fmt: skip
def test_what_cannot_be_a_grace_is_found_before_the_drill(
    monkeypatch: pytest.MonkeyPatch, written: str, is_good: bool
) -> None:
    monkeypatch.setenv(stop_grace.VARIABLE, written)
    _, problems = read_settings({})
    assert [getattr(one, "code", None) for one in problems] == ([] if is_good else ["setting-invalid"])


@pytest.mark.parametrize(("name", "grace", "begun"), [
    ("SIGTERM", "120", [100.0]), ("SIGTERM", "", []), ("SIGINT", "120", []), ("SIGHUP", "120", []),
])  # fmt: skip
def test_only_sigterm_begins_the_grace(
    monkeypatch: pytest.MonkeyPatch, name: str, grace: str, begun: list[float]
) -> None:
    monkeypatch.setenv(stop_grace.VARIABLE, grace)
    session = Session(experiment([do("work")]), {}, None)
    session._note_signal(name)
    session.record_signals()
    assert [row["signal"] for row in session.record.events if row["event"] == "interrupted"] == [name]
    assert [row["rollbacks_s"] for row in session.record.events if row["event"] == stop_grace.BEGAN] == begun


@pytest.fixture
def delivered() -> Iterator[tuple[Signals, list[str]]]:
    """Signals, and what comes through to the handlers that were there before."""
    through: list[str] = []
    before = {
        number: signal.signal(number, lambda n, frame: through.append(signal.Signals(n).name)) for number in TAKEN
    }
    one = Signals(lambda name: None)
    one.install()
    yield one, through
    one.restore()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("can_give_up", [True, False])
def test_when_the_grace_is_over_the_rest_of_the_rollbacks_is_left_out(
    delivered: tuple[Signals, list[str]], can_give_up: bool
) -> None:
    signals, through = delivered
    signals.leaving, signals.can_give_up = True, can_give_up
    signals.give_up()
    signals.give_up()
    assert (through, signals.gave_up) == (["SIGUSR1"] * can_give_up, can_give_up)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert through == ["SIGUSR1"] * can_give_up, "another one gives nothing up"


def test_the_session_gives_up_when_the_time_is_over(drill: OpenDrill, monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: list[bool] = []
    session = Session(experiment([do("work")]), {}, None)
    monkeypatch.setattr(session.signals, "give_up", lambda: given_up.append(True))
    session.signals.can_give_up = True
    session.notice_signals()
    begun(drill, 100.0)
    session.notice_signals()
    assert given_up == []
    monkeypatch.setattr(stop_grace, "left_s", lambda: -0.1)
    session.notice_signals()
    assert given_up == [True]
    assert [row["function"] for row in session.record.events if row["event"] == stop_grace.LEFT_TO_RESCUE] == [""]
