"""Before the method: whether writes are settled as fast as they are sent; and more of them around a transition."""

from types import SimpleNamespace
from typing import Any

import pytest

from chaosdrill.client import settlement
from chaosdrill.client.heartbeat import rates_of
from chaosdrill.controls.settings import read_settings
from chaosdrill.controls.settlement import begin_settlement_check, raise_writes, require_settled
from chaosdrill.errors import CannotSee
from tests.failing import fails_with

DONE = {"state": "done", "rate_per_s": 2.0, "burst_per_s": 20.0, "lag_s": 0.8, "capacity_per_s": 9.5, "grows": False}
FAIL_OVER = {"name": "fail over", "provider": {"module": "chaosdrill.failover.actions", "func": "fail_over"}}


class Page:
    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.bursts = 0

    def settlement(self) -> Any:
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    def begin_burst(self) -> Any:
        self.bursts += 1
        return {"write_rate_per_s": 9.5}


def session(*answers: Any, writes: bool = True, settled: Any = "described", burst_per_s: float | None = 20.0) -> Any:
    told: list[tuple[str, dict[str, Any]]] = []
    heartbeat = SimpleNamespace(
        page=Page(*answers),
        writes=writes,
        settings={"settled": settled, "burst_per_s": burst_per_s},
        poll_every_s=0.01,
    )
    record = SimpleNamespace(note=lambda event, **facts: told.append((event, facts)))
    return SimpleNamespace(heartbeat=SimpleNamespace(find=lambda: heartbeat), record=record, told=told, beats=heartbeat)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "DONE_WITHIN_S", 0.05)


def test_what_was_measured_is_recorded_and_the_method_begins() -> None:
    one = session({"state": "running"}, CannotSee("no answer", code="heartbeat-unreachable"), DONE)
    settlement.DONE_WITHIN_S = 30.0
    begin_settlement_check(one)
    require_settled(one)
    assert one.told == [("settlement-measured", {name: value for name, value in DONE.items() if name != "state"})]


def test_the_method_does_not_begin_when_the_lag_grows() -> None:
    one = session(DONE | {"grows": True})
    with fails_with("settlement-lag-grows"):
        require_settled(one)
    assert [event for event, _ in one.told] == ["settlement-measured"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"state": "running"}, "settlement-unknown"),
        (CannotSee("no answer", code="heartbeat-unreachable"), "heartbeat-unreachable"),
    ],
)
def test_what_is_not_known_in_time_does_not_let_it_begin(answer: Any, code: str) -> None:
    one = session(answer)
    begin_settlement_check(one)
    with fails_with(code):
        require_settled(one)


@pytest.mark.parametrize("other", [{"writes": False}, {"settled": None}])
def test_a_heartbeat_that_follows_no_write_is_not_asked(other: dict[str, Any]) -> None:
    one = session(CannotSee("not to be asked"), **other)
    require_settled(one)
    raise_writes(one, FAIL_OVER)
    require_settled(SimpleNamespace(heartbeat=None))  # type: ignore[arg-type]
    assert (one.told, one.beats.page.bursts) == ([], 0)


def test_writes_are_raised_around_steps_that_move_the_application_only() -> None:
    one = session(DONE)
    raise_writes(one, {"name": "look", "provider": {"module": "chaosdrill.region.probes", "func": "region_state"}})
    raise_writes(one, {"name": "other", "provider": {"module": "mine.actions", "func": "fail_over"}})
    assert one.told == []
    raise_writes(one, FAIL_OVER)
    assert one.told == [("heartbeat-burst", {"write_rate_per_s": 9.5})]
    constant = session(DONE, burst_per_s=None)
    raise_writes(constant, FAIL_OVER)
    assert constant.beats.page.bursts == 0


def test_a_rate_that_is_given_is_that_of_both_all_the_time() -> None:
    assert rates_of(5) == {"rate_per_s": 5.0, "write_rate_per_s": 5.0, "burst_per_s": None}
    assert rates_of(None) == {"rate_per_s": 20.0, "write_rate_per_s": 2.0, "burst_per_s": 20.0}


@pytest.mark.parametrize(("given", "read"), [("", None), (None, None), ("5", 5.0)])
def test_an_experiment_may_leave_the_rate_to_the_topology(given: Any, read: Any) -> None:
    configuration = {"heartbeat_rate": given}
    assert read_settings(configuration)[1] == []
    assert configuration["heartbeat_rate"] == read
