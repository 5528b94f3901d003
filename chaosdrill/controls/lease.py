"""The lease of a drill, which holds the system from before the first change until the drill is closed."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from chaosdrill import history
from chaosdrill.aws import System
from chaosdrill.controls.activities import runs_no_action
from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.hand_over import note_accepted
from chaosdrill.controls.left_in_force import notes_about_dead_runs
from chaosdrill.controls.record import in_words
from chaosdrill.coordination import coordination_of, hold_lease, lease_request
from chaosdrill.coordination.holders import is_proven_dead
from chaosdrill.coordination.interface import Coordination, Lease, LeaseRequest, StopRequest
from chaosdrill.errors import DrillError, Refused
from chaosdrill.history import stop_grace
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.messages import as_it_is, sentence, together
from chaosdrill.parts.registry import lease_keys
from chaosdrill.paths import runs_directory

logger = logging.getLogger("chaostoolkit")
TAKEN, LOST, NOT_RELEASED = "lease-taken", "lease-lost", "lease-not-released"


@dataclass(frozen=True)
class _Publisher:
    """A publisher of a run's owed undos in coordination: :class:`chaosdrill.history.publication.UndoPublisher`."""

    coordination: Coordination
    lease: Lease

    def owe(self, undo: OwedUndo) -> None:
        self.coordination.owe(self.lease, undo.number, undo)

    def pay(self, undo: OwedUndo) -> None:
        self.coordination.pay(self.lease.run, undo.number, self.lease.run)


def take_lease(
    drill: DrillContext,
    experiment: str,
    state: str,
    on_stop: Callable[[StopRequest], None],
    on_lost: Callable[[str], None],
) -> None:
    """Hold the system for this drill, publish its owed undos from now on, and accept those handed over to the
    experiment.

    A ``--dry`` that runs no action holds nothing: such a drill writes nothing.

    :param experiment: its name.
    :param state: the present region state, for a refusal.
    :param on_stop: called once when a person requests the drill to stop.
    :param on_lost: called once when the lease is no longer reliable, with the reason.
    :raises Refused: when another run holds the system (``lease-held``), or owes an undo (``undo-owed``).
    :raises CannotSee: when coordination cannot be reached (``coordination-unreachable``): no drill begins then.
    """
    if runs_no_action(drill.experiment.get("dry")):
        return
    opened = history.current()
    assert opened is not None
    system = drill.system
    _warn_without_table(system)
    coordination = coordination_of(system)
    end = drill.arguments.end or drill.arguments.expect
    keys = lease_keys(system.topology)
    accepted = coordination.read(keys).handed_over_to(experiment)
    pays = {one.run for one in accepted}
    request = lease_request(system, opened.run_id, "drill", keys, experiment=experiment, end=end, pays=pays)
    block = hold_lease(
        coordination,
        partial(_taken, drill, coordination, request, state),
        on_stop=on_stop,
        on_lost=on_lost,
        place=lambda: (drill.status.phase, drill.status.activity),
        expires=stop_grace.is_left_to_rescue,
    )
    drill.lease = ExitStack()
    drill.held.callback(give_back_lease, drill)  # in any case; closing releases it earlier
    kept = drill.lease.enter_context(block)
    opened.undos.publish_with(_Publisher(coordination, kept.lease))
    facts = {"coordination": str(coordination), "lease_s": request.lease_ms / 1000, "resources": request.resources}
    drill.record.note(TAKEN, **facts)
    note_accepted(drill, accepted)


def give_back_lease(drill: DrillContext) -> None:
    """Release the lease, once. A lease that cannot be released expires by itself, as does one whose undos are left
    to `chaosdrill rescue --when-stale`.
    """
    stack, drill.lease = drill.lease, ExitStack()
    try:
        stack.close()
    except DrillError as error:
        logger.warning(f"the lease was not released, and expires by itself: {error}")
        drill.record.note_of_others(NOT_RELEASED, why=in_words(error))


def _taken(drill: DrillContext, coordination: Coordination, request: LeaseRequest, state: str) -> Lease:
    try:
        return coordination.acquire(request)
    except Refused as refusal:
        dead = _dead_holder(coordination, request)
        if dead is None:
            raise _with_notes(drill, refusal, state) from None
    _wait_for_requests_of(drill, dead)
    return coordination.take_over(request, dead)


def _dead_holder(coordination: Coordination, request: LeaseRequest) -> Lease | None:
    """Find a process of this machine that holds the system, has ended, and owes nothing: it can be replaced at once.

    :returns: its lease; None when another run holds the system, or an undo is owed that this drill does not accept.
    """
    state = coordination.read(request.resources)
    holding: Sequence[Lease] = state.holding()
    accepted = state.handed_over_to(request.experiment)
    if len(state.owed) > len(accepted) or len(holding) != 1 or not is_proven_dead(holding[0].holder):
        return None
    return holding[0]


def _wait_for_requests_of(drill: DrillContext, dead: Lease) -> None:
    """Wait until no request of a process that has ended can still arrive."""
    seconds = dead.attempt_ms / 1000
    drill.status.phase = f"waiting {seconds:g} s: requests of run {dead.run}, whose process has ended, may arrive"
    logger.info(f"{drill.status.phase} until then")
    time.sleep(seconds)


def _with_notes(drill: DrillContext, refusal: Refused, state: str) -> Refused:
    """Add the changes that dead drills of this machine have left to a refusal, and how to reverse them."""
    notes = notes_about_dead_runs(runs_directory(), drill.record.events, state)
    message = together([as_it_is(str(refusal)), sentence("nothing was touched"), *notes])
    return Refused(message, code=refusal.code, problems=refusal.problems)


def _warn_without_table(system: System) -> None:
    if system.topology.coordination is None and system.topology.target == "aws":
        logger.warning(
            f"The topology {system.topology.path} names no coordination table: drills on other machines are not "
            "detected, and this drill cannot be stopped or rescued from another machine. "
            "`chaosdrill init --coordination` prints the table"
        )
