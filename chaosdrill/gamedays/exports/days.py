"""The fields of a cron expression, as sets of days that each engine can express or not. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

EVERY_DAY = frozenset(range(1, 32))
EVERY_WEEKDAY = frozenset(range(7))
LAST = -1  # the last one of a month


@dataclass(frozen=True)
class DaySet:
    """Days of a month: those that match each field which is not empty; without any every day.

    :param days: days of the month, from 1.
    :param weekdays: 0 is Sunday.
    :param last_day: the last day of the month only.
    :param nth: one weekday, and which one of the month it is: from 1, or :data:`LAST`.
    """

    days: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    last_day: bool = False
    nth: tuple[int, int] | None = None


@dataclass(frozen=True)
class CronFields:
    """A cron expression: at these minutes of these hours, on the days of each month that are in any of the sets.

    :param day_sets: None when the days cannot be written as such sets, such as the last working day of a month.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    day_sets: tuple[DaySet, ...] | None


def cron_fields(expression: str) -> CronFields:
    """Parse a cron expression of a calendar, with five fields.

    Day-of-month and day-of-week mean one or the other, unless one of them begins with ``*``.

    :source: https://github.com/cuu508/cronsim
    """
    from datetime import datetime

    from cronsim import CronSim

    parsed = CronSim(expression, datetime(2000, 1, 1))
    return CronFields(
        tuple(sorted(parsed.minutes)),
        tuple(sorted(parsed.hours)),
        tuple(sorted(parsed.months)),
        _day_sets(parsed.days, parsed.weekdays, parsed.day_and),
    )


def _day_sets(days: Iterable[int], weekdays: Iterable[int | tuple[int, int]], both: bool) -> tuple[DaySet, ...] | None:
    from cronsim import CronSim

    numbers = frozenset(day for day in days if day > 0)
    plain = frozenset(day % 7 for day in weekdays if isinstance(day, int))
    every_day, every_weekday = numbers >= EVERY_DAY, plain >= EVERY_WEEKDAY
    if CronSim.LAST_WEEKDAY in days:
        return None
    by_date = [DaySet(days=tuple(sorted(numbers)))] if numbers else []
    by_date += [DaySet(last_day=True)] if CronSim.LAST in days else []
    by_weekday = [DaySet(weekdays=tuple(sorted(plain)))] if plain else []
    for day in sorted(one for one in weekdays if isinstance(one, tuple)):
        by_weekday.append(DaySet(nth=(day[0] % 7, LAST if day[1] == CronSim.LAST else day[1])))
    if not both:
        return (DaySet(),) if every_day or every_weekday else (*by_date, *by_weekday)
    if every_day:
        return (DaySet(),) if every_weekday else tuple(by_weekday)
    if every_weekday:
        return tuple(by_date)
    if by_date == [DaySet(days=tuple(sorted(numbers)))] and by_weekday == [DaySet(weekdays=tuple(sorted(plain)))]:
        return (DaySet(days=tuple(sorted(numbers)), weekdays=tuple(sorted(plain))),)
    return None
