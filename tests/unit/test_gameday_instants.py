"""The planned instants of schedules, daylight saving included."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.gamedays.calendar import Schedule
from chaosdrill.gamedays.instants import instant_of, planned_instants
from tests import gameday_oracle as oracle


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def planned(zone: str, cron: str, begin: str, end: str) -> list[str]:
    found = planned_instants(Schedule(ZoneInfo(zone), cron), ms(begin), ms(end))
    return [f"{datetime.fromtimestamp(one / 1000, UTC):%m-%d %H:%M}" for one in found]


@pytest.mark.parametrize(
    ("zone", "cron", "day", "expected"),
    [
        ("Asia/Tokyo", "0 2 * * SUN#2", "2027-01-10", ["01-09 17:00"]),
        ("America/New_York", "30 2 * * *", "2027-03-14", ["03-14 07:00"]),  # skipped: 03:00 EDT is the next minute
        ("America/New_York", "10,50 2 * * *", "2027-03-14", ["03-14 07:00"]),  # both skipped: once
        ("America/New_York", "0 2,3 * * *", "2027-03-14", ["03-14 07:00"]),  # moves to where one is planned: once
        ("America/New_York", "30 1 * * *", "2027-11-07", ["11-07 05:30"]),  # repeated: the first
        ("America/New_York", "0 1,2 * * *", "2027-11-07", ["11-07 05:00", "11-07 07:00"]),
        ("Europe/London", "30 1 * * *", "2027-03-28", ["03-28 01:00"]),
        ("Australia/Lord_Howe", "15 2 * * *", "2027-10-03", ["10-02 15:30"]),  # 02:00 to 02:30 is skipped
        ("Africa/Cairo", "0 0 * * *", "2027-04-30", ["04-29 22:00"]),  # midnight is skipped
        ("UTC", "30 2 * * *", "2027-03-14", ["03-14 02:30"]),
    ],
)
def test_daylight_saving_runs_a_time_once(zone: str, cron: str, day: str, expected: list[str]) -> None:
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    assert planned(zone, cron, begin.isoformat(), (begin + timedelta(days=1)).isoformat()) == expected


def test_the_interval_includes_its_begin_and_excludes_its_end() -> None:
    assert planned("UTC", "0 2 * * *", "2027-01-01T02:00+00:00", "2027-01-02T02:00+00:00") == ["01-01 02:00"]


def test_an_interval_that_begins_within_a_repeated_hour_has_its_first_time_only() -> None:
    """01:30 EST is not planned: 01:30 EDT was."""
    assert planned("America/New_York", "30 1 7 11 *", "2027-11-07T06:00+00:00", "2027-11-08T00:00+00:00") == []


def test_single_times_follow_the_same_rule() -> None:
    zone = ZoneInfo("America/New_York")
    times = (datetime(2027, 11, 7, 1, 30), datetime(2027, 3, 14, 2, 30), datetime(2027, 3, 14, 3))
    found = planned_instants(Schedule(zone, times=times), ms("2027-01-01T00:00+00:00"), ms("2028-01-01T00:00+00:00"))
    assert found == [ms("2027-03-14T07:00+00:00"), ms("2027-11-07T05:30+00:00")]


ZONED = st.sampled_from(["Asia/Tokyo", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago"])
A_DECADE = st.integers(ms("2027-01-01T00:00+00:00"), ms("2037-01-01T00:00+00:00"))


@given(
    ZONED,
    st.integers(0, 59),
    st.integers(0, 23),
    st.sampled_from(["* * *", "* * SUN", "13 * FRI", "L * *", "* 3,10,11 *"]),
    A_DECADE,
    st.lists(st.integers(1, 40 * 24 * 3600 * 1000), min_size=2, max_size=4),
)
def test_intervals_add_up_and_each_local_day_has_one(
    zone: str, minute: int, hour: int, days: str, begin_ms: int, lengths: list[int]
) -> None:
    """However a decade is cut into intervals, as ticks do, each planned instant is in exactly one of them."""
    schedule = Schedule(ZoneInfo(zone), f"{minute} {hour} {days}")
    bounds = [begin_ms, *(begin_ms + sum(lengths[: number + 1]) for number in range(len(lengths)))]
    parts = [one for first, last in pairwise(bounds) for one in planned_instants(schedule, first, last)]
    assert parts == planned_instants(schedule, bounds[0], bounds[-1])
    assert all(bounds[0] <= one < bounds[-1] and one % 60_000 == 0 for one in parts)
    local_days = [datetime.fromtimestamp(one / 1000, schedule.zone).date() for one in parts]
    assert len(set(local_days)) == len(local_days)


@given(ZONED, st.datetimes(datetime(2027, 1, 1), datetime(2036, 12, 31)))
def test_a_local_time_is_the_first_instant_at_which_clocks_show_it_or_a_later_one(zone: str, local: datetime) -> None:
    local = local.replace(second=0, microsecond=0)
    expected = oracle.first_instant(local, ZoneInfo(zone)).replace(tzinfo=UTC)
    assert instant_of(local, ZoneInfo(zone)) == ms(expected.isoformat())
