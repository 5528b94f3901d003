"""A rollback that fails for what may pass is tried again, within its time and not for ever."""

from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from chaosdrill import activity
from chaosdrill.activity import action
from chaosdrill.errors import CannotSee, DrillError, LeaseEnded, Refused
from chaosdrill.history import OpenDrill
from tests.contract.activities_rig import drill
from tests.failing import fails_with

FAILURES: list[DrillError] = []
CALLS: list[str] = []


@action
def undo(undo_of: Optional[str] = None, timeout_s: float = 900, standalone: bool = False) -> str:
    CALLS.append("call")
    if FAILURES:
        raise FAILURES.pop(0)
    return "undone"


@pytest.fixture(autouse=True)
def rollbacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenDrill]:
    monkeypatch.setattr(activity, "pause", lambda seconds: CALLS.append(f"pause {seconds:g}"))
    FAILURES.clear()
    CALLS.clear()
    with drill(tmp_path) as one:
        one.history.append("phase", phase="rollbacks")
        yield one


def blind(times: int) -> list[DrillError]:
    return [CannotSee("no response", code="aws-request-failed") for _ in range(times)]


def test_what_may_pass_is_tried_again(rollbacks: OpenDrill) -> None:
    FAILURES.extend(blind(2))
    assert undo() == "undone"
    assert CALLS == ["call", "pause 5", "call", "pause 5", "call"]
    assert len(rollbacks.history.events("rollback-tried-again")) == 2


def test_it_is_not_tried_for_ever() -> None:
    FAILURES.extend(blind(9))
    with fails_with("aws-request-failed"):
        undo()
    assert CALLS.count("call") == 3


@pytest.mark.parametrize("error", [Refused("no"), LeaseEnded("taken"), DrillError("it went wrong")])
def test_what_does_not_pass_is_not_tried_again(error: DrillError) -> None:
    FAILURES.append(error)
    with fails_with(error.code):
        undo()
    assert CALLS == ["call"]


def test_beyond_its_time_it_is_not_tried_again() -> None:
    FAILURES.extend(blind(1))
    with fails_with("aws-request-failed"):
        undo(timeout_s=4)
    assert CALLS == ["call"]


def test_before_the_rollbacks_a_step_is_tried_once(rollbacks: OpenDrill) -> None:
    rollbacks.history.append("phase", phase="method")
    FAILURES.extend(blind(1))
    with fails_with("aws-request-failed"):
        undo()
    assert CALLS == ["call"]


def test_a_lost_target_is_not_waited_for(rollbacks: OpenDrill) -> None:
    rollbacks.history.append("target-lost", why="gone")
    FAILURES.extend(blind(1))
    with fails_with("aws-request-failed"):
        undo()
    assert CALLS == ["call"]
