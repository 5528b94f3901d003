"""What a tick, and a drill that is about to begin, read before they decide: ledger, approvals, and who has died."""

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from chaosdrill.coordination.holders import is_proven_dead
from chaosdrill.coordination.items import ItemWrite
from chaosdrill.coordination.store import ItemStore
from chaosdrill.errors import BadInput, DrillError
from chaosdrill.gamedays.approvals import Decision, read_decision, start_write
from chaosdrill.gamedays.calendar import Calendar, GameDay, Occurrence
from chaosdrill.gamedays.calendar_verdict import CalendarVerdict, verdict_of
from chaosdrill.gamedays.decisions import (
    DAY_MS,
    HORIZON_MS,
    HOUR_MS,
    MINUTE_MS,
    Rules,
    Snapshot,
    Why,
    coming,
    due,
    schedule_text,
)
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.identities import principal_of_process
from chaosdrill.gamedays.instants import planned_instants
from chaosdrill.gamedays.ledger import Ledger, Record
from chaosdrill.gamedays.outcomes import ended_entry, run_of
from chaosdrill.gamedays.plans import definition_of
from chaosdrill.paths import runs_directory
from chaosdrill.runs.liveness import goes_on

RECENT_MS = 32 * DAY_MS  # what of the ledger counts for a budget
BEGINS_WITHIN_MS = 5 * MINUTE_MS  # how long a process that was launched has to begin
SILENT_MS = 10 * MINUTE_MS  # after which the process of a claim, on another machine, counts as dead


def rules_of(calendar: Calendar) -> Rules:
    """Return the rules of a calendar. A verdict is found once: it may read a freeze calendar."""

    @cache
    def verdict(game_day: str, planned_ms: int, start_ms: int) -> CalendarVerdict:
        return verdict_of(calendar, calendar.game_days[game_day], planned_ms, start_ms=start_ms)

    return Rules(planned_instants, lambda game_day, planned_ms, start_ms: verdict(game_day.id, planned_ms, start_ms))


@dataclass(frozen=True)
class Read:
    """A snapshot, and what it takes to begin the occurrences in it.

    :param approvals: the approval that counts, by occurrence.
    """

    snapshot: Snapshot
    approvals: Mapping[Occurrence, Decision] = field(default_factory=dict)

    def starts(self, occurrence: Occurrence) -> list[ItemWrite]:
        """Return the writes that belong to a claim of the occurrence: that its approval is used."""
        decision = self.approvals.get(occurrence)
        return [start_write(decision.approval, occurrence)] if decision and decision.approval else []


def read(
    calendar: Calendar, store: ItemStore, rules: Rules, *, also: Iterable[Occurrence] = (), by_hand: bool = False
) -> Read:
    """Read what the decisions of a moment depend on.

    :param also: occurrences whose approval is read beside those that are due or coming.
    :param by_hand: whether a person begins them.
    :raises CannotSee: when the store cannot be read.
    """
    ledger = Ledger(store)
    now_ms = ledger.now_ms()
    days = calendar.game_days.values()
    plans = {one.id: plan for one in days if (plan := ledger.plan(one.id))}
    records: dict[Occurrence, Record] = {}
    for one in days:
        settled_ms = plans[one.id].settled_ms if one.id in plans else now_ms
        records |= ledger.entries(one.id, min(settled_ms, now_ms - _recent_ms(calendar)), now_ms + 2 * HORIZON_MS)
    pauses = {one.id: ledger.pauses(one.id) for one in days}
    rivals = {one.id: rival for one in days if (rival := ledger.rival(one.id))}
    definitions = {one.id: definition_of(one, schedule_text(one.schedule)) for one in days}
    dead = {one: entry for one, record in records.items() if (entry := end_of(record, now_ms))}
    place = f"{socket.gethostname()}:{calendar.file.absolute()}"
    snapshot = Snapshot(now_ms, plans, records, pauses, dead=dead, definitions=definitions, place=place, rivals=rivals)
    approvals = _approvals(calendar, store, snapshot, rules, also, by_hand)
    why_not = {one: Why(each.code, each.why) for one, each in approvals.items() if not each.is_approved}
    return Read(replace(snapshot, unapproved=why_not), approvals)


def _recent_ms(calendar: Calendar) -> int:
    within = [int(one.after.within_h * HOUR_MS) for one in calendar.game_days.values() if one.after]
    return max([RECENT_MS, *within])


def _approvals(
    calendar: Calendar, store: ItemStore, snapshot: Snapshot, rules: Rules, also: Iterable[Occurrence], by_hand: bool
) -> dict[Occurrence, Decision]:
    found: dict[Occurrence, Decision] = {}
    for game_day in calendar.game_days.values():
        if game_day.approval is None:
            continue
        wanted = {*coming(game_day, snapshot, rules), *due(game_day, snapshot, rules)}
        wanted |= {one for one in also if one.game_day == game_day.id}
        if wanted:
            operator = _unless_unreadable(lambda day=game_day: principal_of_process(day.topology))  # type: ignore[misc]
            found |= {one: _decision(store, game_day, one, operator, by_hand) for one in wanted}
    return found


def _unless_unreadable(principal: Callable[[], str]) -> str | DrillError:
    try:
        return principal()
    except DrillError as error:
        return error


def _decision(
    store: ItemStore, game_day: GameDay, occurrence: Occurrence, operator: str | DrillError, by_hand: bool
) -> Decision:
    """Read whether an occurrence is approved. What cannot be read approves nothing."""
    if isinstance(operator, DrillError):
        return Decision(code=operator.code, why=str(operator))
    try:
        return read_decision(store, game_day, occurrence, operator, by_hand)
    except BadInput as error:
        return Decision(code=error.codes[0], why=str(error))


def end_of(record: Record, now_ms: int) -> Entry | None:
    """Find out how the drill of a claim ended, when its process has not recorded it.

    :param now_ms: the ledger's time.
    :returns: ``ran`` with its verdict, when the run has one on this machine; ``died``; or None while the process may
        live: one of this machine until it has ended, one of another machine until it was silent for 10 minutes.
    """
    if not record.is_open:
        return None
    entry, silent_ms = record.entry, now_ms - record.alive_ms
    if record.holder is None:
        why = f"nothing has begun the drill since it was claimed at {_utc(record.alive_ms)}"
        return replace(entry, outcome="died", code="not-begun", why=why) if silent_ms > BEGINS_WITHIN_MS else None
    if not is_proven_dead(record.holder) and silent_ms <= SILENT_MS:
        return None
    directory = run_directory_of(entry)
    if directory is not None:
        if goes_on(directory):
            return None  # the drill goes on without the process that was to record its end
        if (ended := ended_entry(entry, directory)) is not None:
            return ended
    who = f"pid {record.holder.pid} on {record.holder.host}"
    why = f"its process ({who}) ended without a word, or was silent since {_utc(record.alive_ms)}"
    found = replace(entry, run=directory.name) if directory else entry
    return replace(found, outcome="died", code="process-died", why=why)


def run_directory_of(entry: Entry) -> Path | None:
    """Find the run of an entry on this machine; its process may have died before it recorded the run.

    :returns: its directory; None when it is not here.
    """
    if entry.run:
        directory = runs_directory() / entry.run
        return directory if directory.is_dir() else None
    return run_of(entry.occurrence, entry.began_ms)


def _utc(instant_ms: int) -> str:
    return f"{datetime.fromtimestamp(instant_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
