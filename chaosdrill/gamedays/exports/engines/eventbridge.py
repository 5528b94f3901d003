"""EventBridge Scheduler: its cron and at expressions, and when it invokes a target.

A time that the clock skips is not run; one that it repeats is run once, before the clock is set back. Day-of-month
and day-of-week exclude each other, so one schedule of a calendar may need several expressions. The year is written, so
that no default is needed.

:source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time
"""

import calendar
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chaosdrill.gamedays.calendar import Schedule
from chaosdrill.gamedays.exports.days import LAST, DaySet, cron_fields
from chaosdrill.gamedays.exports.engines.local_time import days_between, first_instant


def expressions(schedule: Schedule, from_ms: int) -> tuple[str, ...] | None:
    """Write a schedule as ``ScheduleExpression``. Single times that have passed are left out: they would be refused."""
    if not schedule.cron:
        now = datetime.fromtimestamp(from_ms / 1000, schedule.zone).replace(tzinfo=None)
        return tuple(f"at({at:%Y-%m-%dT%H:%M:%S})" for at in schedule.times if at >= now)
    fields = cron_fields(schedule.cron)
    if fields.day_sets is None or any(one.days and one.weekdays for one in fields.day_sets):
        return None
    month = "*" if len(fields.months) == 12 else _listed(fields.months)
    begin = f"{_listed(fields.minutes)} {_listed(fields.hours)}"
    return tuple(f"cron({begin} {day} {month} {weekday} *)" for day, weekday in map(_days, fields.day_sets))


def _days(one: DaySet) -> tuple[str, str]:
    """Write a set of days as day-of-month and day-of-week; Sunday is 1."""
    if one.nth:
        weekday, number = one.nth
        return "?", f"{weekday + 1}L" if number == LAST else f"{weekday + 1}#{number}"
    if one.weekdays:
        return "?", _listed(day + 1 for day in one.weekdays)
    return "L" if one.last_day else _listed(one.days) or "*", "?"


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def instants(expression: str, zone: ZoneInfo, from_ms: int, until_ms: int) -> Iterator[int]:
    """Iterate over the instants, in milliseconds, at which a schedule invokes its target."""
    if single := re.fullmatch(r"at\((.+)\)", expression):
        at = datetime.fromisoformat(single[1])
        yield from _between([first_instant(at.date(), at.time(), zone)], from_ms, until_ms)
        return
    read = re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) \*\)", expression)
    assert read, expression
    minutes, hours, day, month, weekday = read.groups()
    times = [time(hour, minute) for hour in _numbers(hours, range(24)) for minute in _numbers(minutes, range(60))]
    months = _numbers(month, range(1, 13))
    for one in days_between(zone, from_ms - 1, until_ms):
        if one.month in months and _is_on(one, day, weekday):
            yield from _between((first_instant(one, at, zone) for at in times), from_ms, until_ms)


def _between(found: Iterable[int | None], from_ms: int, until_ms: int) -> list[int]:
    return sorted(at for at in found if at is not None and from_ms <= at < until_ms)


def _numbers(field: str, every: range) -> list[int]:
    return list(every) if field == "*" else sorted(map(int, field.split(",")))


def _is_on(one: date, day: str, weekday: str) -> bool:
    """Tell whether a day matches; one of both fields is ``?``."""
    assert (day == "?") != (weekday == "?"), (day, weekday)
    if weekday == "?":
        last = calendar.monthrange(one.year, one.month)[1]
        return one.day == last if day == "L" else one.day in _numbers(day, range(1, 32))
    number = one.isoweekday() % 7 + 1
    if weekday.endswith("L"):
        return number == int(weekday[:-1]) and (one + timedelta(days=7)).month != one.month
    if "#" in weekday:
        named, nth = map(int, weekday.split("#"))
        return number == named and (one.day - 1) // 7 + 1 == nth
    return number in _numbers(weekday, range(1, 8))
