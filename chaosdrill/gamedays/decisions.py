"""What a tick does: a pure function of the calendar, the time and what the ledger records.

An occurrence begins from its planned instant on, to the minute, and within :data:`GRACE_MS`; a missed one as late as
its game day allows. Of several that one game day has missed only the latest may begin. Drills of one topology begin one
after the other. What a tick has not read before its instant never begins: saving or editing a calendar starts nothing.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from chaosdrill.gamedays.calendar import Budget, Calendar, GameDay, Occurrence, Schedule
from chaosdrill.gamedays.events import Entry, Notification, Outcome
from chaosdrill.gamedays.ledger import Pause, Plan, Record, Rival

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
GRACE_MS = (
    10 * MINUTE_MS
)  # by how much an occurrence that is on time may begin late: a container or a pod starts slowly
TAKEN_OVER_MS = 3 * MINUTE_MS  # how long no tick reads a calendar before another one with the same game day counts
CONTESTED_MS = 5 * MINUTE_MS  # how long both are read before people are to act
RE_ADDED_MS = 10 * MINUTE_MS  # how long ticks read a calendar without a game day before it counts as a new one
PLANNED_MS, SOON_MS = DAY_MS, 15 * MINUTE_MS  # before the planned instant: when people are notified
HORIZON_MS = DAY_MS + HOUR_MS
NOTIFIED_MS = DAY_MS  # how long a tick tries to notify of an outcome
RUN_NOTIFIES_MS = 10 * MINUTE_MS  # how long the drill's own process has to notify of its end, with more facts
SERIES = 3  # so many occurrences in a row that proved nothing are an alert
NOT_RUN: tuple[Outcome, ...] = ("skipped", "refused", "expired", "missed")
BEGAN: tuple[Outcome, ...] = ("claimed", "ran", "died")


class CalendarDecision(Protocol):
    """Whether the calendar allows a drill, as :class:`chaosdrill.gamedays.calendar_verdict.CalendarVerdict` has it."""

    @property
    def allowed(self) -> bool:
        """Whether no rule forbids it."""

    @property
    def code(self) -> str:
        """The code of the first reason that forbids it."""

    @property
    def why(self) -> str:
        """The reasons that forbid it."""


@dataclass(frozen=True)
class Rules:
    """What the calendar says of instants; the freeze calendars that it names are files.

    :param instants: the planned instants of a schedule from one instant on and before another, ascending.
    :param verdict: of a game day, its planned instant, and when its drill would start.
    """

    instants: Callable[[Schedule, int, int], Sequence[int]]
    verdict: Callable[[GameDay, int, int], CalendarDecision]


@dataclass(frozen=True)
class Why:
    """Why an occurrence does not begin: a stable code, and a sentence."""

    code: str
    text: str


@dataclass(frozen=True)
class Snapshot:
    """What a tick has read.

    :param now_ms: the ledger's time.
    :param plans: what ticks before have read, by game day.
    :param records: the entries of the last months, of all game days.
    :param pauses: by game day, those of all game days included.
    :param unapproved: why occurrences may not begin as they are approved now.
    :param dead: what is to be recorded of claims whose process has died.
    :param definitions: of the game days in this calendar (:func:`chaosdrill.gamedays.plans.definition_of`).
    :param place: of this calendar: machine and path.
    :param rivals: other calendars with the same game days, which do not count.
    """

    now_ms: int
    plans: Mapping[str, Plan] = field(default_factory=dict)
    records: Mapping[Occurrence, Record] = field(default_factory=dict)
    pauses: Mapping[str, Sequence[Pause]] = field(default_factory=dict)
    unapproved: Mapping[Occurrence, Why] = field(default_factory=dict)
    dead: Mapping[Occurrence, Entry] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    rivals: Mapping[str, Rival] = field(default_factory=dict)

    def conflict(self, game_day: str) -> Why | None:
        """Return why a game day of this calendar does not count: another calendar that is being read has it, too.

        The calendar that was first counts until no tick has read it for :data:`TAKEN_OVER_MS`. An edit of one file is
        no conflict, and neither is a copy that says the same, or a file that was moved.
        """
        plan, definition = self.plans.get(game_day), self.definitions.get(game_day, "")
        if plan is None or not (plan.definition and definition) or plan.definition == definition:
            return None
        if plan.place == self.place or abs(self.now_ms - plan.seen_ms) > TAKEN_OVER_MS:
            return None
        return _conflict_with(plan.place)

    def contested(self, game_day: str) -> Why | None:
        """Return why people are to act: two calendars that are being read say different things of a game day."""
        if (rival := self.rivals.get(game_day)) is None or not _is_read(rival, self.now_ms):
            return None
        if rival.seen_ms - rival.since_ms < CONTESTED_MS:
            return None
        return self.conflict(game_day) or _conflict_with(rival.place)

    def outcome(self, occurrence: Occurrence) -> Outcome | None:
        """Return the outcome of an occurrence; None when it has none yet.

        That it was missed does not count while that is in the future: the clock has been set back since.
        """
        record = self.records.get(occurrence)
        if record is None or (record.entry.outcome == "missed" and record.entry.at_ms > self.now_ms + MINUTE_MS):
            return None
        return record.entry.outcome

    def open(self) -> list[Occurrence]:
        """List the occurrences whose drills may be running."""
        return [one for one, record in self.records.items() if record.is_open and one not in self.dead]

    def of(self, game_day: str) -> list[Entry]:
        """List the entries of a game day, in the order of their planned instants."""
        found = {one: record.entry for one, record in self.records.items() if one.game_day == game_day}
        return [self.dead.get(one, entry) for one, entry in sorted(found.items())]


def _conflict_with(place: str) -> Why:
    fix = "give one of them another id, remove it from one calendar, or bring both calendars to the same content"
    text = f"another calendar with the same ledger, {place}, defines a game day of this id otherwise: {fix}"
    return Why(code="calendar-conflict", text=text)


def _is_read(rival: Rival, now_ms: int) -> bool:
    return abs(now_ms - rival.seen_ms) <= CONTESTED_MS


@dataclass(frozen=True)
class Decisions:
    """What a tick does, in this order.

    :param records: outcomes of occurrences that were not claimed.
    :param ended: outcomes of claims whose process has died.
    :param begins: occurrences to claim and launch.
    :param plans: what is kept of the calendar for the next tick.
    :param waiting: why occurrences that are due do not begin yet.
    :param rivals: that this calendar does not count for game days.
    """

    records: tuple[Entry, ...] = ()
    ended: tuple[Entry, ...] = ()
    begins: tuple[Occurrence, ...] = ()
    plans: Mapping[str, Plan] = field(default_factory=dict)
    waiting: Mapping[Occurrence, Why] = field(default_factory=dict)
    notifications: tuple[Notification, ...] = ()
    rivals: Mapping[str, Rival] = field(default_factory=dict)


def decide(calendar: Calendar, snapshot: Snapshot, rules: Rules) -> Decisions:
    """Decide what a tick does. Pure.

    :param snapshot: as it was read; what it does not have yet is decided by the next tick.
    """
    records: list[Entry] = []
    begins: list[Occurrence] = []
    waiting: dict[Occurrence, Why] = {}
    plans: dict[str, Plan] = {}
    rivals: dict[str, Rival] = {}
    for occurrence, fate in _fates(calendar, snapshot, rules, begins):
        if isinstance(fate, Entry):
            records.append(fate)
        elif isinstance(fate, Why):
            waiting[occurrence] = fate
        else:
            begins.append(occurrence)
    for game_day in calendar.game_days.values():
        if snapshot.conflict(game_day.id):
            rivals[game_day.id] = _rival_after(game_day, snapshot)
        else:
            plans[game_day.id] = _plan_after(game_day, snapshot, rules)
    records += _expired(calendar, snapshot, rules)
    return Decisions(
        tuple(records),
        tuple(entry for one, entry in snapshot.dead.items() if not snapshot.conflict(one.game_day)),
        tuple(begins),
        plans,
        waiting,
        tuple(_notifications(calendar, snapshot, rules)),
        rivals,
    )


def judge(
    calendar: Calendar,
    occurrence: Occurrence,
    snapshot: Snapshot,
    rules: Rules,
    *,
    begins: Iterable[Occurrence] = (),
    is_latest: bool = True,
) -> Entry | Why | None:
    """Decide what becomes of one occurrence whose planned instant has come.

    :param begins: occurrences that begin at the same time.
    :param is_latest: whether no later occurrence of its game day is due.
    :returns: the outcome to record; or why it does not begin yet; or None: it begins now.
    """
    game_day = calendar.game_days[occurrence.game_day]
    planned_ms, now_ms = occurrence.planned_ms, snapshot.now_ms
    if conflict := snapshot.conflict(game_day.id):
        return conflict
    start_ms = max(planned_ms, now_ms - now_ms % MINUTE_MS)
    if any(pause.covers(planned_ms) for pause in snapshot.pauses.get(game_day.id, ())):
        return Entry(occurrence, "skipped", code="paused", why="the game day was paused at its planned instant")
    planned = rules.verdict(game_day, planned_ms, planned_ms)
    if not planned.allowed:
        return Entry(occurrence, "skipped", planned.code, planned.why)
    start = rules.verdict(game_day, planned_ms, start_ms)
    if start_ms > latest_start_ms(game_day, planned_ms) or not is_latest:
        return _missed(game_day, occurrence, start, is_latest)
    if not start.allowed:
        return Why(start.code, start.why)
    if unapproved := snapshot.unapproved.get(occurrence):
        return Entry(occurrence, "expired", unapproved.code, unapproved.text)
    return (
        _dependency(game_day, occurrence, snapshot)
        or _clash(calendar, game_day, [*snapshot.open(), *begins])
        or _budget(game_day, occurrence, snapshot)
    )


def latest_start_ms(game_day: GameDay, planned_ms: int) -> int:
    """Return until when an occurrence may begin, in milliseconds since 1970."""
    return planned_ms + max(GRACE_MS, int(game_day.run_missed_within_h * HOUR_MS))


def is_planned(game_day: GameDay, planned_ms: int, snapshot: Snapshot, rules: Rules) -> bool:
    """Tell whether ticks have read an instant in the schedule of a game day before it came."""
    plan = snapshot.plans.get(game_day.id)
    if plan is None or plan.schedule != schedule_text(game_day.schedule) or planned_ms < plan.since_ms:
        return False
    return planned_ms in rules.instants(game_day.schedule, planned_ms, planned_ms + 1)


def schedule_text(schedule: Schedule) -> str:
    """Return a schedule as a plan keeps it: JSON. Two that plan the same instants have the same text."""
    times = sorted(one.isoformat() for one in schedule.times)
    return json.dumps({"zone": str(schedule.zone), "cron": " ".join(schedule.cron.split()), "times": times})


def coming(game_day: GameDay, snapshot: Snapshot, rules: Rules) -> list[Occurrence]:
    """List the occurrences without an outcome that are planned within the next day, or until their approval is due."""
    now_ms = snapshot.now_ms
    before_ms = HORIZON_MS + (game_day.approval.until_min * MINUTE_MS if game_day.approval else 0)
    found = (Occurrence(game_day.id, one) for one in rules.instants(game_day.schedule, now_ms + 1, now_ms + before_ms))
    return [one for one in found if snapshot.outcome(one) is None]


def due(game_day: GameDay, snapshot: Snapshot, rules: Rules) -> list[Occurrence]:
    """List the occurrences without an outcome whose planned instant has come, in order."""
    plan = snapshot.plans.get(game_day.id)
    if plan is None or _is_new(game_day, plan, snapshot):
        return []
    schedules = [_schedule_of(plan.schedule), game_day.schedule]  # of one that was edited: what both of them have
    from_ms = max(plan.since_ms, min(plan.settled_ms, snapshot.now_ms))
    planned = [set(rules.instants(one, from_ms, snapshot.now_ms + 1)) for one in schedules]
    found = (Occurrence(game_day.id, one) for one in sorted(planned[0] & planned[1]))
    return [one for one in found if snapshot.outcome(one) is None]


def _fates(
    calendar: Calendar, snapshot: Snapshot, rules: Rules, begins: Sequence[Occurrence]
) -> Iterator[tuple[Occurrence, Entry | Why | None]]:
    """Yield what becomes of each occurrence that is due, the earliest first.

    :param begins: those that begin; the caller adds to it.
    """
    of_game_days = {one.id: due(one, snapshot, rules) for one in calendar.game_days.values()}
    latest = {found[-1] for found in of_game_days.values() if found}
    for one in sorted((one for found in of_game_days.values() for one in found), key=lambda one: one.planned_ms):
        fate = judge(calendar, one, snapshot, rules, begins=begins, is_latest=one in latest)
        if isinstance(fate, Why) and _is_edited(calendar.game_days[one.game_day], snapshot):
            fate = _changed(one)  # the plan begins anew now, so no later tick would find it
        yield one, fate
    for game_day in calendar.game_days.values():
        yield from ((one, _changed(one)) for one in _removed(game_day, snapshot, rules))


def _changed(occurrence: Occurrence) -> Entry:
    why = "the schedule was changed at about the planned instant: the new one counts from then on"
    return Entry(occurrence, "skipped", code="schedule-changed", why=why)


def _removed(game_day: GameDay, snapshot: Snapshot, rules: Rules) -> list[Occurrence]:
    """List the occurrences of the schedule before an edit that had come without an outcome, and are no longer in it."""
    plan = snapshot.plans.get(game_day.id)
    if plan is None or not _is_edited(game_day, snapshot) or _is_new(game_day, plan, snapshot):
        return []
    from_ms = max(plan.since_ms, min(plan.settled_ms, snapshot.now_ms))
    before, now = (
        rules.instants(one, from_ms, snapshot.now_ms + 1) for one in (_schedule_of(plan.schedule), game_day.schedule)
    )
    found = (Occurrence(game_day.id, one) for one in before if one not in set(now))
    return [one for one in found if snapshot.outcome(one) is None]


def _is_edited(game_day: GameDay, snapshot: Snapshot) -> bool:
    plan = snapshot.plans.get(game_day.id)
    differs = plan is not None and plan.schedule != schedule_text(game_day.schedule)
    return differs and not snapshot.conflict(game_day.id)


def _is_new(game_day: GameDay, plan: Plan, snapshot: Snapshot) -> bool:
    """Tell whether a game day had been removed from the calendar: ticks have read others of it since."""
    last_ms = max(one.seen_ms for one in snapshot.plans.values())
    return plan.seen_ms + RE_ADDED_MS < last_ms


def _plan_after(game_day: GameDay, snapshot: Snapshot, rules: Rules) -> Plan:
    """Return what is kept of a game day for the next tick."""
    now_ms, text, plan = snapshot.now_ms, schedule_text(game_day.schedule), snapshot.plans.get(game_day.id)
    definition, place = snapshot.definitions.get(game_day.id, ""), snapshot.place
    if plan is None or plan.schedule != text or _is_new(game_day, plan, snapshot):
        return Plan(text, now_ms, now_ms, now_ms, plan.version if plan else 0, definition, place)
    unsettled = [one.planned_ms for one in due(game_day, snapshot, rules)]
    unsettled += [one.planned_ms for one, record in snapshot.records.items() if _is_open(record, game_day)]
    return replace(
        plan,
        since_ms=min(plan.since_ms, now_ms),
        seen_ms=now_ms,
        settled_ms=min([now_ms, *unsettled]),
        definition=definition,
        place=place,
    )


def _rival_after(game_day: GameDay, snapshot: Snapshot) -> Rival:
    """Return what is kept of a calendar that does not count."""
    now_ms, rival = snapshot.now_ms, snapshot.rivals.get(game_day.id)
    since_ms = rival.since_ms if rival and _is_read(rival, now_ms) else now_ms
    return Rival(snapshot.place, since_ms, now_ms)


def _is_open(record: Record, game_day: GameDay) -> bool:
    return record.is_open and record.entry.occurrence.game_day == game_day.id


def _schedule_of(text: str) -> Schedule:
    read = json.loads(text)
    return Schedule(ZoneInfo(read["zone"]), read["cron"], tuple(map(datetime.fromisoformat, read["times"])))


def _missed(game_day: GameDay, occurrence: Occurrence, start: CalendarDecision, is_latest: bool) -> Entry:
    if not is_latest:
        return Entry(occurrence, "missed", code="missed", why="nothing began it before the next occurrence was due")
    until = _utc(latest_start_ms(game_day, occurrence.planned_ms))
    late = f"; it could not begin later: {start.why}" if not start.allowed else ""
    return Entry(occurrence, "missed", code="missed", why=f"nothing began it until {until}{late}")


def _dependency(game_day: GameDay, occurrence: Occurrence, snapshot: Snapshot) -> Entry | Why | None:
    """Check that the latest drill of the game day that must come before has passed, and not too long ago."""
    if (after := game_day.after) is None:
        return None
    before = [one for one in snapshot.of(after.game_day) if one.outcome in BEGAN and one.occurrence != occurrence]
    last = max(before, key=lambda one: one.began_ms, default=None)
    if last is None or last.began_ms < snapshot.now_ms - after.within_h * HOUR_MS:
        why = f"no drill of {after.game_day} has passed within the {after.within_h:g} h before"
    elif last.outcome == "claimed":
        return Why(code="dependency-not-passed", text=f"{last.occurrence.key} has not ended")
    elif (last.outcome, last.verdict) == ("ran", "passed"):
        return None
    else:
        why = f"{last.occurrence.key} has not passed: {last.verdict or last.outcome}"
    return Entry(occurrence, "skipped", code="dependency-not-passed", why=why)


def _budget(game_day: GameDay, occurrence: Occurrence, snapshot: Snapshot) -> Entry | None:
    """Check what the drills of this month have used."""
    budget, zone = game_day.guards.budget, game_day.schedule.zone
    if budget == Budget():
        return None
    month = _month(snapshot.now_ms, zone)
    used = [one for one in snapshot.of(game_day.id) if one.outcome in BEGAN and _month(one.began_ms, zone) == month]
    if budget.drills is not None and len(used) >= budget.drills:
        why = f"{len(used)} drills have begun in {month}, and the budget has {budget.drills}"
        return Entry(occurrence, "refused", code="budget-exhausted", why=why)
    for limit, unit, figures in (
        (budget.fis_minutes, "minutes of FIS", [one.fis_minutes for one in used]),
        (budget.error_seconds, "seconds without service", [one.error_seconds for one in used]),
    ):
        known = [figure for figure in figures if figure is not None]
        if limit is None:
            continue
        if len(known) < len(figures):
            why = f"how many {unit} the drills of {month} have used is unknown for {len(figures) - len(known)} of them"
            return Entry(occurrence, "refused", code="budget-unknown", why=why)
        if sum(known) >= limit:
            why = f"the drills of {month} have used {sum(known):g} {unit}, and the budget has {limit:g}"
            return Entry(occurrence, "refused", code="budget-exhausted", why=why)
    return None


def _month(instant_ms: int, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(instant_ms / 1000, zone):%Y-%m}"


def _clash(calendar: Calendar, game_day: GameDay, running: Iterable[Occurrence]) -> Why | None:
    """Check that no drill of the same topology runs."""
    for one in running:
        other = calendar.game_days.get(one.game_day)
        if one.game_day == game_day.id or (other is not None and _system(other) == _system(game_day)):
            return Why(code="clash", text=f"{one.key} has not ended")
    return None


def _system(game_day: GameDay) -> Path | None:
    return game_day.topology


def _expired(calendar: Calendar, snapshot: Snapshot, rules: Rules) -> Iterator[Entry]:
    """Yield the occurrences that were not approved in time, before their planned instant."""
    for one, until_ms in _wanting_approval(calendar, snapshot, rules):
        if until_ms < snapshot.now_ms:
            why = snapshot.unapproved[one]
            yield Entry(one, "expired", why.code, why.text)


def _wanting_approval(calendar: Calendar, snapshot: Snapshot, rules: Rules) -> Iterator[tuple[Occurrence, int]]:
    """Yield the coming occurrences that are not approved, each with the instant until which they must be."""
    for game_day in calendar.game_days.values():
        if game_day.approval is None or snapshot.conflict(game_day.id):
            continue
        for one in _expected(game_day, snapshot, rules):
            if one in snapshot.unapproved:
                yield one, one.planned_ms - game_day.approval.until_min * MINUTE_MS


def _expected(game_day: GameDay, snapshot: Snapshot, rules: Rules) -> Iterator[Occurrence]:
    """Yield the coming occurrences that neither the calendar nor a pause forbids."""
    for one in coming(game_day, snapshot, rules):
        is_paused = any(pause.covers(one.planned_ms) for pause in snapshot.pauses.get(game_day.id, ()))
        if not is_paused and rules.verdict(game_day, one.planned_ms, one.planned_ms).allowed:
            yield one


def _notifications(calendar: Calendar, snapshot: Snapshot, rules: Rules) -> Iterator[Notification]:
    """Yield everything that people should know by now; each notification is sent once, however often it is decided."""
    now_ms = snapshot.now_ms
    for game_day in calendar.game_days.values():
        if snapshot.conflict(game_day.id):
            yield from _of_conflict(game_day, snapshot, rules)
            continue
        for one in _expected(game_day, snapshot, rules):
            if one.planned_ms - now_ms <= SOON_MS:
                yield Notification("soon", one)
            elif one.planned_ms - now_ms <= PLANNED_MS:
                yield Notification("planned", one)
        yield from _of_outcomes(snapshot.of(game_day.id), now_ms)
        if series := series_of(snapshot.of(game_day.id)):
            yield Notification("overdue", series[-1].occurrence, {"detail": "series", "why": series_text(series)})
    for one, until_ms in _wanting_approval(calendar, snapshot, rules):
        if 0 <= until_ms - now_ms <= DAY_MS:
            rule = calendar.game_days[one.game_day].approval
            facts = {"until_ms": until_ms, "approvers": list(rule.by if rule else ())}
            yield Notification("approval-needed", one, facts)


def _of_conflict(game_day: GameDay, snapshot: Snapshot, rules: Rules) -> Iterator[Notification]:
    """Yield, for each coming occurrence that another calendar keeps from taking place, that people are to act."""
    if contested := snapshot.contested(game_day.id):
        facts = {"detail": contested.code, "code": contested.code, "why": contested.text}
        yield from (Notification("overdue", one, facts) for one in coming(game_day, snapshot, rules))


def _of_outcomes(entries: Sequence[Entry], now_ms: int) -> Iterator[Notification]:
    """Yield notifications of what became of a game day's occurrences; of several that were missed, of the latest.

    The drill's own process sends those of its begin and its end, with more facts, unless it was killed before.
    """
    recent = [one for one in entries if now_ms - one.at_ms <= NOTIFIED_MS or one.at_ms == 0]
    missed = [one for one in recent if one.outcome == "missed"]
    for one in recent:
        if one.owed:
            owed = {"run": one.run, "verdict": one.verdict, "owed": list(one.owed)}
            yield Notification("rollback-failed", one.occurrence, owed)
        if one.outcome == "claimed" and one.run:
            yield Notification("started", one.occurrence, {"run": one.run, "by": one.by})
        elif one.outcome in NOT_RUN and one not in missed[:-1]:
            facts = {"outcome": one.outcome, "code": one.code, "why": one.why}
            yield Notification("not-run", one.occurrence, facts)
        elif one.outcome == "died":
            yield Notification("died", one.occurrence, {"why": one.why, **({"run": one.run} if one.run else {})})
        elif one.outcome == "ran" and now_ms - one.at_ms > RUN_NOTIFIES_MS:
            yield Notification("finished", one.occurrence, {"run": one.run, "verdict": one.verdict})


def series_of(entries: Sequence[Entry]) -> list[Entry]:
    """Return the last occurrences of a game day when so many in a row were refused or proved nothing; else none.

    :param entries: in the order of their planned instants.
    """
    tried = [one for one in entries if one.outcome not in ("claimed", "skipped")][-SERIES:]
    is_series = len(tried) == SERIES and all(_proved_nothing(one) for one in tried)
    return tried if is_series else []


def series_text(series: Sequence[Entry]) -> str:
    """Return what a series of occurrences that proved nothing says, as a sentence."""
    words = ", ".join(one.verdict or one.outcome for one in series)
    return f"the last {len(series)} occurrences proved nothing: {words}"


def _proved_nothing(entry: Entry) -> bool:
    return entry.outcome == "refused" or (entry.outcome == "ran" and entry.verdict in ("invalid", "refused"))


def _utc(instant_ms: int) -> str:
    return f"{datetime.fromtimestamp(instant_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"
