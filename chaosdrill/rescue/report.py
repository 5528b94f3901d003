"""A complete rescue: waiting for the lease, carrying the rescue out under it, and its report."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import sleep

from chaosdrill.aws import System, lease_guard
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.coordination import hold_lease
from chaosdrill.coordination.interface import Coordination, Lease, RecordedUndo, SystemState
from chaosdrill.errors import DrillError, Refused
from chaosdrill.parts.registry import lease_keys
from chaosdrill.rescue.lease import free_in_s, stale_leases, take_lease
from chaosdrill.rescue.situation import Situation, why_it_lives
from chaosdrill.rescue.status import RegionStatus
from chaosdrill.rescue.system_rescue import RescueProgress, RunRescue, SystemRescue, settled_region

_SAY_EVERY_S = 10.0  # interval of the messages about the remaining wait


@dataclass(frozen=True)
class RescueReport:
    """The outcome of a rescue.

    :param idle: why there was nothing to do; empty when there was.
    :param run: the rescue's own run.
    :param runs: the rescue of each run that owed an undo.
    :param left: undos that are still owed.
    :param handed_over: undos that are left to an experiment.
    :param unknown: runs of this machine that died and whose undos coordination does not know.
    :param goal: the region state to be reached; empty where the placement was not owed.
    :param region: the region state at the end.
    :param failure: the error that ended the rescue.
    """

    topology: str
    coordination: str
    idle: str = ""
    run: str = ""
    runs: tuple[RunRescue, ...] = ()
    left: tuple[RecordedUndo, ...] = ()
    handed_over: tuple[RecordedUndo, ...] = ()
    unknown: tuple[str, ...] = ()
    goal: str = ""
    region: RegionStatus | None = None
    failure: DrillError | None = None

    @property
    def is_paid(self) -> bool:
        """Whether nothing is owed any more, and the region that should serve does."""
        by_person = any(one.by_person for one in self.runs)
        return not (self.failure or self.left or self.unknown or by_person or self.is_elsewhere)

    @property
    def is_elsewhere(self) -> bool:
        """Whether the region state differs from the goal; an unknown state does not count."""
        return bool(self.goal) and self.region is not None and self.region.state not in (self.goal, "unknown")


@dataclass
class _Outcome:
    """The results of a rescue in progress, which remain when an error ends it."""

    state: SystemState
    run: str = ""
    runs: dict[str, RunRescue] = field(default_factory=dict)
    goal: str = ""
    region: RegionStatus | None = None
    failure: DrillError | None = None


def rescue_under_lease(system: System, found: Situation, data_loss: str, progress: RescueProgress) -> RescueReport:
    """Take the system's lease, rescue every run that owes an undo, read the end state, and release the lease.

    :param data_loss: the word ``allowed`` when a database may be promoted with a loss of writes.
    :raises Refused: when a run holds the system (``lease-held``); nothing was changed.
    :raises CannotSee: when coordination cannot be reached before the lease is taken; nothing was changed.
    """
    outcome = _Outcome(_wait_until_free(system, found, progress))
    try:
        with _lease(system, found, outcome, progress) as (lease, stopped):
            rescue = SystemRescue(system, found.coordination, lease, data_loss, progress, stopped)
            _carry_out(system, rescue, outcome)
    except DrillError as error:
        if not outcome.run:
            raise  # the lease was not taken
        outcome.failure = outcome.failure or error
    kinds = {kind: tuple(one for one in outcome.state.owed if one.state == kind) for kind in ("owed", "handed-over")}
    return RescueReport(
        topology=str(system.topology.path),
        coordination=str(found.coordination),
        run=outcome.run,
        runs=tuple(outcome.runs.values()),
        left=kinds["owed"],
        handed_over=kinds["handed-over"],
        unknown=tuple(one.run for one in found.unknown),
        goal=outcome.goal,
        region=outcome.region,
        failure=outcome.failure,
    )


@contextmanager
def _lease(
    system: System, found: Situation, outcome: _Outcome, progress: RescueProgress
) -> Iterator[tuple[Lease, threading.Event]]:
    """Hold the system's lease during the block, whose calls reverse changes of drills.

    :returns: the lease, and an event that is set when the rescue is requested to stop.
    """
    coordination, stopped, state = found.coordination, threading.Event(), outcome.state
    pays = {one.run for one in state.owed}
    end = next((one.lease.end for one in found.runs if one.lease and one.lease.end), "")
    with (
        hold_lease(
            coordination,
            lambda: take_lease(system, coordination, stale_leases(state), pays, end),
            on_stop=lambda stop: stopped.set(),
            on_lost=progress.on_warning,
            place=lambda: ("rescue", progress.step),
        ) as kept,
        lease_guard.undoing(),
    ):
        outcome.run = kept.run
        yield kept.lease, stopped


def _carry_out(system: System, rescue: SystemRescue, outcome: _Outcome) -> None:
    try:
        rescue.carry_out(outcome.runs)
    except FAILURES as error:
        outcome.failure = error if isinstance(error, DrillError) else DrillError(str(error))
    regions = {"home": system.topology.regions.home, "standby": system.topology.regions.standby}
    goals = [one.goal for one in outcome.runs.values() if one.last.row.name == "goal-serves"]
    outcome.goal = f"serving({regions[goals[-1]]})" if goals else ""
    outcome.region = settled_region(system, outcome.goal)
    outcome.state = _state(system, rescue.coordination)


def _state(system: System, coordination: Coordination) -> SystemState:
    return coordination.read(lease_keys(system.topology))


def _wait_until_free(system: System, found: Situation, progress: RescueProgress) -> SystemState:
    """Wait until no request of a dead driver is in flight.

    :returns: the coordination state then.
    :raises Refused: when a driver is alive after all, or its lease was renewed, released or taken over meanwhile: how
        long to wait, and what to do, must be read again then.
    """
    state = found.state
    until_ms = state.now_ms + free_in_s(state) * 1000
    while (left_s := (until_ms - state.now_ms) / 1000) > 0:
        progress.on_wait(left_s)
        sleep(min(left_s + 0.05, _SAY_EVERY_S))
        state = _state(system, found.coordination)
    if (lives := why_it_lives(state)) is not None:
        raise Refused(lives, code=lives.code)
    if _ends(state) != _ends(found.state):
        runs = ", ".join(lease.run for lease in stale_leases(found.state))
        why = f"the lease of run {runs} was renewed, released or taken over while the rescue waited for it"
        raise Refused(f"{why}: nothing was changed. Run the rescue again", code="lease-held")
    return state


def _ends(state: SystemState) -> set[tuple[str, int]]:
    """Return the stale leases, each with its end."""
    return {(lease.token, lease.expires_ms) for lease in stale_leases(state)}
