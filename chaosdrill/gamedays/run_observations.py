"""Observations of runs and assignments of findings in the store of a calendar's ledger. They never expire.

===============================  ===================  =========================================================
partition key                    sort key             attributes, beside those of every item of coordination
===============================  ===================  =========================================================
``gameday-observation#SYSTEM``   ``RUN#DIGEST``       ``observation``: as JSON
``gameday-finding#SYSTEM``       ``FINDING``          ``owner``, ``due``, ``ticket``
===============================  ===================  =========================================================
"""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from chaosdrill.coordination import items
from chaosdrill.coordination.holders import user_name
from chaosdrill.coordination.items import Item, ItemWrite
from chaosdrill.coordination.store import ConditionFailed, ItemStore
from chaosdrill.errors import BadInput, CannotSee
from chaosdrill.gamedays.calendar import Calendar, GameDay
from chaosdrill.gamedays.findings import Assignment, TrackedFinding, tracked_findings
from chaosdrill.gamedays.observations import Observation, digest_of_summary, observation_from, observation_of
from chaosdrill.history.run_directory import SUMMARY
from chaosdrill.runs.documents import read_regular
from chaosdrill.runs.events import read_events
from chaosdrill.runs.summaries import read_summary
from chaosdrill.topology import load_topology

LAB = "lab"


def system_name(calendar: Calendar, game_day: GameDay) -> str:
    """Return what the system of a game day is called: ``lab``, or its topology's path from the calendar on."""
    return LAB if game_day.topology is None else os.path.relpath(game_day.topology, calendar.file.parent)


def of_system(observations: Iterable[Observation], game_day: GameDay) -> list[Observation]:
    """Return the observations without those of systems of other teams, which may have the same name in their calendars.

    Those that do not say of which system they are stay, and all do when the topology cannot be read here.
    """
    try:
        domain = "" if game_day.topology is None else load_topology(game_day.topology).domain
    except BadInput:
        domain = ""
    return [one for one in observations if not (domain and one.domain) or one.domain == domain]


def observe(store: ItemStore, system: str, directory: Path) -> Observation | None:
    """Record what a run shows, unless exactly this is recorded already.

    :param directory: of the run, which has ended.
    :returns: the observation; None when the run has no summary, or this is recorded already.
    :raises CannotSee: when the store cannot be read or written.
    """
    new = _observation(directory, {(one.run, one.summary) for one in recorded(store, system)})
    if new is not None:
        _record(store, system, new)
    return new


def recorded(store: ItemStore, system: str) -> list[Observation]:
    """Read every observation of a system's runs.

    :raises CannotSee: when the store cannot be read, or an item is invalid (``coordination-invalid``).
    """
    return [_observation_in(item, store) for item in store.partition(_observations(system))]


def observe_again(store: ItemStore, system: str, runs: Path, named: Iterable[str]) -> list[Observation]:
    """Read every observation of a system's runs, after recording each that is new or has changed.

    One that cannot be recorded is returned all the same.

    :param runs: the directory with the runs of this machine.
    :param named: ids of runs that the ledger has; those that are recorded are read in any case.
    """
    found = recorded(store, system)
    known = {(one.run, one.summary) for one in found}
    for run in sorted({*named, *(one.run for one in found)}):
        new = _observation(runs / run, known) if run and "/" not in run else None
        if new is not None:
            found.append(new)
            with suppress(CannotSee, ConditionFailed):
                _record(store, system, new)
    return found


def findings_of(store: ItemStore, system: str, observations: Iterable[Observation], owner: str) -> list[TrackedFinding]:
    """Return the findings of a system with what people have decided about them.

    :param owner: of findings that nobody is assigned to.
    """
    assigned = {str(item[items.SORT_KEY]): _assignment(item) for item in store.partition(_findings(system))}
    return list(tracked_findings(system, observations, assigned, owner))


def recorded_findings(calendar: Calendar, store: ItemStore) -> list[TrackedFinding]:
    """Return the findings of every system of a calendar, by what is recorded in the store: nothing is written.

    :raises CannotSee: when the store cannot be read.
    """
    first: dict[str, GameDay] = {}
    for game_day in calendar.game_days.values():
        first.setdefault(system_name(calendar, game_day), game_day)
    return [
        finding
        for system, game_day in first.items()
        for finding in findings_of(store, system, of_system(recorded(store, system), game_day), game_day.owner)
    ]


def assign(store: ItemStore, finding: TrackedFinding, assignment: Assignment) -> None:
    """Record who owns a finding, until when it is to be closed, and its ticket. What is empty stays as it is."""
    texts = {name: getattr(assignment, name) for name in ("owner", "due", "ticket")}
    sets = {**items.stamp(user_name(), store.now_ms()), **{name: text for name, text in texts.items() if text}}
    store.update(ItemWrite((_findings(finding.system), finding.id), sets, when=(items.NOT_NEWER,)))


def _observation(directory: Path, known: Collection[tuple[str, str]]) -> Observation | None:
    """Observe a run; None when it has no summary, or is known by it."""
    try:
        data = read_regular(directory / SUMMARY)
    except OSError:
        return None
    digest = digest_of_summary(data)
    if (directory.name, digest) in known:
        return None
    events, _ = read_events(directory, still_open=True)
    return observation_of(directory.name, read_summary(directory).said, events, digest)


def _record(store: ItemStore, system: str, new: Observation) -> None:
    sets = {**items.stamp(user_name(), store.now_ms()), "observation": new.as_text()}
    store.update(ItemWrite((_observations(system), f"{new.run}#{new.summary[:12]}"), sets, when=(items.NOT_NEWER,)))


def _observation_in(item: Item, store: ItemStore) -> Observation:
    try:
        return observation_from(items.require_readable(item, str(store))["observation"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        where = f"{item[items.PARTITION_KEY]} {item[items.SORT_KEY]}"
        why = f"the item {where} of {store} is invalid: {type(error).__name__}: {error}"
        raise CannotSee(why, code="coordination-invalid") from error


def _assignment(item: Item) -> Assignment:
    return Assignment(*(str(item.get(name, "")) for name in ("owner", "due", "ticket")))


def _observations(system: str) -> str:
    return f"gameday-observation#{system}"


def _findings(system: str) -> str:
    return f"gameday-finding#{system}"
