"""The calendar of game days as an iCalendar file, to subscribe to. Pure.

:source: https://www.rfc-editor.org/rfc/rfc5545
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from chaosdrill.gamedays.outlook import PlannedOccurrence

if TYPE_CHECKING:
    from icalendar import Event

NAME = "Game days"
REFRESH = timedelta(hours=1)


def as_ics(occurrences: Iterable[PlannedOccurrence], now_ms: int) -> str:
    """Write occurrences as an iCalendar file: an event from the planned instant to the end in the worst case.

    What the calendar forbids is left out; what was paused, skipped or not run otherwise is a cancelled event, so that
    subscribers are told. An occurrence keeps its UID, whatever its game day is called.

    :param now_ms: when this is written, milliseconds since 1970.
    """
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("prodid", "-//chaosdrill//game days//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", NAME)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for one in occurrences:
        if one.status != "forbidden":
            calendar.add_component(_event(one, _utc(now_ms)))
    return str(calendar.to_ical().decode())


def _event(one: PlannedOccurrence, now: datetime) -> "Event":
    from icalendar import Event

    event = Event()
    event.add("uid", f"{one.occurrence.key}.chaosdrill")
    event.add("dtstamp", now)
    event.add("dtstart", _utc(one.occurrence.planned_ms))
    event.add("dtend", _utc(one.end_ms))
    event.add("summary", one.game_day.name)
    status = f"\n{one.why}" if one.why else ""
    text = f"{one.occurrence.key}\nowner: {one.game_day.owner}\nexperiment: {one.game_day.experiment.name}{status}"
    event.add("description", text)
    event.add("status", "CONFIRMED" if _takes_place(one) else "CANCELLED")
    event.add("transp", "TRANSPARENT")  # it takes up nobody's time by itself
    event.add("categories", ["chaosdrill", *one.game_day.tags])
    return event


def _takes_place(one: PlannedOccurrence) -> bool:
    return one.status == "planned" or (one.entry is not None and one.entry.outcome in ("claimed", "ran", "died"))


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
