"""Which blackouts a drill would touch, from its start to its end in the worst case, and why. Pure."""

import calendar as months
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from chaosdrill.errors import Problem, problem
from chaosdrill.gamedays.calendar import Blackout, Calendar, HolidaySource
from chaosdrill.gamedays.freezes import UnreadableFreezes, freezes_between
from chaosdrill.gamedays.holiday_dates import NotReviewed, holiday_of
from chaosdrill.gamedays.instants import instant_of, local_time

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Interval:
    """From the start of a drill to its end in the worst case, which is exclusive, in the zone of its game day.

    :param begin_ms: milliseconds since 1970, UTC.
    """

    begin_ms: int
    end_ms: int
    zone: ZoneInfo

    @property
    def days(self) -> list[date]:
        """Every local day that it touches, ascending."""
        first = local_time(self.begin_ms, self.zone).date()
        last = local_time(max(self.begin_ms, self.end_ms - 1), self.zone).date()
        return [first + number * _DAY for number in range((last - first).days + 1)]


def reasons_against(calendar: Calendar, blackout: Blackout, interval: Interval) -> list[Problem]:
    """List why a blackout forbids a drill, for each day or period of it that the drill touches.

    :returns: empty when the blackout allows it.
    """
    found: list[Problem] = []
    for day in interval.days:
        found += _of_day(calendar, blackout, day)
    for begin_ms, end_ms, name in _weekly(blackout, interval):
        if begin_ms < interval.end_ms and end_ms > interval.begin_ms:
            found.append(problem("blackout", f"{blackout.name}: {name}"))
    for name in blackout.freezes:
        found += _of_freeze(calendar, name, interval)
    return found


def _of_day(calendar: Calendar, blackout: Blackout, day: date) -> Iterator[Problem]:
    for first, last in blackout.dates:
        if first <= day <= last:
            yield problem("blackout", f"{blackout.name}: {day} is within {first} to {last}")
    if day > _month_end(day) - blackout.month_end_days * _DAY:
        yield problem(
            "blackout", f"{blackout.name}: {day} is one of the last {blackout.month_end_days} days of the month"
        )
    sources = [calendar.holidays[name] for name in blackout.holidays]
    if blackout.gotobi:
        yield from _of_gotobi(blackout, sources, day)
        return
    for source in sources:
        try:
            if name := holiday_of(source, day):
                yield problem("blackout", f"{blackout.name}: {day} is {name} ({source.name})")
        except NotReviewed as beyond:
            yield _not_reviewed(blackout, beyond)


def _of_gotobi(blackout: Blackout, sources: Sequence[HolidaySource], day: date) -> Iterator[Problem]:
    try:
        meant = _gotobi(blackout, sources, day)
    except NotReviewed as beyond:
        yield _not_reviewed(blackout, beyond)
        return
    if meant:
        shifted = "" if meant == day else f", in place of {meant}"
        yield problem("blackout", f"{blackout.name}: {day} is a gotobi day{shifted}")


def _not_reviewed(blackout: Blackout, beyond: NotReviewed) -> Problem:
    source = beyond.source
    fix = f"compare the holidays with the announced ones, then set reviewed_until of {source.name} to a later day"
    why = f"the holidays of {source.name} are reviewed until {source.reviewed_until} only"
    return problem("holidays-not-reviewed", f"{blackout.name}: {beyond.day} is unknown: {why}: {fix}")


def _gotobi(blackout: Blackout, sources: Sequence[HolidaySource], day: date) -> date | None:
    """Return the gotobi day that a day is, or stands for; None: it is none.

    A gotobi day on a weekend or a holiday goes to the business day before or after it, by the shift. So a business day
    stands for itself and for the days next to it, on the other side, that are no business days.
    """
    if blackout.gotobi_shift == "none":
        return day if _is_gotobi(day) else None
    if not _is_business_day(sources, day):
        return None
    step = _DAY if blackout.gotobi_shift == "before" else -_DAY
    meant = day
    while not _is_gotobi(meant):
        meant += step
        if _is_business_day(sources, meant):
            return None
    return meant


def _is_gotobi(day: date) -> bool:
    return day.day % 5 == 0 or day == _month_end(day)


def _is_business_day(sources: Sequence[HolidaySource], day: date) -> bool:
    return day.weekday() < WEEKDAYS.index("sat") and not any(holiday_of(source, day) for source in sources)


def _month_end(day: date) -> date:
    return day.replace(day=months.monthrange(day.year, day.month)[1])


def _weekly(blackout: Blackout, interval: Interval) -> Iterator[tuple[int, int, str]]:
    """The weekly periods around an interval. Of a time that the zone repeats: from the first one, to the last one."""
    if not blackout.weekly:
        return
    days = interval.days
    for number in range(-2, len(days) + 1):
        day = days[0] + number * _DAY
        for weekday, begin, end in blackout.weekly:
            if WEEKDAYS[day.weekday()] == weekday:
                last_day = day if end > begin else day + _DAY
                begin_ms = instant_of(datetime.combine(day, begin), interval.zone)
                end_ms = instant_of(datetime.combine(last_day, end), interval.zone, last=True)
                if begin_ms < end_ms:  # else the zone skips all of it
                    yield begin_ms, end_ms, f"{weekday} {begin:%H:%M} to {end:%H:%M} ({day})"


def _of_freeze(calendar: Calendar, name: str, interval: Interval) -> Iterator[Problem]:
    freeze = calendar.freezes[name]
    try:
        if freeze.content is None:
            raise UnreadableFreezes(freeze.problem or "it was not read")
        periods = freezes_between(freeze.content, interval.zone, interval.begin_ms, interval.end_ms)
    except UnreadableFreezes as error:
        why = f"the freeze calendar {name} ({freeze.file}) cannot be read: {error}: no drill runs until it can be read"
        yield problem("freeze-unreadable", why)
        return
    for one in periods:
        begin, end = (f"{local_time(ms, interval.zone):%Y-%m-%d %H:%M}" for ms in (one.begin_ms, one.end_ms))
        yield problem("blackout", f"{name}: frozen from {begin} to {end}: {one.summary}")
