"""The planned instants of a schedule, and the instants of local times. Pure.

One rule for daylight saving, that of Debian's cron for fixed times: a time that a zone skips moves to the next minute
that exists; a time that a zone repeats happens once, the first time.

:source: https://manpages.debian.org/bookworm/cron/cron.8.en.html ("Daylight Saving Time and other time changes")
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chaosdrill.gamedays.calendar import Schedule

if TYPE_CHECKING:
    from cronsim import CronSim

MINUTE_MS = 60_000
# longer than any zone was ever moved at once, so that the local times around an interval are all seen
_MARGIN = timedelta(days=2)


def planned_instants(schedule: Schedule, from_ms: int, until_ms: int) -> list[int]:
    """List the planned instants of a schedule from ``from_ms`` (inclusive) until ``until_ms`` (exclusive), ascending.

    :returns: milliseconds since 1970, UTC; each instant once.
    """
    local_times = _cron_times(schedule, from_ms, until_ms) if schedule.cron else schedule.times
    planned = {instant_of(local, schedule.zone) for local in local_times}
    return sorted(one for one in planned if from_ms <= one < until_ms)


def instant_of(local: datetime, zone: ZoneInfo, *, last: bool = False) -> int:
    """Convert a local time, without a zone, to milliseconds since 1970.

    A time that the zone skips becomes the next minute that exists.

    :param last: which instant of a time that the zone repeats: the last one, instead of the first.
    """
    moment = local.replace(tzinfo=zone, fold=int(last))
    while _is_skipped(moment):
        moment = (moment.replace(tzinfo=None) + timedelta(minutes=1)).replace(tzinfo=zone)
    return int(moment.timestamp()) * 1000


def local_time(at_ms: int, zone: ZoneInfo) -> datetime:
    """Convert an instant to the time of a zone.

    :param at_ms: milliseconds since 1970, UTC.
    """
    return datetime.fromtimestamp(at_ms / 1000, zone)


@lru_cache(maxsize=256)
def parsed_cron(cron: str) -> "CronSim":
    """Parse a cron expression of five fields.

    :returns: the parser's state, whose sets of minutes, hours, … may be read; do not iterate it.
    :raises ValueError: when it is none, or names no day that exists.
    """
    from cronsim import CronSim, CronSimError

    if len(cron.split()) != 5:
        raise ValueError("it does not have five fields: minute, hour, day of month, month, day of week")
    try:
        return CronSim(cron, datetime(2000, 1, 1))
    except CronSimError as error:
        raise ValueError(str(error)) from error


def _cron_times(schedule: Schedule, from_ms: int, until_ms: int) -> list[datetime]:
    """The local times of a cron expression, as if no clock were ever changed, a margin around an interval."""
    from cronsim import CronSim

    begin = local_time(from_ms, schedule.zone).replace(tzinfo=None) - _MARGIN
    end = local_time(until_ms, schedule.zone).replace(tzinfo=None) + _MARGIN
    times = []
    for local in CronSim(schedule.cron, begin):
        if local >= end:
            break
        times.append(local)
    return times


def _is_skipped(moment: datetime) -> bool:
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) != moment.replace(tzinfo=None)
