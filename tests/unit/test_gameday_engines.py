"""When other engines would start a game day: simulated as they do it, refused where the calendar plans otherwise."""

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.errors import Problem
from chaosdrill.gamedays.calendar import GameDay, Occurrence, Schedule, Window
from chaosdrill.gamedays.due_occurrence import due_occurrence
from chaosdrill.gamedays.exports.agreement import SPAN_MS, Agreement, agreement_of, difference_of
from chaosdrill.gamedays.exports.engines import ENGINES, eventbridge, kubernetes, systemd
from chaosdrill.gamedays.instants import planned_instants
from tests.further import first_of

NEW_YORK, BERLIN, TOKYO = map(ZoneInfo, ("America/New_York", "Europe/Berlin", "Asia/Tokyo"))
ZONES = ("UTC", "Asia/Tokyo", "America/New_York", "Europe/Berlin", "Australia/Sydney", "Africa/Cairo", "Asia/Beirut")
NOW = datetime(2026, 11, 30, tzinfo=UTC)
# what the library that Kubernetes uses returns: each row is zone, schedule, from, until, and its instants, UTC
OF_ROBFIG = json.loads((Path(__file__).parent / "robfig_cron.json").read_text())


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def utc(text: str) -> int:
    return ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


def game_day(schedule: Schedule) -> GameDay:
    window = Window(time(0), time(23, 59))
    return GameDay("monthly", "Monthly", "sre", Path("e.yaml"), None, schedule, window, worst_case_min=60)


def agreement(engine: str, schedule: Schedule) -> Agreement:
    instants = planned_instants(schedule, ms(NOW), ms(NOW) + SPAN_MS)
    found = agreement_of(ENGINES[engine], game_day(schedule), instants, ms(NOW))
    assert isinstance(found, Agreement), found
    return found


@pytest.mark.parametrize(("zone", "cron", "begin", "end", "found"), OF_ROBFIG)
def test_a_cronjob_is_simulated_as_the_library_of_kubernetes_computes_it(
    zone: str, cron: str, begin: str, end: str, found: list[str]
) -> None:
    instants = kubernetes.instants(cron, ZoneInfo(zone), utc(begin), utc(end))
    assert [f"{datetime.fromtimestamp(at / 1000, UTC):%m-%d %H:%M}" for at in instants] == found


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("zone", first_of(["America/New_York", "Europe/Berlin", "Africa/Cairo", "Australia/Lord_Howe"]))
@pytest.mark.parametrize("cron", ["30 1,2 * 3-4,10-11 *", "0 5 13 * 5", "0 5 L * *", "0 0 * * 5#5", "15 3 * * 0L"])
def test_a_timer_is_simulated_as_systemd_computes_it(zone: str, cron: str) -> None:
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    for one in systemd.expressions(Schedule(ZoneInfo(zone), cron), 0) or ():
        found = _of_systemd(one, begin)
        assert len(found) == 60
        assert list(systemd.instants(one, ZoneInfo(zone), ms(begin) + 1, found[-1] + 1)) == found


def _of_systemd(expression: str, begin: datetime) -> list[int]:
    command = ["systemd-analyze", "calendar", "--iterations=60", f"--base-time={begin:%F %T} UTC", expression]
    printed = subprocess.run(command, env={**os.environ, "TZ": "UTC", "LC_ALL": "C"}, capture_output=True, check=True)
    return [utc(at) for at in re.findall(r"(?:elapse|#\d+): \w+ (\S+ \S+) UTC", printed.stdout.decode())]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "zone", first_of(["America/New_York", "UTC", "Asia/Tokyo", "Europe/Berlin", "Australia/Sydney"])
)
@pytest.mark.parametrize("cron", ["30 4 * * SUN", "0 9 1,15 * *", "15 6 13 2-11/3 FRI", "0 22 */7 * *"])
def test_a_time_that_no_change_of_the_clock_touches_is_the_same_for_ten_years(
    engine: str, zone: str, cron: str
) -> None:
    found = agreement(engine, Schedule(ZoneInfo(zone), cron))
    assert found == Agreement(found.expressions)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_time_that_the_clock_skips_is_refused(engine: str) -> None:
    day = game_day(Schedule(NEW_YORK, "30 2 * * SUN"))
    found = agreement(engine, day.schedule)
    # planned at the next minute that exists, 03:00 EDT; no engine starts anything then
    assert found.missing[0] == utc("2027-03-14T07:00")
    assert len(found.missing) == 10
    assert not found.extra
    difference = difference_of(ENGINES[engine], day, found)
    assert difference
    assert difference.code == "export-instants-differ"
    assert "2027-03-14 03:00 EDT (2027-03-14 07:00 UTC)" in difference
    assert "7 more" in difference


def test_a_time_that_the_clock_repeats_is_refused_for_kubernetes_only() -> None:
    schedule = Schedule(BERLIN, "30 2 31 10 *")  # the clock is set back on Sunday 2027-10-31
    assert agreement("kubernetes", schedule).extra[0] == utc("2027-10-31T01:30")
    for engine in ("eventbridge", "systemd"):
        assert difference_of(ENGINES[engine], game_day(schedule), agreement(engine, schedule)) is None


