"""A Kubernetes CronJob: its schedule, and when its controller creates a Job.

The controller parses ``schedule`` with robfig/cron v3 and asks it for the next instant after the last one. That walks
through the fields of the local time: a time that the clock skips is not run, one that it repeats is run twice
(https://github.com/kubernetes/kubernetes/issues/121594), and where the clock jumps at midnight, or by half an hour,
other times of that day may be missed or moved to the next day. So it is simulated step by step.

:source: https://github.com/robfig/cron/blob/v3.0.1/doc.go ("jobs scheduled during daylight-savings leap-ahead
    transitions will not be run"), https://github.com/robfig/cron/blob/v3.0.1/spec.go and
    https://github.com/robfig/cron/blob/v3.0.1/parser.go, as vendored in https://github.com/kubernetes/kubernetes
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from chaosdrill.gamedays.calendar import Schedule
from chaosdrill.gamedays.exports.days import EVERY_DAY, EVERY_WEEKDAY, DaySet, cron_fields

_HOUR, _MINUTE = 3600, 60
_YEARS = 5  # after so many years without a match the library gives up
_MONTHS = frozenset(range(1, 13))


def expressions(schedule: Schedule, from_ms: int) -> tuple[str, ...] | None:
    """Write a schedule as the ``schedule`` of CronJobs. It has no year: a single time would come again each year."""
    if not schedule.cron:
        return tuple(f"{at.minute} {at.hour} {at.day} {at.month} *" for at in schedule.times)
    fields = cron_fields(schedule.cron)
    days = _days(fields.day_sets)
    if days is None:
        return None
    months = "*" if set(fields.months) == _MONTHS else _listed(fields.months)
    return (f"{_listed(fields.minutes)} {_listed(fields.hours)} {days[0]} {months} {days[1]}",)


def _days(sets: tuple[DaySet, ...] | None) -> tuple[str, str] | None:
    """Write sets of days as day-of-month and day-of-week: one or the other, where both are lists."""
    if sets is None or any(one.last_day or one.nth or (one.days and one.weekdays) for one in sets):
        return None
    days = [day for one in sets for day in one.days]
    weekdays = [day for one in sets for day in one.weekdays]
    return _listed(days) if days else "*", _listed(weekdays) if weekdays else "*"


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


@dataclass(frozen=True)
class _Fields:
    """A schedule as robfig/cron has read it."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both_days: bool

    def matches_day(self, local: datetime) -> bool:
        by_date, by_weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return by_date and by_weekday if self.both_days else by_date or by_weekday


def _parse(expression: str) -> _Fields:
    minutes, hours, days, months, weekdays = expression.split()
    return _Fields(
        _numbers(minutes, frozenset(range(60))),
        _numbers(hours, frozenset(range(24))),
        _numbers(days, EVERY_DAY),
        _numbers(months, _MONTHS),
        _numbers(weekdays, EVERY_WEEKDAY),
        both_days="*" in (days, weekdays),
    )


def _numbers(field: str, every: frozenset[int]) -> frozenset[int]:
    """Read ``*`` or a list of numbers: what :func:`expressions` writes.

    :raises ValueError: when a number is outside the range, which the API server refuses, too.
    """
    found = every if field == "*" else frozenset(map(int, field.split(",")))
    if not found <= every:
        raise ValueError(f"{field}: outside {min(every)}-{max(every)}")
    return found


def instants(expression: str, zone: ZoneInfo, from_ms: int, until_ms: int) -> Iterator[int]:
    """Iterate over the instants, in milliseconds, for which the controller creates a Job."""
    fields, second = _parse(expression), -(-from_ms // 1000) - 1
    while True:
        found = _Walk(fields, zone, second + 1).next()
        if found is None or found * 1000 >= until_ms:
            return
        yield found * 1000
        second = found


class _Walk:
    """The search for the next instant: each step moves one field on until it matches.

    :param second: since 1970, from which on to search.
    """

    def __init__(self, fields: _Fields, zone: ZoneInfo, second: int) -> None:
        self._fields, self._zone, self._second = fields, zone, second
        self._moved = False  # the smaller fields are set back once only, at the first move

    def next(self) -> int | None:
        """Return the second of the next instant; None when there is none within five years."""
        last_year = self._local.year + _YEARS
        while self._local.year <= last_year:
            if not (self._month() or self._day() or self._hour() or self._minute() or self._full_minute()):
                return self._second
        return None

    @property
    def _local(self) -> datetime:
        return datetime.fromtimestamp(self._second, self._zone)

    def _set_back(self, local: datetime, day: int, hour: int = 0) -> None:
        if not self._moved:
            self._moved = True
            self._second = _instant(local.date().replace(day=day), hour * _HOUR, self._zone)

    def _month(self) -> bool:
        """Move to a month that matches; tell whether the year ended, after which everything is checked anew."""
        while (local := self._local).month not in self._fields.months:
            self._set_back(local, 1)
            local = self._local
            month = (local.date().replace(day=1) + timedelta(days=31)).replace(day=1)
            self._second = _instant(month + timedelta(days=local.day - 1), _of_day(local), self._zone)
            if self._local.month == 1:
                return True
        return False

    def _day(self) -> bool:
        """Move to a day that matches; tell whether the month ended. Midnight may not exist."""
        while not self._fields.matches_day(local := self._local):
            self._set_back(local, local.day)
            local = self._local
            self._second = _instant(local.date() + timedelta(days=1), _of_day(local), self._zone)
            hour = self._local.hour
            self._second += (24 - hour if hour > 12 else -hour) * _HOUR
            if self._local.day == 1:
                return True
        return False

    def _hour(self) -> bool:
        """Move to an hour that matches, by whole hours of elapsed time; tell whether the day ended."""
        while (local := self._local).hour not in self._fields.hours:
            self._set_back(local, local.day, local.hour)
            self._second += _HOUR
            if self._local.hour == 0:
                return True
        return False

    def _minute(self) -> bool:
        """Move to a minute that matches, by whole minutes of elapsed time; tell whether the hour ended."""
        while self._local.minute not in self._fields.minutes:
            self._cut()
            self._second += _MINUTE
            if self._local.minute == 0:
                return True
        return False

    def _full_minute(self) -> bool:
        """Move to the begin of a minute; tell whether that moved."""
        if self._second % _MINUTE == 0:
            return False
        self._cut()
        self._second += _MINUTE
        return True

    def _cut(self) -> None:
        self._moved, self._second = True, self._second - self._second % _MINUTE


def _of_day(local: datetime) -> int:
    return local.hour * _HOUR + local.minute * _MINUTE + local.second


def _instant(day: date, of_day: int, zone: ZoneInfo) -> int:
    """Return the second at which Go's ``time.Date`` takes a local time to be.

    Where the clock leaves the time out, or repeats it, that is one of two seconds: the offset is first read as if the
    time were UTC, and once more if that offset does not hold at its result.

    :source: https://pkg.go.dev/time#Date, https://github.com/golang/go/blob/go1.22.0/src/time/time.go
    """
    as_utc = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + of_day
    offset = _offset(as_utc, zone)
    if (second := _offset(as_utc - offset, zone)) != offset:
        offset = second
    return as_utc - offset


def _offset(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    return round(offset.total_seconds()) if offset else 0
