"""When game days take place, slowly: by trying minutes one after the other. It shares no code with the package.

Cron fields are matched against each day, local times are found by trying every offset that zones have, and windows and
blackouts by walking minutes. Holidays are those of jpholiday.
"""

import calendar as months
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import jpholiday

from chaosdrill.gamedays.calendar import Blackout, GameDay

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
# every offset that zones have is a multiple of a quarter of an hour
OFFSETS = [timedelta(minutes=minutes) for minutes in range(-14 * 60, 14 * 60 + 1, 15)]
DAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]


@dataclass(frozen=True)
class Frozen:
    """Periods of a freeze calendar: whether a UTC minute is within one, for a local date and time of the reader."""

    contains: Callable[[datetime, datetime], bool]


def planned(game_day: GameDay, first: date, last: date) -> list[datetime]:
    """List the planned instants, UTC, of the local days from ``first`` to ``last``."""
    zone, found = game_day.schedule.zone, set()
    for number in range((last - first).days + 1):
        for local in _local_times(game_day, first + number * DAY):
            found.add(first_instant(local, zone))
    return sorted(found)


def _local_times(game_day: GameDay, day: date) -> Iterator[datetime]:
    if game_day.schedule.times:
        yield from (one for one in game_day.schedule.times if one.date() == day)
        return
    minute, hour, of_month, month, of_week = game_day.schedule.cron.split()
    if not _in(month, day.month) or not _on(of_month, of_week, day):
        return
    for h in (one for one in range(24) if _in(hour, one)):
        for m in range(60):
            if _in(minute, m):
                yield datetime.combine(day, time(h, m))


def _in(field: str, number: int) -> bool:
    for part in field.split(","):
        begin, _, end = part.partition("-")
        if part == "*" or int(begin) <= number <= int(end or begin):
            return True
    return False


def _on(of_month: str, of_week: str, day: date) -> bool:
    last = months.monthrange(day.year, day.month)[1]
    by_month = day.day == last if of_month == "L" else _in(of_month, day.day)
    name, _, nth = of_week.partition("#")
    by_week = name == "*" or (
        DAYS[day.weekday()] in name.split(",") and (not nth or (day.day - 1) // 7 + 1 == int(nth))
    )
    return by_month and by_week if "*" in (of_month, of_week) else by_month or by_week


def first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the zone's clocks show a time, or the next minute that they show at all."""
    while True:
        shown = [local - offset for offset in OFFSETS if clock(local - offset, zone) == local]
        if shown:
            return min(shown)
        local += MINUTE


def clock(at: datetime, zone: ZoneInfo) -> datetime:
    """What a zone's clocks show at an instant; both without a zone."""
    return at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


def refusals(
    game_day: GameDay, blackouts: dict[str, Blackout], frozen: dict[str, Frozen], reviewed: date, at: datetime
) -> set[tuple[str, str]]:
    """What forbids a drill that begins at an instant, UTC: each rule with its code."""
    zone = game_day.schedule.zone
    minutes = [at + number * MINUTE for number in range(int(game_day.worst_case_min))]
    local = [clock(one, zone) for one in minutes]
    found = set() if _within_window(game_day, minutes) else {("window", "outside-window")}
    for name in game_day.blackouts:
        codes = _of_blackout(blackouts[name], frozen, reviewed, zone, minutes, local)
        found |= {(f"blackout {name}", code) for code in codes}
    return found


def _within_window(game_day: GameDay, minutes: list[datetime]) -> bool:
    """Walk each window that may have the first minute, from where it opens to where it closes."""
    window, zone = game_day.window, game_day.schedule.zone
    for day in (clock(minutes[0], zone).date() - DAY, clock(minutes[0], zone).date()):
        begin = datetime.combine(day, window.earliest)
        end = datetime.combine(day if window.latest_end > window.earliest else day + DAY, window.latest_end)
        opens, closes = _first_showing(begin, zone), _first_showing(end, zone)
        if opens <= minutes[0] and minutes[-1] < closes:
            return True
    return False


@cache
def _first_showing(local: datetime, zone: ZoneInfo) -> datetime:
    """The first minute at which the clocks show a time or a later one: they have not shown it a day before."""
    at = local - timedelta(hours=15)
    while clock(at, zone) < local:
        at += timedelta(minutes=15)
    at -= timedelta(minutes=15)
    while clock(at, zone) < local:
        at += MINUTE
    return at


def _of_blackout(
    blackout: Blackout, frozen: dict[str, Frozen], reviewed: date, zone: ZoneInfo,
    minutes: list[datetime], local: list[datetime],
) -> set[str]:  # fmt: skip
    days = {one.date() for one in local}
    hit = any(first <= day <= last for first, last in blackout.dates for day in days)
    hit |= any(_from_month_end(day) < blackout.month_end_days for day in days)
    for weekday, begin, end in blackout.weekly:
        hit |= any(_in_weekly(weekday.upper(), begin, end, one, zone) for one in minutes)
    for name in blackout.freezes:
        hit |= any(frozen[name].contains(one, shown) for one, shown in zip(minutes, local, strict=True))
    codes = {"blackout"} if hit else set()
    if blackout.gotobi and blackout.gotobi_shift == "none":
        return codes | ({"blackout"} if any(_is_gotobi(day) for day in days) else set())
    if blackout.gotobi:
        return codes | ({"blackout"} if days & _shifted(min(days), blackout.gotobi_shift) else set())
    for day in days if blackout.holidays else ():
        if day > reviewed:
            codes.add("holidays-not-reviewed")
        elif is_holiday(day):
            codes.add("blackout")
    return codes


def _from_month_end(day: date) -> int:
    return months.monthrange(day.year, day.month)[1] - day.day


@cache
def _weekly_minutes(
    weekday: str, begin: time, end: time, day: date, zone: ZoneInfo
) -> tuple[datetime, datetime] | None:
    """The first and the last minute of the period that begins on a day, by the clocks."""
    if DAYS[day.weekday()] != weekday:
        return None
    last = datetime.combine(day if end > begin else day + DAY, end)
    first = datetime.combine(day, begin)
    offset = clock(first, zone) - first  # within an hour or two of what it is then
    at, inside = first - offset - timedelta(hours=3), []
    while at < last - offset + timedelta(hours=3):
        if first <= clock(at, zone) < last:
            inside.append(at)
        at += MINUTE
    return (inside[0], inside[-1]) if inside else None


def _in_weekly(weekday: str, begin: time, end: time, at: datetime, zone: ZoneInfo) -> bool:
    day = clock(at, zone).date()
    periods = [_weekly_minutes(weekday, begin, end, one, zone) for one in (day - DAY, day, day + DAY)]
    return any(period is not None and period[0] <= at <= period[1] for period in periods)


@cache
def is_holiday(day: date) -> bool:
    """Whether a day is a holiday of Japan's banks."""
    return jpholiday.is_holiday(day) or (day.month, day.day) in ((12, 31), (1, 1), (1, 2), (1, 3))


def _is_gotobi(day: date) -> bool:
    return day.day in (5, 10, 15, 20, 25, 30) or _from_month_end(day) == 0


@cache
def _shifted(near: date, shift: str) -> set[date]:
    """Where the gotobi days within 40 days go that are no business days."""
    found = set()
    for number in range(-40, 41):
        day = near + number * DAY
        if _is_gotobi(day):
            while day.weekday() >= 5 or is_holiday(day):
                day += DAY if shift == "after" else -DAY
            found.add(day)
    return found
