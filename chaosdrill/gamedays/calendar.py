"""The calendar of game days, as values. Pure: ``gamedays.yaml`` is read by :mod:`chaosdrill.gamedays.loading`.

Dates and times of the day are those of the game day's own time zone. Instants are milliseconds since 1970, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

Shift = Literal["none", "before", "after"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@dataclass(frozen=True)
class HolidaySource:
    """Holidays of a country or a market, from the ``holidays`` package.

    :param code: of the country (ISO 3166), such as ``JP``, or of the market (ISO 10383), such as ``XJPX``.
    :param categories: of the country's holidays, such as ``public`` and ``bank``; empty for a market.
    :param reviewed_until: the last day for which a person has compared the package with the announced holidays: a later
        occurrence is refused.
    """

    name: str
    kind: Literal["country", "market"]
    code: str
    reviewed_until: date
    categories: tuple[str, ...] = ()
    subdivision: str = ""


@dataclass(frozen=True)
class FreezeCalendar:
    """A calendar of changes that are frozen, as an iCalendar file. A calendar that cannot be read forbids every drill.

    :param content: of the file, as it was when the calendar of game days was loaded; None: it could not be read.
    :param problem: why not.
    """

    name: str
    file: Path
    content: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class Blackout:
    """Days or hours on which no drill may run. A blackout has exactly one of these.

    :param dates: inclusive ranges of days.
    :param weekly: weekday, first minute and the minute that ends it, in the zone of the game day; one that ends at or
        before its start lasts into the next day.
    :param month_end_days: the last so many days of each month.
    :param gotobi: days that are multiples of five and the end of the month (五十日); ``gotobi_shift`` says where one
        goes that falls on a weekend or a holiday of ``holidays``, which then forbid nothing by themselves.
    :param holidays: names of holiday sources.
    :param freezes: names of freeze calendars.
    """

    name: str
    dates: tuple[tuple[date, date], ...] = ()
    weekly: tuple[tuple[Weekday, time, time], ...] = ()
    month_end_days: int = 0
    gotobi: bool = False
    gotobi_shift: Shift = "none"
    holidays: tuple[str, ...] = ()
    freezes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """When a game day takes place: a cron expression, or single times.

    A fixed time that daylight saving removes moves to the next minute that exists; one that it repeats runs once.

    :param times: local times, without a zone.
    """

    zone: ZoneInfo
    cron: str = ""
    times: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Window:
    """Within which time of a day the whole drill must fit, its worst-case rollbacks included.

    :param earliest: local time before which it does not begin.
    :param latest_end: local time at which it must have ended; on the next day when it is not after ``earliest``.
    """

    earliest: time
    latest_end: time


@dataclass(frozen=True)
class Budget:
    """What the drills of a game day may use in a calendar month of its zone. None: unlimited."""

    drills: int | None = None
    fis_minutes: float | None = None
    error_seconds: float | None = None


@dataclass(frozen=True)
class Guards:
    """What must hold when an occurrence begins, else it is refused.

    :param preflight: whether the whole preflight must find nothing that refuses.
    :param alarms_quiet: whether the alarms of the topology must be quiet.
    :param probes: Chaos Toolkit probes with a tolerance, as in an experiment.
    """

    preflight: bool = True
    alarms_quiet: bool = True
    probes: tuple[Mapping[str, Any], ...] = ()
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True)
class ApprovalRule:
    """Who must approve an occurrence, and until when.

    :param by: who may: STS principals (``arn:…``), ``uid:NUMBER``, or ``ssh:FINGERPRINT``.
    :param until_min: how many minutes before the planned instant an approval must be there.
    """

    by: tuple[str, ...]
    until_min: int = 0


@dataclass(frozen=True)
class Dependency:
    """The game day that must have passed before this one, and how long ago at most, in hours."""

    game_day: str
    within_h: float


@dataclass(frozen=True)
class Channel:
    """Where notifications go; ``settings`` are those of its kind, checked when the calendar is read.

    :param kind: ``webhook``, ``smtp``, ``sns`` or ``apprise``.
    :param language: of its texts.
    """

    name: str
    kind: Literal["webhook", "smtp", "sns", "apprise"]
    settings: Mapping[str, Any]
    language: Literal["en", "ja"] = "en"


@dataclass(frozen=True)
class GameDay:
    """A drill that is scheduled.

    :param id: stable: occurrences are recorded under it, so that ``name`` may change.
    :param worst_case_min: how long the drill lasts at most, rollbacks included, in minutes.
    :param run_missed_within_h: how late a missed occurrence may still begin, in hours; 0: it is skipped.
    :param objectives: measurement and limit, such as ``rto_s: 300``.
    :param notify: names of channels.
    :param directory: that of the calendar, where the drill runs; None: that of the experiment.
    """

    id: str
    name: str
    owner: str
    experiment: Path
    topology: Path | None
    schedule: Schedule
    window: Window
    worst_case_min: float
    variables: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    objectives: Mapping[str, float] = field(default_factory=dict)
    blackouts: tuple[str, ...] = ()
    run_missed_within_h: float = 0.0
    guards: Guards = field(default_factory=Guards)
    approval: ApprovalRule | None = None
    after: Dependency | None = None
    notify: tuple[str, ...] = ()
    directory: Path | None = None


@dataclass(frozen=True)
class Calendar:
    """What a ``gamedays.yaml`` says; everything by its name, game days by their id.

    :param warnings: what is right and probably not meant, with file, line and key.
    :param ledger: the topology whose coordination table has the ledger; None: it is in a file of this machine.
    """

    file: Path
    game_days: Mapping[str, GameDay]
    blackouts: Mapping[str, Blackout] = field(default_factory=dict)
    holidays: Mapping[str, HolidaySource] = field(default_factory=dict)
    freezes: Mapping[str, FreezeCalendar] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    ledger: Path | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Occurrence:
    """One planned instant of a game day. It is claimed at most once, before anything starts.

    :param planned_ms: the planned instant, milliseconds since 1970, UTC: that of the calendar, not of the start.
    """

    game_day: str
    planned_ms: int

    @property
    def key(self) -> str:
        """The occurrence as one word, such as ``monthly-failover@2027-01-10T17:00Z``."""
        return f"{self.game_day}@{datetime.fromtimestamp(self.planned_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"
