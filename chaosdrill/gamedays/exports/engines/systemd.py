"""systemd: the expressions of ``OnCalendar=``, and when a timer elapses.

A time that the clock skips is not run (https://github.com/systemd/systemd/issues/5595); of one that it repeats the
first is run (https://github.com/systemd/systemd/issues/8647). A timer that is started between the two runs the second
one: the occurrence is claimed by then, so that no drill follows.

:source: https://www.freedesktop.org/software/systemd/man/latest/systemd.time.html#Calendar%20Events,
    https://github.com/systemd/systemd/blob/v252/src/shared/calendarspec.c
"""

import calendar
from collections.abc import Iterable, Iterator
from datetime import date, time
from zoneinfo import ZoneInfo

from chaosdrill.gamedays.calendar import Schedule
from chaosdrill.gamedays.exports.days import LAST, DaySet, cron_fields
from chaosdrill.gamedays.exports.engines.local_time import days_between, first_instant

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def expressions(schedule: Schedule, from_ms: int) -> tuple[str, ...] | None:
    """Write a schedule as values of ``OnCalendar=``, one for each set of days."""
    if not schedule.cron:
        return tuple(f"{at:%Y-%m-%d %H:%M:%S} {schedule.zone}" for at in schedule.times)
    fields = cron_fields(schedule.cron)
    if fields.day_sets is None:
        return None
    month = "*" if len(fields.months) == 12 else _listed(fields.months)
    at = f"{_listed(fields.hours)}:{_listed(fields.minutes)}:00 {schedule.zone}"
    return tuple(f"{weekdays}*-{month}{day} {at}" for weekdays, day in map(_days, fields.day_sets))


def _days(one: DaySet) -> tuple[str, str]:
    """Write a set of days as weekdays and days of the month."""
    if one.nth:
        weekday, number = one.nth
        first = 7 * number - 6
        last = "~07/1" if number == LAST else f"-{first:02}..{min(first + 6, 31):02}"
        return f"{_WEEKDAYS[weekday]} ", last
    weekdays = ",".join(_WEEKDAYS[day] for day in one.weekdays)
    day = "~01" if one.last_day else f"-{_listed(one.days) or '*'}"
    return f"{weekdays} " if weekdays else "", day


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(f"{number:02}" for number in numbers)


def instants(expression: str, zone: ZoneInfo, from_ms: int, until_ms: int) -> Iterator[int]:
    """Iterate over the instants, in milliseconds, at which a timer elapses."""
    *weekdays, days, at, named = expression.split()
    assert named == str(zone), expression
    hours, minutes, _ = at.split(":")
    times = [time(hour, minute) for hour in _numbers(hours, range(24)) for minute in _numbers(minutes, range(60))]
    for one in days_between(zone, from_ms - 1, until_ms):
        if _is_on(one, days) and (not weekdays or _WEEKDAYS[one.isoweekday() % 7] in weekdays[0].split(",")):
            found = sorted(ms for at in times if (ms := first_instant(one, at, zone)) is not None)
            yield from (ms for ms in found if from_ms <= ms < until_ms)


def _numbers(field: str, every: Iterable[int]) -> list[int]:
    if ".." in field:
        first, last = map(int, field.split(".."))
        return list(range(first, last + 1))
    return list(every) if field == "*" else sorted(map(int, field.split(",")))


def _is_on(one: date, days: str) -> bool:
    """Tell whether a day matches year, month and day; a day after ``~`` counts from the end of the month."""
    year, _, rest = days.partition("-")
    if year not in ("*", str(one.year)):
        return False
    month, sign, day = rest.partition("~") if "~" in rest else rest.partition("-")
    if one.month not in _numbers(month, range(1, 13)):
        return False
    if sign == "-":
        return one.day in _numbers(day, range(1, 32))
    from_end = calendar.monthrange(one.year, one.month)[1] - one.day + 1
    return from_end <= int(day[:-2]) if day.endswith("/1") else from_end == int(day)
