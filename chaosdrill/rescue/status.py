"""The status of a system: faults in force and owed undos, from coordination, this machine's runs, and fresh reads.

It only reads. A drill is identified by its lease, or, when coordination does not know it, by its history on this
machine.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System
from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.holders import is_proven_dead
from chaosdrill.coordination.interface import Approval, Coordination, Lease, RecordedUndo, StopRequest, SystemState
from chaosdrill.coordination.items import iso
from chaosdrill.errors import CannotSee, DrillError, Refused
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.interface import BasePart
from chaosdrill.parts.registry import lease_keys, part_of_action
from chaosdrill.region import read_region_of, verdict
from chaosdrill.runs.unended import SystemFile, UnendedRun, unended_runs

DrillState = Literal["live", "expired", "released", "taken-over", "died"]
FREE: tuple[DrillState, ...] = ("released", "taken-over")  # a run in these states no longer drills


@dataclass(frozen=True)
class DrillStatus:
    """A run that drills the system, or that did and owes an undo.

    :param state: ``live``; ``expired``: its lease ended without being released; ``released`` or ``taken-over``: it only
        owes; ``died``: its process on this machine has ended and it has no lease.
    :param by: ``user@host``, with the process id where it holds a lease.
    :param since: when it began, UTC, ISO 8601; empty when that is unknown.
    :param expires: when its lease ends unless it is renewed, UTC, ISO 8601; empty without a lease that is held.
    :param left_s: seconds until then; negative when it has expired; None without a lease that is held.
    :param is_dead: whether its process was one of this machine and has ended.
    :param known_from: ``coordination``, or ``history`` of this machine.
    """

    run: str
    state: DrillState
    purpose: str
    experiment: str
    by: str
    since: str
    stage: str
    step: str
    known_from: Literal["coordination", "history"]
    expires: str = ""
    left_s: float | None = None
    is_dead: bool = False
    end: str = ""
    stop: StopRequest | None = None


@dataclass(frozen=True)
class OwedStatus:
    """An owed undo.

    :param kind: what was changed: load, heartbeat, fault or system.
    :param undo: the activity that reverses the change.
    :param ends: when the change ends by itself, UTC, ISO 8601; empty when it does not.
    :param left_s: seconds until then; 0 when it has ended; None when it does not.
    :param to: the experiment to which it was handed over.
    :param until: the date until which it may stay, when it was handed over.
    :param is_overdue: whether that date is past.
    :param by_hand: commands with which a person undoes it.
    """

    run: str
    number: int
    step: str
    action: str
    kind: str
    part: str
    undo: str
    since: str
    state: Literal["owed", "handed-over"]
    ends: str
    left_s: float | None
    to: str
    until: str
    is_overdue: bool
    by_hand: tuple[str, ...]


@dataclass(frozen=True)
class RegionStatus:
    """The region state and the facts that could not be read.

    :param unreadable: each fact that could not be read, with the reason.
    """

    state: str
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """The reason why coordination could not be read."""

    code: str
    why: str


@dataclass(frozen=True)
class SystemStatus:
    """The status of a system.

    :param topology: its file; empty when none is named.
    :param coordination: the store of leases and owed undos; empty without a topology.
    :param is_shared: whether that is a table, which drills of other machines also use.
    :param at: when this was read, UTC, ISO 8601.
    :param region: None where no topology is named.
    :param approvals: requests for which a run waits now.
    """

    topology: str
    coordination: str
    is_shared: bool
    at: str
    region: RegionStatus | None
    drills: tuple[DrillStatus, ...]
    owed: tuple[OwedStatus, ...]
    unreadable: Unreadable | None = None
    approvals: tuple[Approval, ...] = ()

    @property
    def is_clear(self) -> bool:
        """Whether no drill is in force and nothing is owed."""
        return not self.owed and all(one.state in FREE for one in self.drills)

    @property
    def is_overdue(self) -> bool:
        """Whether an undo that was handed over is past its date."""
        return any(one.is_overdue for one in self.owed)

    def of_run(self, run: str) -> "SystemStatus":
        """Return the status of one run.

        :param run: its id, or the beginning of it.
        """
        drills = tuple(one for one in self.drills if one.run.startswith(run))
        owed = tuple(one for one in self.owed if one.run.startswith(run))
        approvals = tuple(one for one in self.approvals if one.run.startswith(run))
        return replace(self, drills=drills, owed=owed, approvals=approvals)


def status_of(system: System, file: SystemFile, runs: Path, run: str = "") -> SystemStatus:
    """Read the status of a system.

    :param file: its topology, by which the runs of this machine are recognised.
    :param runs: the store of this machine.
    :param run: the lease of this run is included even if it has been released and nothing is owed.
    :raises BadInput: when the store cannot be read.
    """
    coordination, table = coordination_of(system), system.topology.coordination
    now_ms, drills, owed, problem = _now_ms(), [], [], None
    approvals: tuple[Approval, ...] = ()
    unended = list(unended_runs(runs, file))
    try:
        state = coordination.read(lease_keys(system.topology))
        now_ms = state.now_ms
        unended = [one for one in unended if not coordination.read_run(one.run).leases]
        drills, owed = list(_drills(state)), [_recorded(one, now_ms) for one in state.owed]
        approvals = tuple(one for one in state.approvals if one.is_pending and one.until_ms >= now_ms)
        if run and run not in {one.run for one in state.leases}:
            drills += _drills(coordination.read_run(run))
    except (CannotSee, Refused) as error:
        problem = Unreadable(error.code, str(error))
    return SystemStatus(
        topology=str(system.topology.path),
        coordination=str(coordination),
        is_shared=table is not None,
        at=iso(now_ms),
        region=region_status(system),
        drills=(*drills, *map(_of_history, unended)),
        owed=(*owed, *_owed_by(unended, now_ms)),
        unreadable=problem,
        approvals=approvals,
    )


def status_of_machine(runs: Path) -> SystemStatus:
    """Read the status of real systems from this machine's runs, where no topology is named.

    :raises BadInput: when the store cannot be read.
    """
    now_ms, unended = _now_ms(), list(unended_runs(runs, None))
    drills, owed = tuple(map(_of_history, unended)), tuple(_owed_by(unended, now_ms))
    return SystemStatus("", "", False, iso(now_ms), None, drills, owed)


def live_leases(coordination: Coordination, keys: Sequence[str]) -> tuple[Lease, ...]:
    """List the leases of a system that are held and have not expired."""
    state = coordination.read(keys)
    return tuple(lease for lease in state.holding() if lease.expires_ms >= state.now_ms)


def is_past(until: str, now: datetime) -> bool:
    """Return whether the date of an undo that was handed over is past; also when it is no valid date.

    :param until: ISO 8601; a date without a time includes the whole day, in UTC.
    """
    try:
        if len(until) == len("2027-01-31"):
            end = datetime.combine(date.fromisoformat(until), time.max, UTC)
        else:
            end = datetime.fromisoformat(until)
            end = end if end.tzinfo else end.replace(tzinfo=UTC)
    except ValueError:
        return True
    return now > end


def _drills(state: SystemState) -> Iterator[DrillStatus]:
    for lease in state.leases:
        is_held = lease.state == "held"
        left_s = (lease.expires_ms - state.now_ms) / 1000 if is_held else None
        yield DrillStatus(
            run=lease.run,
            state=("live" if left_s >= 0 else "expired") if left_s is not None else _free(lease),
            purpose=lease.purpose,
            experiment=lease.experiment,
            by=f"{lease.holder.user}@{lease.holder.host}, pid {lease.holder.pid}",
            since=_iso(lease.began_ms) if lease.began_ms else "",
            stage=lease.stage,
            step=lease.step,
            known_from="coordination",
            expires=_iso(lease.expires_ms) if is_held else "",
            left_s=left_s,
            is_dead=is_held and is_proven_dead(lease.holder),
            end=lease.end,
            stop=lease.stop,
        )


def _iso(moment_ms: int) -> str:
    try:
        return iso(moment_ms)
    except (OSError, OverflowError, ValueError):  # the table may be written by others
        return f"{moment_ms} ms"


def _free(lease: Lease) -> DrillState:
    return "taken-over" if lease.state == "taken-over" else "released"


def _of_history(one: UnendedRun) -> DrillStatus:
    is_dead = one.state == "died"
    facts = (one.run, one.state, "drill", one.experiment, one.by, one.began, one.stage, one.step)
    return DrillStatus(*facts, known_from="history", is_dead=is_dead)


def _owed_by(unended: Sequence[UnendedRun], now_ms: int) -> Iterator[OwedStatus]:
    for one in unended:
        for undo in one.owed:
            yield _recorded(RecordedUndo(one.run, undo.number, undo), now_ms)


def _recorded(one: RecordedUndo, now_ms: int) -> OwedStatus:
    now, undo = datetime.fromtimestamp(now_ms / 1000, UTC), one.undo
    is_handed_over = one.state == "handed-over"
    return OwedStatus(
        run=one.run,
        number=one.number,
        step=undo.step,
        action=undo.action,
        kind=undo.kind,
        part=undo.part,
        undo=undo.undo,
        since=undo.began,
        state="handed-over" if is_handed_over else "owed",
        ends=undo.ends,
        left_s=_left_s(undo, now),
        to=one.to,
        until=one.until,
        is_overdue=is_handed_over and is_past(one.until, now),
        by_hand=undo_by_hand(undo, now),
    )


def undo_by_hand(undo: OwedUndo, now: datetime) -> tuple[str, ...]:
    """List the commands with which a person pays an owed undo."""
    try:
        return tuple((part_of_action(undo.action) or BasePart()).undo_by_hand(undo, now))
    except (AttributeError, KeyError, TypeError, ValueError):  # the table may be written by others
        return tuple(BasePart().undo_by_hand(undo, now))


def _left_s(undo: OwedUndo, now: datetime) -> float | None:
    try:
        return undo.left_s(now)
    except (AttributeError, OverflowError, TypeError, ValueError):  # the table may be written by others
        return None


def region_status(system: System) -> RegionStatus:
    """Read the region state."""
    try:
        facts = read_region_of(system).value
    except (DrillError, BotoCoreError, ClientError) as error:
        return RegionStatus("unknown", (str(error),))
    unreadable = (
        f"{name}: {fact['error']}" for name, fact in facts.items() if isinstance(fact, dict) and "error" in fact
    )
    return RegionStatus(verdict(facts), tuple(unreadable))


def _now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)
