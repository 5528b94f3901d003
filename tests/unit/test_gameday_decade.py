"""A decade of game days in eight zones, against a slow oracle that shares no code with the package."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chaosdrill.gamedays.calendar import (
    Blackout,
    Calendar,
    FreezeCalendar,
    GameDay,
    HolidaySource,
    Schedule,
    Window,
)
from chaosdrill.gamedays.calendar_verdict import verdict_of
from chaosdrill.gamedays.instants import planned_instants
from tests import gameday_oracle as oracle

FIRST, DAY = date(2027, 1, 1), timedelta(days=1)
SHORT_REVIEWED, LONG_REVIEWED = date(2028, 6, 30), date(2034, 6, 30)  # within the years that are compared
# clocks that change at midnight, by half an hour, in the south, at other hours, and never
ZONES = [
    "Asia/Tokyo", "America/New_York", "Europe/London", "Australia/Lord_Howe",
    "Africa/Cairo", "America/Santiago", "Asia/Beirut", "Asia/Kolkata",
]  # fmt: skip
DAYS_OF_CRON = [
    "* * SUN#2", "* * SUN", "* 3,4,10,11 SUN,FRI", "1 * *", "L * *", "13 * FRI", "5-9 * MON", "25 1,7 *", "* 10,11,3 *",
]  # fmt: skip
# all-day on the last Saturdays of the year, an hour of UTC on each first day of a month, a week from noon in Tokyo
FREEZES = """\
BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//test//EN\r
BEGIN:VEVENT\r
UID:1\r
DTSTART;VALUE=DATE:20261205\r
RRULE:FREQ=YEARLY;BYMONTH=12;BYDAY=SA\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:2\r
DTSTART:20260101T170000Z\r
DURATION:PT1H\r
RRULE:FREQ=MONTHLY\r
EXDATE:20270301T170000Z\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:3\r
DTSTART;TZID=Asia/Tokyo:20260901T120000\r
DTEND;TZID=Asia/Tokyo:20260908T120000\r
RRULE:FREQ=YEARLY;COUNT=5\r
END:VEVENT\r
END:VCALENDAR\r
"""


def _frozen(at: datetime, local: datetime) -> bool:
    tokyo = oracle.clock(at, ZoneInfo("Asia/Tokyo"))
    return (
        (local.month == 12 and local.weekday() == 5)
        or (at.day == 1 and at.hour == 17 and at.date() != date(2027, 3, 1))
        or (tokyo.year <= 2030 and datetime(tokyo.year, 9, 1, 12) <= tokyo < datetime(tokyo.year, 9, 8, 12))
    )


FROZEN = {"releases": oracle.Frozen(_frozen)}
BANK = HolidaySource("bank", "country", "JP", date(2040, 1, 1), ("public", "bank"))
BLACKOUTS = {
    one.name: one
    for one in (
        Blackout("year-end", dates=((date(2027, 12, 24), date(2028, 1, 4)), (date(2030, 5, 1), date(2030, 5, 1)))),
        Blackout("batch", weekly=(("fri", time(22), time(2, 30)), ("sun", time(1), time(1, 45)))),
        Blackout("fridays", weekly=(("fri", time(0), time(0)),)),
        Blackout("month-end", month_end_days=3),
        Blackout("gotobi", gotobi=True),
        Blackout("gotobi-before", gotobi=True, gotobi_shift="before", holidays=("all",)),
        Blackout("gotobi-after", gotobi=True, gotobi_shift="after", holidays=("all",)),
        Blackout("holidays", holidays=("bank",)),
        Blackout("freezes", freezes=("releases",)),
    )
}


def calendar(reviewed: date) -> Calendar:
    """The calendar, whose holidays are reviewed until a day; those that shift gotobi days longer."""
    holidays = {"bank": replace(BANK, reviewed_until=reviewed), "all": replace(BANK, name="all")}
    freezes = {"releases": FreezeCalendar("releases", Path("releases.ics"), FREEZES)}
    return Calendar(Path("gamedays.yaml"), {}, BLACKOUTS, holidays, freezes)


def game_days(seed: int, number: int) -> Iterator[GameDay]:
    """Game days whose times lie where clocks change, in turn in each zone, with each blackout in turn."""
    chosen = random.Random(seed)
    for count in range(number):
        hour, minute = chosen.choice([0, 0, 1, 1, 2, 2, 3, 23]), chosen.choice([0, 15, 30, 45, 59])
        cron = f"{minute} {hour} {DAYS_OF_CRON[(count + seed) % len(DAYS_OF_CRON)]}"
        schedule = Schedule(ZoneInfo(ZONES[count % len(ZONES)]), cron)
        window = Window(
            time(chosen.choice([0, 1, 2, 22, 23]), chosen.choice([0, 30])), time(chosen.choice([2, 3, 4]), 0)
        )
        blackouts = tuple(list(BLACKOUTS)[(count + step) % len(BLACKOUTS)] for step in (0, 2, 5))
        yield GameDay(
            f"drill-{count}", "Drill", "sre", Path("e.yaml"), None, schedule, window,
            float(chosen.choice([15, 45, 90, 120, 180])), blackouts=blackouts,
        )  # fmt: skip


def edges(game_day: GameDay, first: date, last: date, reviewed: date, seed: int, number: int) -> list[datetime]:
    """Instants, UTC, at which what forbids a drill changes, a minute before and after, and some at random."""
    chosen, zone = random.Random(seed), game_day.schedule.zone
    days = (last - first).days
    moments = [
        datetime.combine(first, time()) + timedelta(minutes=chosen.randrange(days * 1440)) for _ in range(number)
    ]
    moments += [datetime(2027, 3, 1, 17), datetime(2027, 4, 1, 17)]  # of a series, the first one left out
    at = datetime.combine(first, time())
    while at.date() < last:
        if oracle.clock(at, zone) - at != oracle.clock(at + DAY, zone) - at - DAY:
            moments += [at + timedelta(minutes=30 * half) for half in range(-6, 54)]
        at += DAY
    times = [time(0), time(1), time(1, 45), time(2, 30), time(22), game_day.window.earliest, game_day.window.latest_end]
    for _ in range(number):
        day = first + chosen.randrange(1, days) * DAY
        if chosen.random() < 0.5:  # what lasts for days begins and ends here more often
            known = [date(day.year, 12, 24), date(day.year, 9, 1), date(day.year, 9, 8), day.replace(day=1)]
            day = chosen.choice([*known, reviewed, reviewed + DAY])
        local = datetime.combine(day, chosen.choice(times))
        offset = chosen.choice([timedelta(0), timedelta(hours=12), timedelta(hours=17)])
        edge = oracle.first_instant(local, zone) if chosen.random() < 0.7 else datetime.combine(day, time()) + offset
        lasts = chosen.choice([0, game_day.worst_case_min])
        moments.append(edge - timedelta(minutes=lasts) + timedelta(minutes=chosen.choice([-1, 0, 1])))
    return moments


def ms(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp()) * 1000


def differences(game_day: GameDay, days: int, reviewed: date, seed: int, number: int) -> tuple[int, list[Any]]:
    """Compare the package with the oracle over so many days.

    :param number: how many instants are tried beside the planned ones.
    :returns: how many occurrences there are, and each difference.
    """
    zone, last = game_day.schedule.zone, FIRST + (days - 1) * DAY
    begin, end = (oracle.first_instant(datetime.combine(one, time()), zone) for one in (FIRST, last + DAY))
    expected = [one for one in oracle.planned(game_day, FIRST, last) if one < end]
    found = planned_instants(game_day.schedule, ms(begin), ms(end))
    different: list[Any] = sorted({ms(one) for one in expected} ^ set(found))
    for at in [*expected[:: 1 + len(expected) // number], *edges(game_day, FIRST, last, reviewed, seed, number)]:
        reasons = verdict_of(calendar(reviewed), game_day, ms(at)).reasons
        codes = {(one.rule, one.code) for one in reasons if one.code}
        refused = oracle.refusals(game_day, BLACKOUTS, FROZEN, reviewed, at)
        if codes != refused:
            different.append((at, codes, refused, [str(one.text) for one in reasons]))
    return len(expected), different


@pytest.mark.long
def test_two_years_of_eight_zones_are_as_the_oracle_says() -> None:
    for game_day in game_days(1, 9):
        count, different = differences(game_day, 730, SHORT_REVIEWED, 1, 30)
        assert (count > 0, different) == (True, []), game_day


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_a_decade_of_twenty_game_days_is_as_the_oracle_says(seed: int) -> None:
    for game_day in game_days(1000 + seed, 20):
        count, different = differences(game_day, 3653, LONG_REVIEWED, seed, 200)
        assert (count > 0, different) == (True, []), game_day
