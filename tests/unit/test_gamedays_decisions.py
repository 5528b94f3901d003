"""What a tick decides, from literal calendars, ledgers and times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.gamedays.calendar import (
    ApprovalRule,
    Budget,
    Calendar,
    Dependency,
    GameDay,
    Guards,
    Occurrence,
)
from chaosdrill.gamedays.decisions import (
    DAY_MS,
    GRACE_MS,
    HOUR_MS,
    MINUTE_MS,
    SERIES,
    Decisions,
    Rules,
    Snapshot,
    Why,
    decide,
    is_planned,
    latest_start_ms,
    schedule_text,
)
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.ledger import Pause, Plan, Record
from tests.unit.gamedays_rig import T0, Allows, calendar, game_day, instants


def rules(forbidden: Mapping[int, str] | None = None) -> Rules:
    """Rules that forbid a drill to start at some instants."""
    return Rules(instants, lambda _, planned_ms, start_ms: Allows((forbidden or {}).get(start_ms, "")))


def plan_of(one: GameDay, seen_ms: int = T0 - MINUTE_MS, **facts: Any) -> Plan:
    return replace(Plan(schedule_text(one.schedule), T0 - DAY_MS, seen_ms, T0 - DAY_MS, 1), **facts)


def snapshot(now_ms: int, *game_days: GameDay, records: Sequence[Entry] = (), **facts: Any) -> Snapshot:
    plans = {one.id: plan_of(one) for one in game_days}
    known = {one.occurrence: Record(one, "token", None, one.at_ms) for one in records}
    return Snapshot(now_ms, **{"plans": plans, "records": known, **facts})


def outcomes(decisions: Decisions) -> dict[str, str]:
    """What is recorded: code by occurrence."""
    return {one.occurrence.key: f"{one.outcome}:{one.code}" for one in decisions.records}


MONTHLY = game_day()
OCCURRENCE = Occurrence("monthly", T0)


@pytest.mark.parametrize("late_ms", [0, 5_000, GRACE_MS, GRACE_MS + 59_999])
def test_an_occurrence_begins_at_its_instant_or_a_little_later(late_ms: int) -> None:
    decided = decide(calendar(MONTHLY), snapshot(T0 + late_ms, MONTHLY), rules())
    assert (decided.begins, decided.records) == ((OCCURRENCE,), ())


def test_nothing_begins_before_its_instant() -> None:
    decided = decide(calendar(MONTHLY), snapshot(T0 - 1, MONTHLY), rules())
    assert (decided.begins, decided.records) == ((), ())


@pytest.mark.parametrize(("within_h", "late_ms"), [(0.0, GRACE_MS + MINUTE_MS), (4.0, 4 * HOUR_MS + MINUTE_MS)])
def test_an_occurrence_that_nothing_began_is_missed(within_h: float, late_ms: int) -> None:
    one = game_day(run_missed_within_h=within_h)
    assert decide(calendar(one), snapshot(T0 + late_ms - MINUTE_MS, one), rules()).begins == (OCCURRENCE,)
    decided = decide(calendar(one), snapshot(T0 + late_ms, one), rules())
    assert (decided.begins, outcomes(decided)) == ((), {OCCURRENCE.key: "missed:missed"})


def test_of_several_missed_occurrences_only_the_latest_begins() -> None:
    times = [T0 - days * DAY_MS for days in range(5)]
    one = game_day("monthly", *times, run_missed_within_h=200)
    plans = {"monthly": plan_of(one, since_ms=times[-1], settled_ms=times[-1])}
    decided = decide(calendar(one), snapshot(T0 + HOUR_MS, one, plans=plans), rules())
    assert decided.begins == (OCCURRENCE,)
    assert set(outcomes(decided).values()) == {"missed:missed"}
    assert len(decided.records) == 4


@pytest.mark.parametrize("outcome", ["claimed", "ran", "skipped", "refused", "expired", "missed", "died"])
def test_an_occurrence_that_has_an_outcome_is_left(outcome: Any) -> None:
    entry = Entry(OCCURRENCE, outcome, began_ms=T0)
    decided = decide(calendar(MONTHLY), snapshot(T0, MONTHLY, records=[entry]), rules())
    assert (decided.begins, decided.records) == ((), ())


def test_a_game_day_that_is_new_begins_nothing_that_was_planned_before() -> None:
    decided = decide(calendar(MONTHLY), snapshot(T0 + 1, plans={}), rules())
    assert (decided.begins, decided.records) == ((), ())
    again = decide(calendar(MONTHLY), snapshot(T0 + MINUTE_MS, plans=decided.plans), rules())
    assert (again.begins, again.records) == ((), ())
    assert decide(calendar(MONTHLY), snapshot(T0, plans={}), rules()).plans["monthly"].since_ms == T0


def test_an_edit_begins_nothing_that_the_edited_schedule_planned_before() -> None:
    old = game_day("monthly", T0, T0 + 2 * MINUTE_MS)
    plans = {"monthly": plan_of(old)}
    edited = game_day("monthly", T0 + MINUTE_MS, T0 + 2 * MINUTE_MS)
    decided = decide(calendar(edited), snapshot(T0 + 2 * MINUTE_MS, plans=plans), rules())
    assert decided.begins == (Occurrence("monthly", T0 + 2 * MINUTE_MS),), "both schedules have it"
    assert outcomes(decided) == {OCCURRENCE.key: "skipped:schedule-changed"}, "what it no longer has is not lost"
    assert decided.plans["monthly"].since_ms == T0 + 2 * MINUTE_MS


def test_an_edit_that_changes_no_schedule_changes_nothing() -> None:
    renamed = replace(MONTHLY, name="another name", worst_case_min=20.0)
    assert decide(calendar(renamed), snapshot(T0, MONTHLY), rules()).begins == (OCCURRENCE,)


def test_a_game_day_that_was_removed_and_added_again_is_new() -> None:
    other = game_day("other", T0 + DAY_MS)
    plans = {"monthly": plan_of(MONTHLY, seen_ms=T0 - HOUR_MS), "other": plan_of(other)}
    decided = decide(calendar(MONTHLY, other), snapshot(T0, plans=plans), rules())
    assert (decided.begins, decided.plans["monthly"].since_ms) == ((), T0)


def test_what_a_pause_covers_is_skipped_also_after_its_end() -> None:
    pauses = {"monthly": [Pause(T0 - HOUR_MS, T0 + MINUTE_MS)]}
    for now_ms in (T0, T0 + 2 * MINUTE_MS):
        decided = decide(calendar(MONTHLY), snapshot(now_ms, MONTHLY, pauses=pauses), rules())
        assert (decided.begins, outcomes(decided)) == ((), {OCCURRENCE.key: "skipped:paused"})
    ended = {"monthly": [Pause(T0 - HOUR_MS, T0)]}
    assert decide(calendar(MONTHLY), snapshot(T0, MONTHLY, pauses=ended), rules()).begins == (OCCURRENCE,)


def test_what_the_calendar_forbids_is_skipped() -> None:
    decided = decide(calendar(MONTHLY), snapshot(T0, MONTHLY), rules({T0: "blackout"}))
    assert (decided.begins, outcomes(decided)) == ((), {OCCURRENCE.key: "skipped:blackout"})


def test_a_late_start_that_the_calendar_forbids_waits_until_it_is_missed() -> None:
    one = game_day(run_missed_within_h=1)
    forbidden = rules({T0 + minutes * MINUTE_MS: "outside-window" for minutes in range(1, 62)})
    decided = decide(calendar(one), snapshot(T0 + MINUTE_MS, one), forbidden)
    assert (decided.begins, decided.records) == ((), ())
    assert decided.waiting[OCCURRENCE].code == "outside-window"
    late = decide(calendar(one), snapshot(T0 + 61 * MINUTE_MS, one), forbidden)
    assert outcomes(late) == {OCCURRENCE.key: "missed:missed"}
    assert "outside-window" in late.records[0].why


def test_drills_of_one_topology_begin_one_after_the_other() -> None:
    shared = {"topology": Path("aws.yaml")}
    first, second, third = game_day("a", **shared), game_day("b", **shared), game_day("c")
    days = (first, second, third)
    decided = decide(calendar(*days), snapshot(T0, *days), rules())
    assert decided.begins == (Occurrence("a", T0), Occurrence("c", T0))
    assert decided.waiting[Occurrence("b", T0)].code == "clash"
    running = [Entry(Occurrence("a", T0), "claimed", began_ms=T0)]
    again = decide(calendar(*days[:2]), snapshot(T0 + MINUTE_MS, *days, records=running), rules())
    assert (again.begins, list(again.waiting)) == ((), [Occurrence("b", T0)])
    dead = {Occurrence("a", T0): replace(running[0], outcome="died")}
    after = decide(calendar(*days[:2]), snapshot(T0 + MINUTE_MS, *days, records=running, dead=dead), rules())
    assert (after.begins, after.ended) == ((Occurrence("b", T0),), tuple(dead.values()))


def test_what_waits_is_decided_again_by_the_next_tick() -> None:
    shared = {"topology": Path("aws.yaml")}
    days = (game_day("a", **shared), game_day("b", T0, **shared))
    decided = decide(calendar(*days), snapshot(T0 + MINUTE_MS, *days), rules())
    ended = [ran("a", T0, at_ms=T0 + MINUTE_MS)]
    again = decide(calendar(*days), snapshot(T0 + 2 * MINUTE_MS, records=ended, plans=decided.plans), rules())
    assert again.begins == (Occurrence("b", T0),)
    assert again.plans["b"].settled_ms == T0


NEEDS_APPROVAL = game_day(approval=ApprovalRule(("uid:1",), until_min=60))
MISSING = {OCCURRENCE: Why("approval-missing", "it needs an approval")}


@pytest.mark.parametrize(
    ("before_ms", "expected"), [(HOUR_MS, {}), (HOUR_MS - 1, {OCCURRENCE.key: "expired:approval-missing"})]
)
def test_an_occurrence_without_an_approval_expires_when_its_time_is_up(
    before_ms: int, expected: dict[str, str]
) -> None:
    decided = decide(calendar(NEEDS_APPROVAL), snapshot(T0 - before_ms, NEEDS_APPROVAL, unapproved=MISSING), rules())
    assert outcomes(decided) == expected


def test_an_approval_must_hold_when_the_drill_begins() -> None:
    void = {OCCURRENCE: Why("approval-void", "the plan was edited since")}
    decided = decide(calendar(NEEDS_APPROVAL), snapshot(T0, NEEDS_APPROVAL, unapproved=void), rules())
    assert (decided.begins, outcomes(decided)) == ((), {OCCURRENCE.key: "expired:approval-void"})


def ran(name: str, began_ms: int, verdict: str = "passed", **facts: Any) -> Entry:
    return replace(
        Entry(Occurrence(name, began_ms), "ran", run="r", verdict=verdict, at_ms=began_ms, began_ms=began_ms), **facts
    )


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([ran("over", T0 - HOUR_MS)], "begins"),
        ([ran("over", T0 - 3 * HOUR_MS)], "skipped"),
        ([ran("over", T0 - HOUR_MS, "failed")], "skipped"),
        ([ran("over", T0 - HOUR_MS, outcome="died", verdict="")], "skipped"),
        ([ran("over", T0 - 2 * HOUR_MS), ran("over", T0 - HOUR_MS, "invalid")], "skipped"),
        ([ran("over", T0 - 2 * HOUR_MS), ran("over", T0 - HOUR_MS, outcome="refused", verdict="")], "begins"),
        ([ran("over", T0 - HOUR_MS, outcome="claimed", verdict="")], "waits"),
        ([], "skipped"),
    ],
)
def test_a_drill_that_depends_on_another_begins_only_after_that_has_passed(before: list[Entry], expected: str) -> None:
    back = game_day(after=Dependency("over", 2))
    over = game_day("over", T0 - 9 * DAY_MS)
    decided = decide(calendar(back, over), snapshot(T0, back, over, records=before), rules())
    observed = "begins" if decided.begins else "waits" if decided.waiting else "skipped"
    assert observed == expected
    if expected == "skipped":
        assert outcomes(decided) == {OCCURRENCE.key: "skipped:dependency-not-passed"}


@pytest.mark.parametrize(
    ("budget", "used", "code"),
    [
        (Budget(drills=2), [ran("monthly", T0 - DAY_MS)], ""),
        (Budget(drills=1), [ran("monthly", T0 - DAY_MS)], "budget-exhausted"),
        (Budget(drills=1), [ran("monthly", T0 - DAY_MS, outcome="died")], "budget-exhausted"),
        (Budget(drills=1), [ran("monthly", T0 - DAY_MS, outcome="refused")], ""),
        (Budget(drills=1), [ran("monthly", T0 - 20 * DAY_MS)], ""),
        (Budget(fis_minutes=10), [ran("monthly", T0 - DAY_MS, fis_minutes=9.9)], ""),
        (Budget(fis_minutes=10), [ran("monthly", T0 - DAY_MS, fis_minutes=10)], "budget-exhausted"),
        (Budget(error_seconds=60), [ran("monthly", T0 - DAY_MS)], "budget-unknown"),
        (Budget(error_seconds=60), [ran("monthly", T0 - DAY_MS, error_seconds=61)], "budget-exhausted"),
    ],
)
def test_a_budget_that_is_used_up_refuses(budget: Budget, used: list[Entry], code: str) -> None:
    one = game_day(guards=Guards(budget=budget))
    decided = decide(calendar(one), snapshot(T0, one, records=used), rules())
    assert outcomes(decided) == ({OCCURRENCE.key: f"refused:{code}"} if code else {})
    assert bool(decided.begins) != bool(code)


def test_what_a_drill_that_runs_will_have_used_is_waited_for() -> None:
    one = game_day("monthly", T0, guards=Guards(budget=Budget(error_seconds=60)))
    running = [ran("monthly", T0 - MINUTE_MS, outcome="claimed", verdict="")]
    assert decide(calendar(one), snapshot(T0, one, records=running), rules()).waiting[OCCURRENCE].code == "clash"


def notices(decided: Decisions) -> list[tuple[str, str]]:
    return [(one.notice, one.occurrence.key) for one in decided.notifications]


@pytest.mark.parametrize(
    ("before_ms", "expected"),
    [
        (DAY_MS + 1, []),
        (DAY_MS, ["planned"]),
        (15 * MINUTE_MS + 1, ["planned"]),
        (15 * MINUTE_MS, ["soon"]),
        (0, []),
    ],
)
def test_people_are_notified_a_day_and_a_quarter_of_an_hour_before(before_ms: int, expected: list[str]) -> None:
    decided = decide(calendar(MONTHLY), snapshot(T0 - before_ms, MONTHLY), rules())
    assert [notice for notice, _ in notices(decided)] == expected
    forbidden = decide(calendar(MONTHLY), snapshot(T0 - before_ms, MONTHLY), rules({T0: "blackout"}))
    assert notices(forbidden) == []


def test_an_approval_is_asked_for_a_day_before_it_is_due() -> None:
    def decided(before_ms: int) -> Decisions:
        return decide(calendar(NEEDS_APPROVAL), snapshot(T0 - before_ms, NEEDS_APPROVAL, unapproved=MISSING), rules())

    assert "approval-needed" not in dict(notices(decided(DAY_MS + HOUR_MS + 1)))
    (asked,) = (one for one in decided(DAY_MS + HOUR_MS).notifications if one.notice == "approval-needed")
    assert asked.facts == {"until_ms": T0 - HOUR_MS, "approvers": ["uid:1"]}


def test_people_are_notified_of_what_did_not_run_and_of_what_died() -> None:
    entries = [
        Entry(Occurrence("monthly", T0 - 3 * HOUR_MS), "missed", "missed", at_ms=T0),
        Entry(Occurrence("monthly", T0 - 2 * HOUR_MS), "missed", "missed", at_ms=T0),
        Entry(Occurrence("monthly", T0 - HOUR_MS), "refused", "alarm-in-alarm", "an alarm", at_ms=T0 - DAY_MS),
        Entry(Occurrence("monthly", T0 - 30 * MINUTE_MS), "refused", at_ms=T0 - DAY_MS - 1),
        Entry(Occurrence("monthly", T0 - 20 * MINUTE_MS), "died", run="r1", at_ms=T0),
    ]
    decided = decide(calendar(MONTHLY), snapshot(T0, MONTHLY, records=entries), rules())
    found = [(one.notice, one.occurrence.planned_ms) for one in decided.notifications]
    expected = [("not-run", T0 - 2 * HOUR_MS), ("not-run", T0 - HOUR_MS), ("died", T0 - 20 * MINUTE_MS)]
    assert found == expected, "of several that were missed the latest, and nothing old"


def test_a_series_of_occurrences_that_proved_nothing_is_an_alert() -> None:
    days = [T0 - day * DAY_MS for day in (5, 4, 3, 2, 1)]
    bad = [ran("monthly", days[0], "invalid"), Entry(Occurrence("monthly", days[1]), "refused", at_ms=1)]
    skipped = Entry(Occurrence("monthly", days[2]), "skipped", at_ms=1)
    third = ran("monthly", days[3], "invalid")
    for last, expected in ((third, True), (replace(third, verdict="failed"), False)):
        decided = decide(calendar(MONTHLY), snapshot(T0 - 1, MONTHLY, records=[*bad, skipped, last]), rules())
        assert any(one.notice == "overdue" for one in decided.notifications) == expected
    assert SERIES == 3


def test_an_occurrence_that_was_missed_by_a_wrong_clock_is_not_lost() -> None:
    wrong = Entry(OCCURRENCE, "missed", "missed", at_ms=T0 + 300 * DAY_MS)
    plans = {"monthly": plan_of(MONTHLY, since_ms=T0 - DAY_MS, settled_ms=T0 + 300 * DAY_MS)}
    decided = decide(calendar(MONTHLY), snapshot(T0, records=[wrong], plans=plans), rules())
    assert decided.begins == (OCCURRENCE,)


def test_only_what_ticks_have_read_before_its_instant_is_planned() -> None:
    assert is_planned(MONTHLY, T0, snapshot(T0, MONTHLY), rules())
    assert not is_planned(MONTHLY, T0 + MINUTE_MS, snapshot(T0, MONTHLY), rules())
    assert not is_planned(MONTHLY, T0, snapshot(T0, plans={}), rules())
    assert not is_planned(MONTHLY, T0, snapshot(T0, plans={"monthly": plan_of(MONTHLY, since_ms=T0 + 1)}), rules())
    assert not is_planned(game_day("monthly", T0, T0 + 1), T0, snapshot(T0, MONTHLY), rules())


@dataclass
class Simulated:
    """A ledger, as decisions change it."""

    pauses: Sequence[Pause]
    forbidden: Mapping[int, str]
    plans: dict[str, Plan] = field(default_factory=dict)
    records: dict[Occurrence, Record] = field(default_factory=dict)
    begun: list[tuple[Occurrence, int]] = field(default_factory=list)

    def tick(self, days: Calendar, now_ms: int, is_killed: bool) -> None:
        pauses = dict.fromkeys(days.game_days, self.pauses)
        decided = decide(days, Snapshot(now_ms, dict(self.plans), dict(self.records), pauses), rules(self.forbidden))
        for entry in decided.records:
            self.records[entry.occurrence] = Record(replace(entry, at_ms=now_ms))
        for one, record in self.records.items():
            if record.is_open:  # a drill lasts until the next tick
                self.records[one] = Record(replace(record.entry, outcome="ran", verdict="passed", at_ms=now_ms))
        for one in decided.begins:
            self.begun.append((one, now_ms))
            self.records[one] = Record(Entry(one, "claimed", began_ms=now_ms))
            if is_killed:
                return
        self.plans = {**self.plans, **decided.plans}


MINUTES = st.integers(0, 400)


@given(
    st.lists(MINUTES, min_size=1, max_size=12, unique=True),
    st.lists(st.tuples(st.integers(-100, 400), st.booleans()), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.lists(st.tuples(MINUTES, st.integers(1, 60)), max_size=3),
    st.sets(MINUTES, max_size=8),
)
def test_whatever_the_ticks_no_occurrence_runs_twice_and_none_is_lost(
    minutes: list[int],
    ticks: list[tuple[int, bool]],
    within_h: float,
    paused: list[tuple[int, int]],
    forbidden: set[int],
) -> None:
    """Ticks are early, late, missed, double and killed, and the clock jumps, forward and back."""
    one = game_day("monthly", *(T0 + minute * MINUTE_MS for minute in minutes), run_missed_within_h=within_h)
    other = game_day("other", *(T0 + minute * MINUTE_MS for minute in minutes[::2]), topology=one.topology)
    days = calendar(one, other)
    pauses = [Pause(T0 + begin * MINUTE_MS, T0 + (begin + lasts) * MINUTE_MS) for begin, lasts in paused]
    ledger = Simulated(pauses, {T0 + minute * MINUTE_MS: "blackout" for minute in forbidden})
    for minute, is_killed in ticks:
        ledger.tick(days, T0 + minute * MINUTE_MS, is_killed)
    end_ms = T0 + 400 * MINUTE_MS + latest_start_ms(one, 0) + MINUTE_MS
    for _ in range(3):
        ledger.tick(days, end_ms, False)
    assert len({occurrence for occurrence, _ in ledger.begun}) == len(ledger.begun)
    for occurrence, now_ms in ledger.begun:
        assert occurrence.planned_ms <= now_ms < latest_start_ms(one, occurrence.planned_ms) + MINUTE_MS
        assert ledger.forbidden.keys().isdisjoint({occurrence.planned_ms, now_ms})
    for occurrence, record in ledger.records.items():
        is_paused = any(pause.covers(occurrence.planned_ms) for pause in pauses)
        is_skipped = is_paused or occurrence.planned_ms in ledger.forbidden
        assert (record.entry.outcome == "skipped") == is_skipped
    first_ms = T0 + ticks[0][0] * MINUTE_MS
    for day in days.game_days.values():
        planned = [Occurrence(day.id, ms) for ms in instants(day.schedule, first_ms, end_ms)]
        assert [each for each in planned if each not in ledger.records] == [], "each has an outcome"
    early = [each for each in ledger.records if each.planned_ms < T0 + min(ms for ms, _ in ticks) * MINUTE_MS]
    assert early == [], "what was planned before the first tick never runs, nor is it recorded"
