"""The periods of a freeze calendar (iCalendar) that an interval touches. Pure.

Whatever is unclear counts as frozen or as unreadable: a repeated hour counts from its first to its last instant, a
transparent or tentative event counts like any other, and an event that cannot be read makes the whole file unreadable.

:source: https://www.rfc-editor.org/rfc/rfc5545
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

LONGEST_FILE = 5_000_000  # characters
MOST_REPETITIONS = 200_000  # of one event, until the interval
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_MARGIN = timedelta(days=2)
_Key = tuple[str, datetime]


class UnreadableFreezes(ValueError):
    """A freeze calendar cannot be read, with the reason."""


@dataclass(frozen=True)
class Freeze:
    """One period of a freeze calendar: milliseconds since 1970, the end exclusive."""

    begin_ms: int
    end_ms: int
    summary: str


@dataclass(frozen=True)
class _Event:
    """A VEVENT, with times in its own zone; ``zone`` None: in the zone of the reader, as all-day events are.

    :param replaces: the instance of the recurring event of the same ``uid`` that this one replaces.
    :param rules: each RRULE without COUNT and UNTIL, with its count and its last local time.
    """

    uid: str
    summary: str
    zone: tzinfo | None
    begin: datetime
    duration: timedelta
    cancelled: bool
    replaces: datetime | None
    rules: tuple[tuple[str, int | None, datetime | None], ...]
    added: tuple[tuple[datetime, timedelta], ...]
    removed: frozenset[datetime]


def freezes_between(text: str, zone: ZoneInfo, begin_ms: int, end_ms: int) -> list[Freeze]:
    """List the periods of a freeze calendar that an interval touches, ascending.

    :param text: the content of the file.
    :param zone: of events that name none: all-day events and floating times.
    :raises UnreadableFreezes: when any event of it cannot be read.
    """
    events = _events(text)
    moved: dict[_Key, bool] = {(one.uid, _utc(one.replaces, one.zone or zone)): True for one in events if one.replaces}
    found = []
    for event in events:
        if not event.cancelled:
            found += [
                one for one in _periods(event, zone, moved, begin_ms, end_ms)
                if one.begin_ms < end_ms and one.end_ms > begin_ms
            ]  # fmt: skip
    return sorted(found, key=lambda one: (one.begin_ms, one.end_ms))


def check_freezes(text: str) -> None:
    """Read a whole freeze calendar.

    :raises UnreadableFreezes: when any event of it cannot be read.
    """
    _events(text)


def _periods(event: _Event, zone: ZoneInfo, moved: dict[_Key, bool], begin_ms: int, end_ms: int) -> Iterator[Freeze]:
    own = event.zone or zone
    earliest = datetime.fromtimestamp(begin_ms / 1000, own).replace(tzinfo=None) - _MARGIN
    latest = datetime.fromtimestamp(end_ms / 1000, own).replace(tzinfo=None) + _MARGIN
    times = [(event.begin, event.duration), *event.added]
    for rule in event.rules:
        times += [(one, event.duration) for one in _repetitions(event.begin, rule, earliest - event.duration, latest)]
    for begin, duration in dict.fromkeys(times):
        replaced = event.replaces is None and (event.uid, _utc(begin, own)) in moved
        if begin not in event.removed and not replaced:
            first, last = _instants(begin, own)[0], _instants(begin + duration, own)[1]
            yield Freeze(first, max(last, first + 1), event.summary)


def _repetitions(
    begin: datetime, rule: tuple[str, int | None, datetime | None], earliest: datetime, latest: datetime
) -> list[datetime]:
    from dateutil.rrule import rrulestr

    text, count, until = rule
    bounded = rrulestr(text, dtstart=begin).replace(until=min(until or latest, latest))
    found = []
    for number, one in enumerate(islice(bounded, count)):
        if number >= MOST_REPETITIONS:
            raise UnreadableFreezes(f"an event repeats more than {MOST_REPETITIONS:,} times")
        if one >= earliest:
            found.append(one)
    return found


@lru_cache(maxsize=16)
def _events(text: str) -> tuple[_Event, ...]:
    """Read the events of an iCalendar text.

    :raises UnreadableFreezes: when any event cannot be read.
    """
    from icalendar import Calendar

    try:
        calendars = Calendar.from_ical(text, multiple=True)
        components = [one for calendar in calendars for one in calendar.walk("VEVENT")]
        read = (len(calendars), len(components))
        if read != (_count("BEGIN:VCALENDAR", text), _count("BEGIN:VEVENT", text)) or not calendars:
            raise UnreadableFreezes("it is no complete iCalendar file: a component has no end")
        return tuple(map(_event, components))
    except UnreadableFreezes:
        raise
    except Exception as error:  # of a parser for files of others: each one means that the file is unreadable
        raise UnreadableFreezes(f"it is no readable iCalendar file ({type(error).__name__}: {error})") from error


def _count(line: str, text: str) -> int:
    return len(re.findall(rf"^{line}\s*$", text, re.MULTILINE | re.IGNORECASE))


def _event(component: Any) -> _Event:
    summary = str(component.get("SUMMARY", "")) or "an event without a summary"
    if component.errors:
        raise UnreadableFreezes(f"{summary}: {'; '.join(str(one[1]) for one in component.errors)}")
    if "DTSTART" not in component:
        raise UnreadableFreezes(f"{summary}: it has no DTSTART")
    zone, begin = _zone(component["DTSTART"], summary), _local(component["DTSTART"].dt, None)
    replaces = component.get("RECURRENCE-ID")
    if replaces is not None and replaces.params.get("RANGE"):
        raise UnreadableFreezes(f"{summary}: RECURRENCE-ID with RANGE is not supported: give each event its own time")
    duration = _duration(component, zone, begin, summary)
    dates = [(key, one) for key in ("RDATE", "EXDATE") for group in _listed(component, key) for one in group.dts]
    return _Event(
        uid=str(component.get("UID", "")),
        summary=summary,
        zone=zone,
        begin=begin,
        duration=duration,
        cancelled=str(component.get("STATUS", "")).upper() == "CANCELLED",
        replaces=None if replaces is None else _local(replaces.dt, zone),
        rules=tuple(_rule(one, zone, summary) for one in _listed(component, "RRULE")),
        added=tuple(_added(one.dt, zone, duration) for key, one in dates if key == "RDATE"),
        removed=frozenset(_local(one.dt, zone) for key, one in dates if key == "EXDATE"),
    )


def _listed(component: Any, key: str) -> list[Any]:
    value = component.get(key, [])
    return value if isinstance(value, list) else [value]


def _zone(start: Any, summary: str) -> tzinfo | None:
    if isinstance(start.dt, datetime) and start.dt.tzinfo is not None:
        return start.dt.tzinfo
    if name := start.params.get("TZID"):
        raise UnreadableFreezes(f"{summary}: its time zone {name} is unknown, and the file does not define it")
    return None


def _duration(component: Any, zone: tzinfo | None, begin: datetime, summary: str) -> timedelta:
    """By local times: a day of 23 hours is a day."""
    all_day = not isinstance(component["DTSTART"].dt, datetime)
    if "DTEND" in component:
        duration = _local(component["DTEND"].dt, zone) - begin
    elif "DURATION" in component:
        duration = component["DURATION"].dt
    else:
        duration = timedelta(days=int(all_day))
    if duration < timedelta(0):
        raise UnreadableFreezes(f"{summary}: it ends before it begins")
    return duration


def _rule(recurrence: Any, zone: tzinfo | None, summary: str) -> tuple[str, int | None, datetime | None]:
    rule = dict(recurrence)
    if [one for one in rule["FREQ"] if str(one).upper() not in _FREQUENCIES]:
        raise UnreadableFreezes(f"{summary}: it repeats more often than daily: write one event for the whole period")
    count, until = rule.pop("COUNT", [None])[0], rule.pop("UNTIL", [None])[0]
    last = None
    if until is not None:
        last = _local(until, zone)
        last = last if isinstance(until, datetime) else datetime.combine(last, time.max)
    return type(recurrence)(rule).to_ical().decode(), count, last


def _added(value: Any, zone: tzinfo | None, duration: timedelta) -> tuple[datetime, timedelta]:
    if not isinstance(value, tuple):
        return _local(value, zone), duration
    begin, end = value
    return _local(begin, zone), end if isinstance(end, timedelta) else end - begin


def _local(value: date | datetime, zone: tzinfo | None) -> datetime:
    """A date or time as a local time of an event's zone, without a zone."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time())
    if zone is not None and value.tzinfo is not None:
        value = value.astimezone(zone)
    return value.replace(tzinfo=None)


def _utc(local: datetime, zone: tzinfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)


def _instants(local: datetime, zone: tzinfo) -> tuple[int, int]:
    """The first and the last instant that a local time may mean: they differ where the zone repeats or skips it."""
    both = [int(local.replace(tzinfo=zone, fold=fold).timestamp() * 1000) for fold in (0, 1)]
    return min(both), max(both)
