"""The lease of a drill, which holds the system from before the first change until the drill is closed."""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from chaosdrill import history
from chaosdrill.aws import System, system_of
from chaosdrill.controls.activities import runs_no_action
from chaosdrill.controls.hand_over import note_accepted
from chaosdrill.controls.left_in_force import notes_about_dead_runs
from chaosdrill.controls.record import in_words
from chaosdrill.coordination import coordination_of, hold_lease, lease_request
from chaosdrill.coordination.holders import is_proven_dead
from chaosdrill.coordination.interface import Coordination, Lease, LeaseRequest
from chaosdrill.errors import DrillError, Refused
from chaosdrill.history import stop_grace
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.messages import as_it_is, sentence, together
from chaosdrill.parts.registry import lease_keys
from chaosdrill.paths import runs_directory

if TYPE_CHECKING:
    from chaosdrill.controls.lifecycle import Session

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


def take_lease(session: "Session", experiment: str, state: str) -> None:
    """Hold the system for this drill, publish its owed undos from now on, and accept those handed over to the
    experiment.

    A ``--dry`` that runs no action holds nothing: such a drill writes nothing.

    :param experiment: its name.
    :param state: the present region state, for a refusal.
    :raises Refused: when another run holds the system (``lease-held``), or owes an undo (``undo-owed``).
    :raises CannotSee: when coordination cannot be reached (``coordination-unreachable``): no drill begins then.
    """
    if runs_no_action(session.experiment.get("dry")):
        return
    drill = history.current()
    assert drill is not None
    system = system_of(session.configuration, session.secrets)
    _warn_without_table(system)
    coordination = coordination_of(system)
    end = session.arguments.end or session.arguments.expect
    keys = lease_keys(system.topology)
    accepted = coordination.read(keys).handed_over_to(experiment)
    pays = {one.run for one in accepted}
    request = lease_request(system, drill.run_id, "drill", keys, experiment=experiment, end=end, pays=pays)
    block = hold_lease(
        coordination,
        partial(_taken, session, coordination, request, state),
        on_stop=session.stop_requested,
        on_lost=session.lease_lost,
        place=lambda: (session.status.phase, session.status.activity),
        expires=stop_grace.is_left_to_rescue,
    )
    session.lease = ExitStack()
    session.held.callback(give_back_lease, session)  # in any case; closing releases it earlier
    kept = session.lease.enter_context(block)
    drill.undos.publish_with(_Publisher(coordination, kept.lease))
    facts = {"coordination": str(coordination), "lease_s": request.lease_ms / 1000, "resources": request.resources}
    session.record.note(TAKEN, **facts)
    note_accepted(session, accepted)


def give_back_lease(session: "Session") -> None:
    """Release the lease, once. A lease that cannot be released expires by itself, as does one whose undos are left
    to `chaosdrill rescue --when-stale`.
    """
    stack, session.lease = session.lease, ExitStack()
    try:
        stack.close()
    except DrillError as error:
        logger.warning(f"the lease was not released, and expires by itself: {error}")
        session.record.note_of_others(NOT_RELEASED, why=in_words(error))


def _taken(session: "Session", coordination: Coordination, request: LeaseRequest, state: str) -> Lease:
    try:
        return coordination.acquire(request)
    except Refused as refusal:
        dead = _dead_holder(coordination, request)
        if dead is None:
            raise _with_notes(session, refusal, state) from None
    _wait_for_requests_of(session, dead)
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


def _wait_for_requests_of(session: "Session", dead: Lease) -> None:
    """Wait until no request of a process that has ended can still arrive."""
    seconds = dead.attempt_ms / 1000
    session.status.phase = f"waiting {seconds:g} s: requests of run {dead.run}, whose process has ended, may arrive"
    logger.info(f"{session.status.phase} until then")
    time.sleep(seconds)


def _with_notes(session: "Session", refusal: Refused, state: str) -> Refused:
    """Add the changes that dead drills of this machine have left to a refusal, and how to reverse them."""
    notes = notes_about_dead_runs(runs_directory(), session.record.events, state)
    message = together([as_it_is(str(refusal)), sentence("nothing was touched"), *notes])
    return Refused(message, code=refusal.code, problems=refusal.problems)


def _warn_without_table(system: System) -> None:
    if system.topology.coordination is None and system.topology.target == "aws":
        logger.warning(
            f"The topology {system.topology.path} names no coordination table: drills on other machines are not "
            "detected, and this drill cannot be stopped or rescued from another machine. "
            "`chaosdrill init --coordination` prints the table"
        )
