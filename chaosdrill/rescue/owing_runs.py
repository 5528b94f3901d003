"""The runs that owe an undo of a system: the undos of each, the region that should serve, and earlier rescue
attempts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.aws import System
from chaosdrill.coordination.interface import Coordination, Lease, RecordedUndo, SystemState
from chaosdrill.history.owed_undos import PLACEMENT, OwedUndo
from chaosdrill.parts.interface import Fact
from chaosdrill.parts.registry import parts_of
from chaosdrill.rescue.execute import facts_of, read_facts, request_of
from chaosdrill.rescue.facts import Region
from chaosdrill.rescue.plan import RescuePlan, plan
from chaosdrill.runs.unended import SystemFile, UnendedRun, unended_runs

NOTE = "rescue"  # the kind of the note with earlier attempts


@dataclass(frozen=True)
class OwingRun:
    """A run that owes an undo, and whose driver is not alive.

    :param lease: None when coordination has none.
    :param owed: in the order in which the changes were begun; without those that were handed over.
    :param tried: names of the states that rescues of the run have acted on, each as often as they did.
    """

    run: str
    lease: Lease | None
    owed: tuple[OwedUndo, ...]
    tried: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunPlan:
    """The present plan of a rescue for a run.

    :param goal: the region that should serve.
    :param facts: the fact of each part, by its name.
    """

    run: OwingRun
    goal: Region
    facts: Mapping[str, Fact]
    plan: RescuePlan


def owing_runs(coordination: Coordination, state: SystemState) -> list[OwingRun]:
    """List the runs that owe an undo, the oldest first: rescues that died owe their own changes."""
    leases = {lease.run: lease for lease in state.leases}
    by_run: dict[str, list[OwedUndo]] = {}
    for one in owed_of(state):
        by_run.setdefault(one.run, []).append(one.undo)
    runs = sorted(by_run, key=lambda run: (leases[run].began_ms if run in leases else 0, run))
    return [OwingRun(run, leases.get(run), tuple(by_run[run]), tried_for(coordination, run)) for run in runs]


def owed_of(state: SystemState) -> list[RecordedUndo]:
    """List the undos that a rescue pays: those that are owed and were not handed over to an experiment."""
    return [one for one in state.owed if one.state == "owed"]


def tried_for(coordination: Coordination, run: str) -> tuple[str, ...]:
    """Read the names of the states that rescues of a run have acted on."""
    note = coordination.note(NOTE, run) or {}
    tried = note.get("tried")
    return tuple(map(str, tried)) if isinstance(tried, list) else ()


def plan_for(system: System, one: OwingRun, data_loss: str) -> RunPlan:
    """Read the facts of all parts, and decide what to do first for a run.

    :param data_loss: the word ``allowed`` when a database may be promoted with a loss of writes.
    """
    parts = parts_of(system.topology)
    read = read_facts(system, parts, one.run, one.owed)
    facts = facts_of(parts, read)
    goal = goal_of(system, one, lambda: facts.writer)
    return RunPlan(one, goal, read, plan(facts, request_of(parts, one.owed, goal, data_loss), one.tried))


def goal_of(system: System, one: OwingRun, writer: Callable[[], Region | None]) -> Region:
    """Return the region that should serve: ``standby`` where the drill was to end there and has begun to change the
    placement, or the standby writes; else ``home``.

    :param writer: reads which region writes.
    """
    if one.lease is None or one.lease.end != f"serving({system.topology.regions.standby})":
        return "home"
    return "standby" if any(undo.role in PLACEMENT for undo in one.owed) or writer() == "standby" else "home"


def unknown_runs(coordination: Coordination, runs: Path, file: SystemFile) -> list[UnendedRun]:
    """List the drills of this machine that are running or died and that coordination does not know.

    :param runs: the store of this machine.
    :raises BadInput: when the store cannot be read.
    """
    return [one for one in unended_runs(runs, file) if not coordination.read_run(one.run).leases]


def noted(tried: Sequence[str]) -> dict[str, Any]:
    """Return the facts of the note with earlier attempts."""
    return {"tried": list(tried)}
