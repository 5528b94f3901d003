"""What the built-in stop conditions read: clients without service, lost writes, and how a guard bears them."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaosdrill.controls import stop_conditions
from chaosdrill.controls.stop_conditions import ClientOutages, guard_of, of_lost_writes, of_unavailability
from chaosdrill.errors import CannotSee
from chaosdrill.parts.interface import StopCondition

GIVEN_UP_S = 5.0
HEARTBEAT: Any = SimpleNamespace(where="ssm", settings={"timeout_s": GIVEN_UP_S, "deadline_s": 1.0})
LOCAL: Any = SimpleNamespace(where="local", settings=HEARTBEAT.settings)
BEGAN_S = 1_700_000_000.0


class Client:
    """A heartbeat's records as they are collected: two beats a second.

    :param ahead_s: how far its clock is ahead of this machine's.
    """

    def __init__(self, directory: Path, ahead_s: float = 0.0) -> None:
        self.records, self._ahead_s = directory, ahead_s
        self.events: list[dict[str, Any]] = []
        self._path, self._number = directory / "beats.jsonl", 0

    def beats(self, from_s: float, to_s: float, served: bool) -> None:
        """Record the beats that were due in a time, in seconds since the begin of the drill."""
        with open(self._path, "a") as file:
            for half in range(int(from_s * 2), int(to_s * 2)):
                due_ns = round((BEGAN_S + self._ahead_s + half / 2) * 1e9)
                duration_us = 10_000 if served else round(GIVEN_UP_S * 1e6)
                outcome = 0 if served else 2
                file.write(json.dumps(["b", half, "read", due_ns, due_ns, duration_us, outcome, 200, "", "r"]) + "\n")

    def collected(self, at_s: float) -> None:
        """What was recorded until now has been collected, and the clock was measured."""
        at = datetime.fromtimestamp(BEGAN_S + at_s, UTC).isoformat()
        offset_ns = round(self._ahead_s * 1e9)
        self.events.append({"event": "clock-measured", "source": "heartbeat", "offset_ns": offset_ns, "at": at})

    def outages(self, heartbeat: Any = HEARTBEAT) -> ClientOutages:
        return ClientOutages(self.records, lambda: heartbeat, lambda: self.events)


@pytest.mark.parametrize("ahead_s", [0.0, -3600.0, 7.5])
def test_all_outages_of_a_drill_count_together(tmp_path: Path, ahead_s: float) -> None:
    client = Client(tmp_path, ahead_s)
    client.beats(0, 10, served=True)
    client.beats(10, 14, served=False)
    client.beats(14, 20, served=True)
    client.beats(20, 26, served=False)
    client.beats(26, 30, served=True)
    client.collected(30)
    assert client.outages().total_s() == pytest.approx(10.0, abs=0.01)


def test_an_outage_under_way_lasts_until_the_records_are_complete(tmp_path: Path) -> None:
    """Beats that hang are recorded only when they are given up; one that was answered would be there."""
    client = Client(tmp_path)
    client.beats(0, 10, served=True)
    client.beats(10, 15, served=False)
    client.collected(20)
    outages = client.outages()
    assert outages.total_s() == pytest.approx(9.0, abs=0.01), "until the deadline of what was collected last"
    client.beats(15, 17, served=False)
    client.beats(17, 18, served=True)
    client.collected(22)
    assert outages.total_s() == pytest.approx(7.0, abs=0.01), "it had ended meanwhile"


def test_an_outage_on_this_machine_lasts_until_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: BEGAN_S + 40)
    client = Client(tmp_path)
    client.beats(0, 10, served=True)
    client.beats(10, 15, served=False)
    assert client.outages(LOCAL).total_s() == pytest.approx(29.0, abs=0.01)


def test_nothing_counts_before_the_heartbeat_and_after_it_the_sum_stays(tmp_path: Path) -> None:
    client = Client(tmp_path)
    outages = client.outages(None)
    assert outages.total_s() == 0.0
    client.beats(0, 4, served=False)
    client.beats(4, 6, served=True)
    assert outages.total_s() == pytest.approx(4.0, abs=0.01)


def test_a_heartbeat_whose_beats_do_not_come_in_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(tmp_path)
    client.beats(0, 10, served=True)
    client.collected(10)
    outages = client.outages()
    assert outages.total_s() == 0.0
    later_s = time.monotonic() + GIVEN_UP_S + stop_conditions.STALE_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later_s)
    with pytest.raises(CannotSee) as caught:
        outages.total_s()
    assert caught.value.code == "heartbeat-records-stale"
    client.beats(10, 11, served=True)
    assert outages.total_s() == 0.0


def test_the_limit_is_reached_by_all_outages_together(tmp_path: Path) -> None:
    client = Client(tmp_path)
    condition = of_unavailability(6.0, tmp_path, lambda: HEARTBEAT, lambda: client.events)
    client.beats(0, 4, served=False)
    client.beats(4, 6, served=True)
    assert condition.read() == ""
    client.beats(6, 8, served=False)
    client.beats(8, 9, served=True)
    assert "6.0 s" in condition.read()


def read_back(label: str, lost: int | None) -> dict[str, Any]:
    return {"event": "read-back", "label": label, "lost": lost, "why": "2 writes pending"}


def test_lost_writes_are_judged_at_each_read_back() -> None:
    events: list[dict[str, Any]] = [{"event": "drill-opened"}]
    condition = of_lost_writes(2, lambda: events)
    assert condition.read() == ""
    events.append(read_back("after-failover", 1))
    assert condition.read() == ""
    events.append(read_back("after-the-second", 2))
    assert "after-the-second" in condition.read()


def test_a_read_back_that_does_not_tell_is_unreadable() -> None:
    condition = of_lost_writes(1, lambda: [read_back("after-failover", None)])
    with pytest.raises(CannotSee) as caught:
        condition.read()
    assert caught.value.code == "lost-writes-unknown"


def test_a_condition_trips_at_once_and_bears_some_reads_that_fail() -> None:
    trips: list[tuple[str, bool]] = []
    answers: list[Any] = []

    def read() -> str:
        value = answers.pop(0)
        if isinstance(value, Exception):
            raise value
        return str(value)

    def tripped(*values: Any) -> list[tuple[str, bool]]:
        trips.clear()
        answers[:] = values
        condition = StopCondition("lever", "safety lever", read)
        guard = guard_of(condition, lambda name, why, unreadable: trips.append((name, unreadable)))
        while answers:
            guard.look()
        return list(trips)

    dark = CannotSee("dark")
    assert tripped("", "it is engaged") == [("lever", False)]
    assert tripped(dark, dark, dark, "") == []
    assert tripped(*[dark] * stop_conditions.UNREADABLE_IN_A_ROW) == [("lever", True)]
