"""One tick: reads, decides, records, claims, launches, notifies. Any scheduler may call it each minute, also twice."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from chaosdrill.coordination.holders import is_proven_dead
from chaosdrill.coordination.store import ItemStore
from chaosdrill.errors import BadInput, DrillError
from chaosdrill.gamedays.calendar import Calendar, Occurrence
from chaosdrill.gamedays.commands import remove_left_variables
from chaosdrill.gamedays.decisions import Decisions, Snapshot, decide
from chaosdrill.gamedays.events import Entry, Notification
from chaosdrill.gamedays.launch import launch
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.notifications.deliveries import Deliveries
from chaosdrill.gamedays.notifications.delivery import Delivery
from chaosdrill.gamedays.notifications.sending import notify
from chaosdrill.gamedays.outcomes import file_run, finished, transitions
from chaosdrill.gamedays.plans import plan_digest
from chaosdrill.gamedays.tick_inputs import Read, read, rules_of, run_directory_of
from chaosdrill.paths import runs_directory
from chaosdrill.runs.events import read_events

Launch = Callable[[Calendar, Occurrence, str], None]
logger = logging.getLogger("chaosdrill")


@dataclass(frozen=True)
class Ticked:
    """What a tick did.

    :param launched: occurrences whose drills were started.
    :param recorded: outcomes that this tick recorded.
    """

    decisions: Decisions
    launched: tuple[Occurrence, ...] = ()
    recorded: tuple[Entry, ...] = ()
    deliveries: tuple[Delivery, ...] = ()


def tick(calendar: Calendar, store: ItemStore, *, launches: bool = True, start: Launch = launch) -> Ticked:
    """Do what the calendar and the ledger ask for now. It waits for no drill; repeated it changes nothing.

    :param launches: whether drills are started here; not where another scheduler starts each of them.
    :raises CannotSee: when the ledger cannot be read or written; what was done until then counts.
    """
    rules = rules_of(calendar)
    found = read(calendar, store, rules)
    remove_left_variables(found.snapshot)
    decisions = decide(calendar, found.snapshot, rules)
    ledger = Ledger(store)
    recorded = [entry for entry in decisions.records if ledger.record(entry)]
    recorded += [one for one in decisions.ended if ledger.end_dead(one, found.snapshot.records[one.occurrence])]
    launched = []
    for one in decisions.begins if launches else ():
        if isinstance(begun := _begin(calendar, ledger, found, one, start), Entry):
            recorded.append(begun)
        elif begun:
            launched.append(one)
    for game_day, plan in decisions.plans.items():
        ledger.put_plan(game_day, plan)
    for game_day, rival in decisions.rivals.items():
        ledger.put_rival(game_day, rival)
    notices = [*decisions.notifications, *_of_orphans(found.snapshot), *_of_ended(calendar, store, recorded)]
    deliveries = notify(calendar, notices, Deliveries(store))
    return Ticked(decisions, tuple(launched), tuple(recorded), deliveries)


def _of_orphans(snapshot: Snapshot) -> Iterator[Notification]:
    """Yield what has happened in drills of this machine that go on without their own process, which notified of it."""
    for occurrence, record in snapshot.records.items():
        if occurrence in snapshot.dead or not record.is_open or record.holder is None:
            continue
        if snapshot.conflict(occurrence.game_day):
            continue  # the other calendar's, with channels of its own
        if is_proven_dead(record.holder) and (directory := run_directory_of(record.entry)) is not None:
            yield Notification("started", occurrence, {"run": directory.name, "by": record.entry.by})
            yield from transitions(occurrence, directory.name, read_events(directory, still_open=True)[0])


def _of_ended(calendar: Calendar, store: ItemStore, recorded: Iterable[Entry]) -> Iterator[Notification]:
    """File the runs of drills whose own process did not record their end, and yield the notifications of them."""
    for entry in recorded:
        directory = runs_directory() / entry.run
        if entry.outcome == "ran" and entry.run and directory.is_dir():
            file_run(calendar, store, calendar.game_days[entry.occurrence.game_day], directory)
            yield from transitions(entry.occurrence, entry.run, read_events(directory, still_open=True)[0])
            yield from finished(entry, directory)


def _begin(calendar: Calendar, ledger: Ledger, found: Read, occurrence: Occurrence, start: Launch) -> Entry | bool:
    """Claim an occurrence and start its drill.

    :returns: whether it was started here; an entry when it could not be.
    """
    claimed = claimed_entry(calendar, found, occurrence)
    if claimed.outcome != "claimed":
        return claimed if ledger.record(claimed) else False
    if not (token := ledger.claim(claimed, also=found.starts(occurrence))):
        return False
    try:
        start(calendar, occurrence, token)
    except (OSError, DrillError) as error:
        failed = replace(claimed, outcome="refused", code="launch-failed", why=f"its process was not started: {error}")
        logger.error("%s: %s", occurrence.key, failed.why)
        return failed if ledger.finish(failed, token) else False
    return True


def claimed_entry(calendar: Calendar, found: Read, occurrence: Occurrence, by: str = "schedule") -> Entry:
    """Return the entry with which an occurrence is claimed; one that refuses it when its plan cannot be read."""
    known = Entry(occurrence, "claimed", by=by, began_ms=found.snapshot.now_ms)
    try:
        return replace(known, digest=plan_digest(calendar.game_days[occurrence.game_day]))
    except BadInput as error:
        return replace(known, outcome="refused", code=error.codes[0], why=str(error), began_ms=0)
