"""Times in UTC with the reader's local time beside them.

Records are in UTC. A reader names a zone with ``--tz`` or ``CHAOSDRILL_TZ``; without either it is the local zone of the
machine.
"""

import os
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from chaosdrill.errors import BadInput, problem

VARIABLE: Final = "CHAOSDRILL_TZ"
NS = 1_000_000_000
LAST_NS = 253_402_300_800 * NS  # the year 10000: no calendar of Python has it

# The local zone has no name that every machine knows: None stands for it, as in datetime.astimezone(None).
Zone: TypeAlias = ZoneInfo | None
ONLY_UTC: Final = ZoneInfo("UTC")


def zone_from(option: str | None = None) -> Zone:
    """Find the zone whose time is shown beside UTC.

    :param option: value of ``--tz``: an IANA name such as ``Asia/Tokyo``; None or empty where the option is absent.
    :returns: the zone of the option, else of ``CHAOSDRILL_TZ``, else None: the local zone of this machine.
    :raises BadInput: ``time-zone-unknown``, naming the option or the variable.
    """
    source, name = ("--tz", option) if option else (VARIABLE, os.environ.get(VARIABLE, ""))
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        similar = get_close_matches(name, available_timezones(), 1, 0.7)
        fix = f"did you mean {similar[0]}?" if similar else "use an IANA name such as Asia/Tokyo, Europe/Berlin or UTC"
        raise BadInput([problem("time-zone-unknown", f"{source}: time zone {name!r} is unknown: {fix}")]) from error


def both(instant: int | datetime, zone: Zone) -> str:
    """Format an instant in UTC with the local time in brackets: ``2026-11-30 01:35:33 UTC (10:35:33 JST)``.

    The local date is included where it differs from the UTC date. Without brackets where the zone is UTC.

    :param instant: nanoseconds since 1970, or a datetime with a time zone.
    """
    moment = _moment(instant)
    if moment is None:
        return f"{instant} ns"
    beside = local(instant, zone)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" + (f" ({beside})" if beside else "")


def local(instant: int | datetime, zone: Zone) -> str:
    """Format the local time of an instant: ``10:35:33 JST``; empty where the zone is UTC at that instant.

    The date is included where it differs from the UTC date.

    :param instant: nanoseconds since 1970, or a datetime with a time zone.
    """
    moment = _moment(instant)
    if moment is None:
        return ""
    beside = moment.astimezone(zone)
    if not beside.utcoffset():
        return ""
    date = "" if beside.date() == moment.date() else f"{beside:%Y-%m-%d} "
    return f"{date}{beside:%H:%M:%S} {beside.tzname()}"


def offset(instant: int | datetime, zone: Zone) -> str:
    """Format the offset of a zone at an instant: ``JST = UTC+09:00``; empty where the zone is UTC at that instant.

    :param instant: nanoseconds since 1970, or a datetime with a time zone.
    """
    moment = _moment(instant)
    if moment is None or not local(instant, zone):
        return ""
    beside = moment.astimezone(zone)
    ahead = f"{beside:%z}"
    return f"{beside.tzname()} = UTC{ahead[:3]}:{ahead[3:5]}"


def _moment(instant: int | datetime) -> datetime | None:
    """Convert an instant to a datetime in UTC; None where no calendar has it."""
    if isinstance(instant, datetime):
        return instant.astimezone(UTC)
    return datetime.fromtimestamp(instant // NS, UTC) if 86_400 * NS <= instant < LAST_NS - 86_400 * NS else None
