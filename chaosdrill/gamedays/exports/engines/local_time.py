"""Local times of a zone as instants. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY_MS = 86_400_000


def days_between(zone: ZoneInfo, from_ms: int, until_ms: int) -> Iterator[date]:
    """Iterate over the local days that an interval touches."""
    day = datetime.fromtimestamp(from_ms / 1000, zone).date()
    last = datetime.fromtimestamp(until_ms / 1000, zone).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def first_instant(day: date, at: time, zone: ZoneInfo) -> int | None:
    """Return the first instant at which a zone's clocks show a time; None when they leave it out that day.

    :returns: milliseconds since 1970.
    """
    moment = datetime.combine(day, at, zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != datetime.combine(day, at):
        return None
    return round(moment.timestamp() * 1000)
