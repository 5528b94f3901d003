"""Sweep: the leftovers of drills in a system, from its parts and coordination, and their removal under a lease of
its own.
"""

import hashlib
import logging
import shlex
import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaosdrill.analysis.untrusted_json import mapping
from chaosdrill.aws import System
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.coordination import coordination_of, hold_lease, lease_request
from chaosdrill.coordination.interface import Lease, LeaseRequest, SystemState
from chaosdrill.coordination.items import iso
from chaosdrill.errors import DrillError
from chaosdrill.parts.interface import Leftover, Part, SweepScope
from chaosdrill.parts.registry import lease_keys, parts_of
from chaosdrill.runs.events import read_events
from chaosdrill.runs.liveness import goes_on
from chaosdrill.runs.lookup import names_of_runs
from chaosdrill.topology import Topology

logger = logging.getLogger("chaostoolkit")

COORDINATION = "coordination"
LEASE, OWED = "lease", "owed-undo"
MOST_RUNS = 50  # the number of this machine's newest runs that are checked
_AT_ONCE = 8
_BEGINNING = ("drill-opened", "target-opened")  # the events that identify the system of a run


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep.

    :param leftovers: in the order of the parts.
    :param live_runs: runs in progress, whose resources are no leftovers.
    :param unreadable: why a part could not be read, by its name.
    """

    leftovers: tuple[Leftover, ...]
    live_runs: tuple[str, ...]
    unreadable: dict[str, str]

    @property
    def left(self) -> tuple[Leftover, ...]:
        """The leftovers that should not exist: without those that the next drill uses."""
        return tuple(one for one in self.leftovers if not one.is_reused)

    @property
    def is_clean(self) -> bool:
        """Whether there are no such leftovers; also false when that is unknown."""
        return not self.left and not self.unreadable


def live_runs_here(runs: Path, topology: Topology) -> frozenset[str]:
    """List the drills in progress on this machine that may be of a system; they need not hold a lease.

    :param runs: the store.
    :raises BadInput: when it cannot be read.
    """
    newest = sorted(names_of_runs(runs), reverse=True)[:MOST_RUNS]
    return frozenset(name for name in newest if goes_on(runs / name) and _may_be_of(topology, runs / name))


def _may_be_of(topology: Topology, directory: Path) -> bool:
    events, _ = read_events(directory, still_open=True)
    opened, target = (next((one for one in events if one.get("event") == name), {}) for name in _BEGINNING)
    if opened and opened.get("target") != topology.target:
        return False
    path = mapping(opened.get("configuration")).get("topology")
    sha256 = hashlib.sha256(topology.path.read_bytes()).hexdigest()
    return target.get("topology_sha256") in (None, sha256) or path == str(topology.path)


def find(
    system: System, live_here: Collection[str] = (), *, ended: Collection[str] = (), with_reused: bool = True
) -> Sweep:
    """Find the leftovers of all drills in a system, on any machine; only reads.

    :param live_here: runs that are known to be in progress without a lease.
    :param ended: runs that change nothing any more, although they hold a lease: the caller's own.
    :param with_reused: whether to list also what has no effect by itself and is used by the next drill.
    :raises DrillError: when coordination cannot be read: then it is unknown which runs are live.
    """
    state = coordination_of(system).read(lease_keys(system.topology))
    held = {one.run for one in state.holding() if not _has_ended(one, state)}
    live = (frozenset(live_here) | held) - frozenset(ended)
    owed = tuple(one for one in state.owed if one.run not in live and one.state == "owed")
    scope = SweepScope(live, owed, with_reused)
    parts = parts_of(system.topology)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sweep") as pool:
        read = list(pool.map(lambda part: _read(system, part, scope), parts))
    found = [one for leftovers, _ in read for one in leftovers]
    unreadable = {part.name: why for part, (_, why) in zip(parts, read, strict=True) if why}
    return Sweep((*_of_coordination(state, scope), *found), tuple(sorted(live)), unreadable)


def remove(system: System, leftovers: Sequence[Leftover]) -> dict[Leftover, str]:
    """Remove leftovers, one after the other, under the system's lease, so that no drill runs meanwhile.

    Expired leases are freed first. Leftovers that only a rescue or a person removes are left alone.

    :returns: why a leftover was not removed, by leftover.
    :raises Refused: when a drill holds the system (``lease-held``), or an undo is owed and not handed over
        (``undo-owed``); nothing but expired leases was removed.
    """
    removable = [one for one in leftovers if one.is_removable]
    failed = {one: why for one in removable if one.part == COORDINATION and (why := _free(system, one))}
    if others := [one for one in removable if one.part != COORDINATION]:
        with _lease(system) as stopped:
            for one in others:
                if why := "the sweep was stopped" if stopped.is_set() else _removed(system, one):
                    failed[one] = why
    return failed


def _read(system: System, part: Part, scope: SweepScope) -> tuple[list[Leftover], str]:
    try:
        return list(part.leftovers(system, scope)), ""
    except FAILURES as error:
        return [], str(error)


def _removed(system: System, leftover: Leftover) -> str:
    """Remove a leftover of a part.

    :returns: why it was not removed; empty when it was.
    """
    part = next(one for one in parts_of(system.topology) if one.name == leftover.part)
    try:
        part.remove(system, leftover)
    except FAILURES as error:
        return str(error)
    return ""


def _has_ended(lease: Lease, state: SystemState) -> bool:
    """Return whether a lease expired so long ago that no request of its holder can still arrive."""
    return lease.free_at_ms < state.now_ms


def _of_coordination(state: SystemState, scope: SweepScope) -> Iterator[Leftover]:
    owing = {one.run for one in state.owed}
    for lease in state.holding():
        if lease.run in scope.live_runs or lease.run in owing or not _has_ended(lease, state):
            continue  # the lease of a run that owes something ends with its rescue
        by = f"{lease.holder.user}@{lease.holder.host}, pid {lease.holder.pid}"
        what = f"lease of a {lease.purpose} of {by} that expired at {iso(lease.expires_ms)}"
        by_hand = "chaosdrill sweep TOPOLOGY --remove"
        yield Leftover(COORDINATION, LEASE, lease.run, "", what, by_hand, lease.run, iso(lease.expires_ms))
    for one in scope.owed:
        undo = one.undo
        what = f"step {undo.step} ({undo.action}) is not undone"
        by_hand = shlex.join(["chaosdrill", "rescue", one.run])
        yield Leftover(
            COORDINATION,
            OWED,
            f"{one.run}/{one.number}",
            "",
            what,
            by_hand,
            one.run,
            undo.began,
            is_removable=False,
        )


def _free(system: System, leftover: Leftover) -> str:
    """Release the resources of an expired lease.

    :returns: why that was not done; empty when it was, or when the lease is gone.
    """
    coordination = coordination_of(system)
    try:
        state = coordination.read(lease_keys(system.topology))
        for lease in state.holding():
            if lease.run == leftover.run and _has_ended(lease, state):
                coordination.release(coordination.take_over(_request(system, lease.resources), lease))
    except DrillError as error:
        return str(error)
    return ""


@contextmanager
def _lease(system: System) -> Iterator[threading.Event]:
    """Hold the system's lease during the block.

    :returns: an event that is set when the sweep is requested to stop, or when its lease is no longer reliable.
    """
    coordination, stopped = coordination_of(system), threading.Event()
    request = _request(system, lease_keys(system.topology))

    def stop(why: object) -> None:
        logger.warning(f"the sweep stops: {why}")
        stopped.set()

    with hold_lease(coordination, lambda: coordination.acquire(request), on_stop=stop, on_lost=stop):
        yield stopped


def _request(system: System, resources: Sequence[str]) -> LeaseRequest:
    return lease_request(system, f"sweep-{uuid.uuid4().hex[:12]}", "sweep", resources)
