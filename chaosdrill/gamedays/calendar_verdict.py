"""Whether the calendar allows a drill at an instant: its window, blackouts, holidays and freezes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from chaosdrill.errors import problem
from chaosdrill.gamedays.blackouts import Interval, reasons_against
from chaosdrill.gamedays.calendar import Calendar, GameDay
from chaosdrill.gamedays.instants import MINUTE_MS, instant_of, local_time


@dataclass(frozen=True)
class Reason:
    """One rule of the calendar, and what it says of a drill.

    :param code: why it forbids the drill: ``outside-window``, ``blackout``, ``holidays-not-reviewed`` or
        ``freeze-unreadable``; empty: it allows the drill.
    :param rule: the rule's kind and name, such as ``window`` or ``blackout year-end``.
    :param text: what it says, as a sentence.
    """

    code: str
    rule: str
    text: str


@dataclass(frozen=True)
class CalendarVerdict:
    """Whether the calendar allows a drill, and the reason of each rule, the forbidding ones first."""

    reasons: tuple[Reason, ...]

    @property
    def allowed(self) -> bool:
        """Whether no rule forbids it."""
        return not self.code

    @property
    def code(self) -> str:
        """The code of the first reason that forbids it; empty when it is allowed."""
        return next((reason.code for reason in self.reasons if reason.code), "")

    @property
    def why(self) -> str:
        """The reasons that forbid it, as one text; empty when it is allowed."""
        return "; ".join(reason.text for reason in self.reasons if reason.code)


def verdict_of(
    calendar: Calendar, game_day: GameDay, planned_ms: int, *, start_ms: int | None = None
) -> CalendarVerdict:
    """Decide whether the calendar allows an occurrence, from its start to its end in the worst case.

    It does not check that ``planned_ms`` is an instant of the schedule, which
    :func:`chaosdrill.gamedays.instants.planned_instants` lists.

    :param planned_ms: the planned instant, milliseconds since 1970, UTC.
    :param start_ms: when the drill would really start, for an occurrence that is late or is started by hand; default:
        the planned instant.
    """
    begin_ms = planned_ms if start_ms is None else start_ms
    end_ms = begin_ms + round(game_day.worst_case_min * MINUTE_MS)
    interval = Interval(begin_ms, end_ms, game_day.schedule.zone)
    reasons = [_of_window(game_day, interval), *_of_blackouts(calendar, game_day, interval)]
    return CalendarVerdict(tuple(sorted(reasons, key=lambda reason: not reason.code)))


def _of_window(game_day: GameDay, interval: Interval) -> Reason:
    window, zone = game_day.window, interval.zone
    day = local_time(interval.begin_ms, zone).date()
    fits = any(
        begin_ms <= interval.begin_ms and interval.end_ms <= end_ms
        for begin_ms, end_ms in (_window_of(game_day, one) for one in (day - timedelta(days=1), day))
    )
    begin, end = (local_time(ms, zone) for ms in (interval.begin_ms, interval.end_ms))
    drill = (
        f"from {begin:%Y-%m-%d %H:%M} to {end:%H:%M} {end.tzname()} in the worst case ({game_day.worst_case_min:g} min)"
    )
    shown = f"the window {window.earliest:%H:%M} to {window.latest_end:%H:%M}"
    if fits:
        return Reason("", "window", f"{drill}: within {shown}")
    outside = problem("outside-window", f"{drill}: not within {shown}")
    return Reason(outside.code, "window", outside)


def _window_of(game_day: GameDay, day: date) -> tuple[int, int]:
    """The window that begins on a day. Of a time that the zone repeats, the first one counts."""
    window, zone = game_day.window, game_day.schedule.zone
    last_day = day if window.latest_end > window.earliest else day + timedelta(days=1)
    begin_ms = instant_of(datetime.combine(day, window.earliest), zone)
    return begin_ms, instant_of(datetime.combine(last_day, window.latest_end), zone)


def _of_blackouts(calendar: Calendar, game_day: GameDay, interval: Interval) -> Iterator[Reason]:
    for name in game_day.blackouts:
        rule = f"blackout {name}"
        against = reasons_against(calendar, calendar.blackouts[name], interval)
        if not against:
            yield Reason("", rule, f"{name}: touches no day and no period of it")
        yield from (Reason(one.code, rule, one) for one in against)