def test_a_cronjob_may_be_wrong_hours_after_a_skipped_midnight() -> None:
    found = agreement("kubernetes", Schedule(ZoneInfo("Africa/Cairo"), "30 3 * * FRI"))
    assert utc("2027-04-30T00:30") in found.missing


@pytest.mark.parametrize("engine", ["eventbridge", "systemd"])
def test_single_times_are_written_with_their_year(engine: str) -> None:
    schedule = Schedule(TOKYO, times=(datetime(2027, 1, 10, 2, 0), datetime(2028, 2, 29, 3, 30)))
    found = agreement(engine, schedule)
    assert len(found.expressions) == 2
    assert found == Agreement(found.expressions)


def test_single_times_are_refused_for_kubernetes_because_they_would_come_again() -> None:
    found = agreement("kubernetes", Schedule(TOKYO, times=(datetime(2027, 1, 10, 2, 0),)))
    assert found.extra[0] == utc("2028-01-09T17:00")
    assert not found.missing


def test_eventbridge_is_given_no_single_time_that_has_passed() -> None:
    schedule = Schedule(TOKYO, times=(datetime(2026, 1, 10, 2, 0), datetime(2027, 1, 10, 2, 0)))
    assert eventbridge.expressions(schedule, ms(NOW)) == ("at(2027-01-10T02:00:00)",)


@pytest.mark.parametrize(
    ("engine", "cron"),
    [
        ("kubernetes", "0 5 L * *"),
        ("kubernetes", "0 5 * * MON#2"),
        ("kubernetes", "0 5 */2 * MON"),  # both must match, which Kubernetes cannot express
        ("eventbridge", "0 5 */2 * MON"),
        ("systemd", "0 5 LW * *"),
    ],
)
def test_a_schedule_that_an_engine_cannot_express_is_refused(engine: str, cron: str) -> None:
    found = agreement_of(ENGINES[engine], game_day(Schedule(TOKYO, cron)), [], ms(NOW))
    assert isinstance(found, Problem)
    assert found.code == "export-schedule-inexpressible"


def test_a_schedule_on_both_days_is_one_expression_where_the_engine_has_it() -> None:
    assert systemd.expressions(Schedule(TOKYO, "0 5 */15 * MON"), 0) == ("Mon *-*-01,16,31 05:00:00 Asia/Tokyo",)
    assert kubernetes.expressions(Schedule(TOKYO, "0 5 13 * 7"), 0) == ("0 5 13 * 0",)
    assert eventbridge.expressions(Schedule(TOKYO, "0 5 13 * 7"), 0) == ("cron(0 5 13 * ? *)", "cron(0 5 ? * 1 *)")


MINUTES, HOURS = st.sampled_from(["0", "30", "15,45"]), st.sampled_from(["0", "1", "2", "3", "23", "1-3"])
DAYS = st.sampled_from(["*", "1", "1,15,31", "L", "*/9", "8-14"])
MONTHS, WEEKDAYS = st.sampled_from(["*", "3,10", "APR-SEP"]), st.sampled_from(["*", "SUN", "5,6", "0#1", "5L", "*/3"])
YEAR_MS = 366 * 86_400_000


@given(st.sampled_from(sorted(ENGINES)), st.sampled_from(ZONES), MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS)
def test_where_no_clock_changes_an_expression_means_what_the_calendar_means(
    engine: str, zone: str, minute: str, hour: str, day: str, month: str, weekday: str
) -> None:
    schedule = Schedule(ZoneInfo(zone), f"{minute} {hour} {day} {month} {weekday}")
    expressions = ENGINES[engine].expressions(schedule, ms(NOW))
    if expressions is None:
        return
    until = ms(NOW) + YEAR_MS
    started = {at for one in expressions for at in ENGINES[engine].instants(one, schedule.zone, ms(NOW), until)}
    differing = started ^ set(planned_instants(schedule, ms(NOW), until))
    changes = _changes(schedule.zone)
    assert all(any(abs((_day(at, schedule.zone) - one).days) <= 1 for one in changes) for at in differing)


def _changes(zone: ZoneInfo) -> list[date]:
    noons = [datetime(2026, 11, 28, 12, tzinfo=zone) + timedelta(days=number) for number in range(372)]
    return [later.date() for earlier, later in pairwise(noons) if earlier.utcoffset() != later.utcoffset()]


def _day(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, zone).date()


@pytest.mark.parametrize(
    ("now", "occurrence"),
    [
        ("2027-01-09T17:00", "2027-01-09T17:00"),
        ("2027-01-09T16:59:20", "2027-01-09T17:00"),  # this clock is behind that of the engine
        ("2027-01-09T18:30", "2027-01-09T17:00"),
        ("2027-01-09T16:30", "2027-01-08T17:00"),
        ("2027-01-15T00:00", None),
    ],
)
def test_the_due_occurrence_is_the_latest_that_has_come(now: str, occurrence: str | None) -> None:
    times = (datetime(2027, 1, 9, 2), datetime(2027, 1, 10, 2))
    found = due_occurrence(game_day(Schedule(TOKYO, times=times)), utc(now))
    assert found == (Occurrence("monthly", utc(occurrence)) if occurrence else None)
