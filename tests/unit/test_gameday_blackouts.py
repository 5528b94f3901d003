"""The calendar's verdict: windows, blackouts, holidays and freeze calendars, at their edges."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jpholiday
import pytest

from chaosdrill.gamedays.blackouts import Interval, reasons_against
from chaosdrill.gamedays.calendar import (
    Blackout,
    Calendar,
    FreezeCalendar,
    GameDay,
    HolidaySource,
    Schedule,
    Window,
)
from chaosdrill.gamedays.calendar_verdict import CalendarVerdict, verdict_of
from chaosdrill.gamedays.freezes import UnreadableFreezes, freezes_between
from chaosdrill.gamedays.holiday_dates import holidays_of

TOKYO, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
BANK = HolidaySource("bank", "country", "JP", date(2040, 12, 31), ("public", "bank"))
ALL_DAY = Window(time(18), time(18))


def ms(text: str, zone: ZoneInfo = TOKYO, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp() * 1000)


def verdict(
    begin: str, minutes: float, *, zone: ZoneInfo = TOKYO, window: Window = ALL_DAY, fold: int = 0, **blackout: Any
) -> CalendarVerdict:
    """The verdict on a drill that begins at a local time, with one blackout when there is any."""
    blackouts = {"it": Blackout("it", **blackout)} if blackout else {}
    game_day = GameDay(
        "drill", "Drill", "sre", Path("e.yaml"), None, Schedule(zone, "0 2 * * *"), window, minutes,
        blackouts=tuple(blackouts),
    )  # fmt: skip
    calendar = Calendar(Path("gamedays.yaml"), {"drill": game_day}, blackouts, {"bank": BANK})
    return verdict_of(calendar, game_day, ms(begin, zone, fold))


@pytest.mark.parametrize(
    ("begin", "minutes", "allowed"),
    [
        ("2027-01-10T22:00", 60, True),
        ("2027-01-10T21:59", 60, False),
        ("2027-01-11T02:00", 60, True),  # ends when the window does
        ("2027-01-11T02:00", 61, False),
        ("2027-01-11T02:01", 60, False),
        ("2027-01-10T22:00", 300, True),
        ("2027-01-10T22:00", 301, False),
        ("2027-01-11T12:00", 1, False),
    ],
)
def test_the_whole_drill_is_within_the_window_that_ends_on_the_next_day(
    begin: str, minutes: float, allowed: bool
) -> None:
    found = verdict(begin, minutes, window=Window(time(22), time(3)))
    assert (found.allowed, found.code) == (allowed, "" if allowed else "outside-window")


def test_a_window_is_as_long_as_the_clocks_make_it() -> None:
    """From 01:00 to 04:00 are two hours when clocks are set forward, and four when they are set back."""
    window = Window(time(1), time(4))
    assert verdict("2027-03-14T01:00", 120, zone=NEW_YORK, window=window).allowed
    assert not verdict("2027-03-14T01:00", 121, zone=NEW_YORK, window=window).allowed
    assert verdict("2027-11-07T01:00", 240, zone=NEW_YORK, window=window).allowed
    assert not verdict("2027-11-07T01:00", 241, zone=NEW_YORK, window=window).allowed


def test_a_drill_that_begins_late_is_judged_from_its_start() -> None:
    game_day = GameDay(
        "drill", "Drill", "sre", Path("e.yaml"), None, Schedule(TOKYO, "0 2 * * *"), Window(time(1), time(5)), 90
    )
    calendar = Calendar(Path("gamedays.yaml"), {"drill": game_day})
    planned = ms("2027-01-10T02:00")
    assert verdict_of(calendar, game_day, planned, start_ms=planned + 90 * 60_000).allowed
    assert verdict_of(calendar, game_day, planned, start_ms=planned + 91 * 60_000).code == "outside-window"


@pytest.mark.parametrize(
    ("blackout", "begin", "minutes", "allowed"),
    [
        ({"dates": ((date(2027, 1, 4), date(2027, 1, 5)),)}, "2027-01-03T23:00", 60, True),
        ({"dates": ((date(2027, 1, 4), date(2027, 1, 5)),)}, "2027-01-03T23:00", 61, False),  # ends on a forbidden day
        ({"dates": ((date(2027, 1, 4), date(2027, 1, 5)),)}, "2027-01-05T23:59", 1, False),
        ({"dates": ((date(2027, 1, 4), date(2027, 1, 5)),)}, "2027-01-06T00:00", 1, True),
        ({"weekly": (("sat", time(22), time(4)),)}, "2027-01-09T21:00", 60, True),
        ({"weekly": (("sat", time(22), time(4)),)}, "2027-01-09T21:00", 61, False),
        ({"weekly": (("sat", time(22), time(4)),)}, "2027-01-10T03:59", 1, False),  # a Sunday, until 04:00
        ({"weekly": (("sat", time(22), time(4)),)}, "2027-01-10T04:00", 1, True),
        ({"weekly": (("sat", time(0), time(0)),)}, "2027-01-09T12:00", 1, False),  # the whole day
        ({"weekly": (("sat", time(12), time(13)),)}, "2027-01-09T10:00", 240, False),  # lasts over it
        ({"month_end_days": 2}, "2027-02-26T23:59", 1, True),
        ({"month_end_days": 2}, "2027-02-27T00:00", 1, False),
        ({"month_end_days": 2}, "2027-02-28T23:59", 1, False),
        ({"month_end_days": 2}, "2027-03-01T00:00", 1, True),
        ({"month_end_days": 1}, "2028-02-28T12:00", 1, True),  # a leap year
        ({"holidays": ("bank",)}, "2027-03-22T12:00", 1, False),  # a substitute holiday
        ({"holidays": ("bank",)}, "2027-12-31T12:00", 1, False),  # of banks only
        ({"holidays": ("bank",)}, "2027-03-23T12:00", 1, True),
        # gotobi: days that are multiples of five, and the end of the month
        ({"gotobi": True}, "2027-01-15T12:00", 1, False),
        ({"gotobi": True}, "2027-01-16T12:00", 1, True),
        ({"gotobi": True}, "2027-01-31T12:00", 1, False),  # a Sunday, and no shift
        ({"gotobi": True}, "2027-02-28T12:00", 1, False),
        # Sunday 10 January 2027, and Monday 11 January is a holiday
        ({"gotobi": True, "gotobi_shift": "before", "holidays": ("bank",)}, "2027-01-08T12:00", 1, False),
        ({"gotobi": True, "gotobi_shift": "before", "holidays": ("bank",)}, "2027-01-10T12:00", 1, True),
        ({"gotobi": True, "gotobi_shift": "after", "holidays": ("bank",)}, "2027-01-08T12:00", 1, True),
        ({"gotobi": True, "gotobi_shift": "after", "holidays": ("bank",)}, "2027-01-11T12:00", 1, True),
        ({"gotobi": True, "gotobi_shift": "after", "holidays": ("bank",)}, "2027-01-12T12:00", 1, False),
        ({"gotobi": True, "gotobi_shift": "after"}, "2027-01-11T12:00", 1, False),  # knows no holidays
        # the end of January 2027 is a Sunday: the day before is a Saturday
        ({"gotobi": True, "gotobi_shift": "before"}, "2027-01-29T12:00", 1, False),
        ({"gotobi": True, "gotobi_shift": "after"}, "2027-02-01T12:00", 1, False),
    ],
)
def test_a_blackout_forbids_what_touches_it(
    blackout: dict[str, Any], begin: str, minutes: float, allowed: bool
) -> None:
    found = verdict(begin, minutes, **blackout)
    assert (found.allowed, found.code) == (allowed, "" if allowed else "blackout")


def test_a_weekly_blackout_covers_a_repeated_hour_both_times() -> None:
    blackout = {"weekly": (("sun", time(1), time(1, 30)),)}
    for fold in (0, 1):
        assert not verdict("2027-11-07T01:10", 1, zone=NEW_YORK, fold=fold, **blackout).allowed
    assert not verdict("2027-11-07T01:40", 1, zone=NEW_YORK, **blackout).allowed, "between the two"
    assert verdict("2027-11-07T01:40", 1, zone=NEW_YORK, fold=1, **blackout).allowed


def test_a_weekly_blackout_that_the_clocks_skip_forbids_nothing() -> None:
    blackout = {"weekly": (("sun", time(2), time(2, 45)),)}
    assert verdict("2027-03-14T01:30", 60, zone=NEW_YORK, **blackout).allowed
    assert not verdict("2027-03-21T01:30", 60, zone=NEW_YORK, **blackout).allowed


def test_days_that_no_person_has_reviewed_are_refused() -> None:
    calendar = Calendar(Path("g"), {}, holidays={"bank": replace(BANK, reviewed_until=date(2027, 1, 8))})

    def codes(day: str, **blackout: Any) -> list[str]:
        begin = ms(f"{day}T12:00")
        found = reasons_against(
            calendar, Blackout("it", holidays=("bank",), **blackout), Interval(begin, begin + 1, TOKYO)
        )
        return [one.code for one in found]

    assert codes("2027-01-08") == []
    assert codes("2027-01-09") == ["holidays-not-reviewed"]
    shifted = {"gotobi": True, "gotobi_shift": "before"}
    assert codes("2027-01-07", **shifted) == []
    assert codes("2027-01-08", **shifted) == ["blackout"], "Sunday 10 January goes there, and a weekend needs no review"
    assert codes("2027-01-12", **shifted) == ["holidays-not-reviewed"]


def test_every_reason_is_given_and_those_that_forbid_come_first() -> None:
    found = verdict("2027-01-15T12:00", 60, window=Window(time(13), time(14)), gotobi=True, month_end_days=20)
    assert [one.code for one in found.reasons] == ["outside-window", "blackout", "blackout"]
    allowed = verdict("2027-01-16T12:00", 60, gotobi=True)
    assert [(one.code, one.rule) for one in allowed.reasons] == [("", "window"), ("", "blackout it")]


def test_the_holidays_of_japan_are_those_of_a_second_source() -> None:
    """Until 2030: the year that every source computes alike. Of banks also 31 December to 3 January."""
    for year in range(2020, 2031):
        public = {day for day, _ in jpholiday.year_holidays(year)}
        new_year = {date(year, 12, 31), *(date(year, 1, day) for day in (1, 2, 3))}
        assert set(holidays_of(BANK, year)) == public | new_year, year


ICS = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n{events}END:VCALENDAR\r\n"


def ics(*events: str) -> str:
    whole = "".join(f"BEGIN:VEVENT\r\nUID:{number}\r\n{one}END:VEVENT\r\n" for number, one in enumerate(events))
    return ICS.format(events=whole)


def event(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def frozen(text: str, begin: str, minutes: float = 1, zone: ZoneInfo = TOKYO) -> bool:
    begin_ms = ms(begin, zone)
    return bool(freezes_between(text, zone, begin_ms, begin_ms + round(minutes * 60_000)))


@pytest.mark.parametrize(
    ("lines", "touched", "free"),
    [
        # all-day: in the zone of the game day; the end is exclusive
        (["DTSTART;VALUE=DATE:20270110", "DTEND;VALUE=DATE:20270112"],
         ["2027-01-10T00:00", "2027-01-11T23:59"], ["2027-01-09T23:59", "2027-01-12T00:00"]),
        (["DTSTART;VALUE=DATE:20270110"], ["2027-01-10T23:59"], ["2027-01-11T00:00"]),
        (["DTSTART:20270110T000000Z", "DURATION:PT1H"], ["2027-01-10T09:00", "2027-01-10T09:59"],
         ["2027-01-10T08:59", "2027-01-10T10:00"]),
        (["DTSTART:20270110T120000", "DTEND:20270110T130000"], ["2027-01-10T12:30"], ["2027-01-10T13:00"]),  # floating
        (["DTSTART;TZID=America/New_York:20270110T120000", "DURATION:PT1H"],
         ["2027-01-11T02:30"], ["2027-01-11T03:00"]),
        (["DTSTART;VALUE=DATE:20200104", "RRULE:FREQ=WEEKLY;BYDAY=SA"], ["2027-01-09T12:00"], ["2027-01-10T12:00"]),
        (["DTSTART;VALUE=DATE:20200104", "RRULE:FREQ=WEEKLY;UNTIL=20270108"],
         ["2027-01-02T12:00"], ["2027-01-09T12:00"]),
        (["DTSTART:20270102T000000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"],
         ["2027-01-04T09:30"], ["2027-01-05T09:30"]),
        (["DTSTART:20270102T000000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", "EXDATE:20270105T000000Z"],
         ["2027-01-06T09:30"], ["2027-01-05T09:30"]),
        (["DTSTART:20270102T000000Z", "DURATION:PT1H", "RDATE;VALUE=PERIOD:20270201T000000Z/PT3H"],
         ["2027-01-02T09:30", "2027-02-01T11:59"], ["2027-02-01T12:00"]),
        (["DTSTART:20270102T000000Z", "DURATION:P10D", "RRULE:FREQ=YEARLY"],
         ["2028-01-11T12:00"], ["2028-01-13T12:00"]),
        # a monthly local time of a zone whose clocks change
        (["DTSTART;TZID=Europe/Berlin:20270110T100000", "DURATION:PT1H", "RRULE:FREQ=MONTHLY"],
         ["2027-07-10T17:30"], ["2027-07-10T18:30"]),
        (["DTSTART:20270110T000000Z", "DURATION:PT1H", "TRANSP:TRANSPARENT", "STATUS:TENTATIVE"],
         ["2027-01-10T09:00"], []),
        (["DTSTART:20270110T000000Z", "DURATION:PT1H", "STATUS:CANCELLED"], [], ["2027-01-10T09:00"]),
        (["DTSTART:20270110T000000Z"], ["2027-01-10T09:00"], ["2027-01-10T09:01"]),  # no duration: a moment
    ],
)  # fmt: skip
def test_an_event_freezes_its_periods(lines: list[str], touched: list[str], free: list[str]) -> None:
    text = ics(event(*lines))
    assert [frozen(text, one) for one in touched] == [True] * len(touched)
    assert [frozen(text, one) for one in free] == [False] * len(free)


def test_an_instance_that_was_moved_freezes_its_new_time_only() -> None:
    rule = event("DTSTART:20270102T000000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY")
    moved = event("RECURRENCE-ID:20270105T000000Z", "DTSTART:20270105T060000Z", "DURATION:PT1H")
    text = ics(rule, moved).replace("UID:1", "UID:0")
    assert (frozen(text, "2027-01-05T09:30"), frozen(text, "2027-01-05T15:30")) == (False, True)
    cancelled = ics(rule, moved + event("STATUS:CANCELLED")).replace("UID:1", "UID:0")
    assert (frozen(cancelled, "2027-01-05T09:30"), frozen(cancelled, "2027-01-05T15:30")) == (False, False)


RIGHT = ics(event("DTSTART:20270110T000000Z"))


@pytest.mark.parametrize(
    "text",
    [
        "", "<html>log in</html>", RIGHT[: len(RIGHT) // 2], RIGHT.replace("END:VCALENDAR\r\n", ""),
        RIGHT.replace("END:VEVENT\r\n", ""),
        ics(event("SUMMARY:none")), ics(event("DTSTART:20271310T000000Z")),
        ics(event("DTSTART;TZID=Nowhere/Land:20270110T000000")),
        ics(event("DTSTART:20270110T000000Z", "RRULE:FREQ=OFTEN")),
        ics(event("DTSTART:20270110T000000Z", "RRULE:FREQ=SECONDLY")),
        ics(event("DTSTART:20270110T000000Z", "RRULE:FREQ=DAILY;UNTIL=soon")),
        ics(event("DTSTART:20270110T000000Z", "DTEND:20270109T000000Z")),
        ics(event("DTSTART:20270110T000000Z", "RECURRENCE-ID;RANGE=THISANDFUTURE:20270110T000000Z")),
        ics(event("DTSTART:20270110T000000Z", "no content line")),
    ],
)  # fmt: skip
def test_a_freeze_calendar_that_cannot_be_read_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableFreezes):
        freezes_between(text, TOKYO, ms("2030-01-01T00:00"), ms("2030-01-02T00:00"))


@pytest.mark.parametrize(
    ("content", "codes"),
    [(None, ["freeze-unreadable"]), ("x", ["freeze-unreadable"]), (RIGHT, []), (ICS.format(events=""), [])],
)
def test_what_cannot_be_read_forbids_every_drill(content: str | None, codes: list[str]) -> None:
    calendar = Calendar(Path("g"), {}, freezes={"releases": FreezeCalendar("releases", Path("r.ics"), content)})
    begin = ms("2030-01-01T00:00")
    found = reasons_against(calendar, Blackout("it", freezes=("releases",)), Interval(begin, begin + 60_000, TOKYO))
    assert [one.code for one in found] == codes


def test_the_days_of_an_interval_are_those_of_its_zone() -> None:
    begin = ms("2027-01-10T00:00", TOKYO)
    assert Interval(begin, begin + 60_000, TOKYO).days == [date(2027, 1, 10)]
    assert Interval(begin, begin + 60_000, NEW_YORK).days == [date(2027, 1, 9)]
    day = round(timedelta(days=1).total_seconds() * 1000)
    assert Interval(begin, begin + day, TOKYO).days == [date(2027, 1, 10)]
    assert Interval(begin, begin + day + 1, TOKYO).days == [date(2027, 1, 10), date(2027, 1, 11)]
