"""Two calendars with one ledger: a game day that both of them have is that of the calendar that was first."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chaosdrill.coordination.items import ItemWrite
from chaosdrill.gamedays import occurrence_run, tick_inputs
from chaosdrill.gamedays.alerts import alerts_of
from chaosdrill.gamedays.calendar import Calendar, Occurrence, Schedule
from chaosdrill.gamedays.decisions import CONTESTED_MS, MINUTE_MS, TAKEN_OVER_MS
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.plans import plan_digest
from chaosdrill.gamedays.tick import Ticked, tick
from chaosdrill.paths import VARIABLE
from tests.failing import fails_with
from tests.unit.gamedays_rig import T0, Ledgers, at, calendar, game_day, use_rules

OCCURRENCE = Occurrence("monthly", T0)


class Place:
    """A directory with a calendar, on a machine that shares its ledger with others."""

    def __init__(self, directory: Path, store: Ledgers) -> None:
        self.directory, self.store = directory, store
        self.started: list[Occurrence] = []
        directory.mkdir()
        self.write_experiment("title: a drill\n")
        self.edit()

    def write_experiment(self, text: str) -> None:
        (self.directory / "failover.yaml").write_text(text)

    def edit(self, **facts: Any) -> None:
        known = {"topology": None, "directory": self.directory}
        self.game_day = game_day("monthly", experiment=self.directory / "failover.yaml", **{**known, **facts})
        self.calendar: Calendar = calendar(self.game_day, file=self.directory / "gamedays.yaml")

    def tick(self, time_ms: int) -> Ticked:
        self.store.time_ms = time_ms
        return tick(self.calendar, self.store, start=lambda _, one, __: self.started.append(one))

    def alerts(self) -> list[str]:
        rules = tick_inputs.rules_of(self.calendar)
        found = alerts_of(self.calendar, tick_inputs.read(self.calendar, self.store, rules).snapshot, rules)
        return [f"{one.code} {one.why}" for one in found if one.code == "calendar-conflict"]


def another_experiment(one: Place) -> None:
    one.write_experiment("title: another drill\n")


DIFFERENCES: dict[str, Callable[[Place], None]] = {
    "experiment": another_experiment,
    "owner": lambda one: one.edit(owner="another team"),
    "variables": lambda one: one.edit(variables={"users": 1}),
    "schedule": lambda one: one.edit(schedule=Schedule(ZoneInfo("UTC"), times=(at(T0), at(T0 + 9 * MINUTE_MS)))),
}


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "home"))
    use_rules(monkeypatch)
    return Place(tmp_path / "first", Ledgers(tmp_path / "ledger.sqlite"))


@pytest.fixture
def second(tmp_path: Path, first: Place) -> Place:
    return Place(tmp_path / "second", first.store)


@pytest.mark.parametrize("differ", DIFFERENCES.values(), ids=DIFFERENCES)
def test_of_two_different_game_days_with_one_id_only_the_first_runs(
    first: Place, second: Place, differ: Callable[[Place], None]
) -> None:
    differ(second)
    first.tick(T0 - 7 * MINUTE_MS)
    for minute in range(-6, 10):
        for one in (second, first) if minute % 2 else (first, second):
            one.tick(T0 + minute * MINUTE_MS + (20_000 if one is second else 0))
            assert bool(one.alerts()) == (minute * MINUTE_MS >= CONTESTED_MS - 6 * MINUTE_MS), minute
    assert (first.started, second.started) == ([OCCURRENCE], [])
    entries = Ledger(first.store).entries("monthly", T0 - MINUTE_MS, T0 + 20 * MINUTE_MS)
    assert [record.entry.digest for record in entries.values()] == [plan_digest(first.game_day)]
    ((of_first,), (of_second,)) = (first.alerts(), second.alerts())
    assert of_first.startswith("calendar-conflict")
    assert str(second.calendar.file) in of_first
    assert str(first.calendar.file) in of_second


def test_what_is_due_in_the_second_calendar_waits_with_the_reason(first: Place, second: Place) -> None:
    another_experiment(second)
    first.tick(T0 - MINUTE_MS)
    (why,) = second.tick(T0).decisions.waiting.values()
    assert (why.code, str(first.calendar.file) in why.text) == ("calendar-conflict", True)
    with fails_with("occurrence-waits"):
        occurrence_run.claim(second.calendar, Occurrence("monthly", T0), second.store, by="uid:1000")
    assert second.tick(T0 + 1_000).recorded == ()


def test_people_of_the_second_calendar_are_notified_before_their_drill_does_not_run(
    first: Place, second: Place
) -> None:
    another_experiment(second)
    for minute in range(-30, -20):
        first.tick(T0 + minute * MINUTE_MS)
        found = second.tick(T0 + minute * MINUTE_MS).decisions.notifications
        expected = [("overdue", OCCURRENCE, "calendar-conflict")] if minute > -25 else []
        assert [(one.notice, one.occurrence, one.facts["code"]) for one in found] == expected


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_calendar_can_be_moved(first: Place, second: Place, is_edited: bool) -> None:
    """As it is it counts at once, edited when the old one is no longer read; a drill that is due waits as long."""
    if is_edited:
        another_experiment(second)
    first.tick(T0 - MINUTE_MS)
    second.tick(T0)
    assert second.started == ([] if is_edited else [OCCURRENCE])
    second.tick(T0 - MINUTE_MS + TAKEN_OVER_MS)
    assert second.started == ([] if is_edited else [OCCURRENCE])
    second.tick(T0 - MINUTE_MS + TAKEN_OVER_MS + 1)
    assert (second.started, second.alerts()) == ([OCCURRENCE], [])


def test_two_machines_with_the_same_calendar_are_no_conflict(first: Place, second: Place) -> None:
    for minute in range(-9, 2):
        first.tick(T0 + minute * MINUTE_MS)
        second.tick(T0 + minute * MINUTE_MS)
    assert first.started + second.started == [OCCURRENCE]
    assert first.alerts() == second.alerts() == []


def test_an_edit_counts_at_once_and_on_the_second_machine_when_that_has_it(first: Place, second: Place) -> None:
    first.tick(T0 - 2 * MINUTE_MS)
    another_experiment(first)
    first.tick(T0 - MINUTE_MS)
    assert second.tick(T0).launched == ()
    another_experiment(second)
    assert second.tick(T0).launched == (OCCURRENCE,)


def test_a_clock_that_was_set_forward_locks_no_calendar_out(first: Place, second: Place) -> None:
    another_experiment(second)
    first.tick(T0 + 500 * MINUTE_MS)
    second.tick(T0 - MINUTE_MS)
    second.tick(T0)
    assert second.started == [OCCURRENCE]


def test_the_plan_of_an_older_version_is_read(first: Place, second: Place) -> None:
    """It names no calendar: the first one that is read after it counts."""
    first.tick(T0 - 2 * MINUTE_MS)
    key = ("gameday#monthly", "plan")
    item = first.store.get([key])[0]
    assert item is not None
    plan = {name: value for name, value in json.loads(item["plan"]).items() if name not in ("definition", "place")}
    assert set(plan) == {"schedule", "since_ms", "seen_ms", "settled_ms"}
    first.store.update(ItemWrite(key, {"plan": json.dumps(plan)}))
    another_experiment(second)
    assert second.tick(T0 - MINUTE_MS).decisions.rivals == {}
    assert first.tick(T0).launched == ()
    assert second.tick(T0).launched == (OCCURRENCE,)
