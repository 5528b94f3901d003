"""What a second Ctrl-C says: which rollbacks are left, what is in force, and how it is undone afterwards."""

from typing import Any

import pytest

from chaosdrill.controls.remaining_undos import remaining_in_words, rollbacks_left

EXPERIMENT = {"rollbacks": [{"name": "heal"}, {"name": "back"}, {"name": "back"}, {"ref": "stop"}]}
Row = dict[str, Any]


def started(name: str, func: str, undone_by: str | None, number: int) -> Row:
    known = {"undone_by": undone_by, "part": func, "role": "fault", "number": number}
    step = {"activity": name, "phase": "method", "func": func, "arguments": {}}
    return {"event": "activity-started", "at": "2026-05-01T09:30:00Z", **step, **known}


def ended(name: str, func: str = "", phase: str = "rollbacks") -> Row:
    return {"event": "activity-ended", "activity": name, "phase": phase, "func": func, "status": "succeeded",
            "output": None, "error_kind": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ([], ["heal", "back", "back", "stop"]),
        ([ended("back", phase="method")], ["heal", "back", "back", "stop"]),
        ([ended("heal"), ended("back")], ["back", "stop"]),
        ([ended("heal"), ended("back"), ended("back"), ended("stop")], []),
    ],
)
def test_each_rollback_that_has_not_ended_is_left(events: list[Row], left: list[str]) -> None:
    assert rollbacks_left(EXPERIMENT, events) == left


def test_all_that_stays_is_named_with_its_undo_and_the_run() -> None:
    events = [
        started("lose", "inject_packet_loss", "heal_packet_loss", 1),
        started("load", "start_load", "stop_load", 2),
    ]
    both = remaining_in_words(EXPERIMENT, events, "run-1")
    assert all(word in both for word in ("heal,", "back", "lose", "load", "stop_load", "chaosdrill rescue run-1"))
    healed = [*events, {**ended("heal", "heal_packet_loss")}]
    assert "heal_packet_loss" not in remaining_in_words(EXPERIMENT, healed, "run-1")


def test_nothing_is_said_of_what_is_over() -> None:
    assert remaining_in_words({}, [], "run-1") == ""
