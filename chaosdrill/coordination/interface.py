"""The interface of coordination for drills, rescues and scheduled game days. Two implementations: DynamoDB, and files.

Times are those of the service that stores the items, in milliseconds since 1970, so that the clocks of drivers may
differ.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chaosdrill.history.owed_undos import OwedUndo

SCHEMA = 1  # of the items that this version writes; it reads this one and older ones
CLOCK_BOUND_MS = 2_000  # the greatest difference between two processes' estimates of the service's time
LeaseState = Literal["held", "released", "taken-over"]
UndoState = Literal["owed", "paid", "handed-over"]
ApprovalState = Literal["pending", "approved", "refused"]
Purpose = Literal["drill", "rescue", "sweep", "settlement"]


@dataclass(frozen=True)
class Holder:
    """The process that holds a lease, so that another one on the same machine can determine whether it is dead.

    :param started: its start time in clock ticks since boot, as its own time namespace counts them.
    :param time_namespace: empty in older items, which do not record it.
    """

    boot_id: str
    pid_namespace: str
    pid: int
    started: float
    user: str
    host: str
    time_namespace: str = ""


@dataclass(frozen=True)
class StopRequest:
    """A person's request that a drill stops."""

    by: str
    at: str
    why: str


@dataclass(frozen=True)
class Lease:
    """The right of one run to change a system.

    :param token: random; only the holder knows it.
    :param expires_ms: when it ends unless it is renewed.
    :param attempt_ms: the longest that one request of the holder may take, in milliseconds: a run that takes the lease
        over waits that long after its end, because a request that was sent just before may still arrive.
    :param resources: keys of what it covers (:meth:`Resource.key`).
    :param end: the region state that the drill promises at its end.
    :param began_ms: when it was taken.
    """

    run: str
    token: str
    state: LeaseState
    purpose: Purpose
    expires_ms: int
    lease_ms: int
    attempt_ms: int
    resources: tuple[str, ...]
    holder: Holder
    experiment: str = ""
    end: str = ""
    stage: str = ""
    step: str = ""
    stop: StopRequest | None = None
    taken_by: str = ""
    began_ms: int = 0

    @property
    def free_at_ms(self) -> int:
        """When another run may take it over: by then every request that its holder may have sent has arrived."""
        return self.expires_ms + self.attempt_ms + CLOCK_BOUND_MS


@dataclass(frozen=True)
class RecordedUndo:
    """An owed undo as coordination stores it.

    :param number: of the change within its run, from 1.
    :param to: the experiment that may pay it, when it was handed over.
    :param until: the date until which it may stay, UTC, ISO 8601, when it was handed over.
    """

    run: str
    number: int
    undo: OwedUndo
    state: UndoState = "owed"
    paid_by: str = ""
    to: str = ""
    until: str = ""


@dataclass(frozen=True)
class Approval:
    """The request of a run that a person approves one of its steps.

    :param number: of the request within its run, from 1.
    :param question: the question to the person; empty when the experiment has no particular one.
    :param asked: when the request was made, UTC, ISO 8601.
    :param until_ms: when the run refuses the step by itself.
    :param by: who approved or refused it; empty while it is pending.
    :param at: when it was approved or refused, UTC, ISO 8601; empty while it is pending.
    """

    run: str
    number: int
    step: str
    question: str
    asked: str
    until_ms: int
    state: ApprovalState = "pending"
    by: str = ""
    at: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether it is neither approved nor refused yet."""
        return self.state == "pending"


@dataclass(frozen=True)
class SystemState:
    """The coordination state of a system: who holds it, and what is owed.

    :param now_ms: the service's time when this was read.
    :param leases: of the runs that hold one of the resources, or that owe an undo.
    :param approvals: the requests of those runs for approvals, in order.
    """

    now_ms: int
    leases: tuple[Lease, ...] = ()
    owed: tuple[RecordedUndo, ...] = ()
    approvals: tuple[Approval, ...] = ()

    def holding(self) -> tuple[Lease, ...]:
        """List the leases that are held, expired ones included."""
        return tuple(lease for lease in self.leases if lease.state == "held")

    def handed_over_to(self, experiment: str) -> tuple[RecordedUndo, ...]:
        """List the undos that were handed over to an experiment, also those whose date is past."""
        return tuple(one for one in self.owed if one.state == "handed-over" and one.to == experiment)


@dataclass(frozen=True)
class LeaseRequest:
    """A run's request for a lease.

    :param pays: runs whose owed undos do not refuse it: a rescue pays all of them, a drill only those that were handed
        over to its experiment. A sweep and a settlement load pay none, and begin although there are undos that were
        handed over.
    """

    run: str
    purpose: Purpose
    resources: tuple[str, ...]
    lease_ms: int
    attempt_ms: int
    holder: Holder
    experiment: str = ""
    end: str = ""
    pays: Collection[str] = field(default_factory=tuple)


class Coordination(Protocol):
    """The store in which the drills of one system coordinate.

    Every method raises ``CannotSee`` when the items cannot be reached (``coordination-unreachable``) or one does not
    have the form in which it is written (``coordination-invalid``), and ``Refused`` (``coordination-newer``) when one
    was written by a newer version.
    """

    def read(self, resources: Sequence[str]) -> SystemState:
        """Read who holds the resources and what is owed of them, with strongly consistent reads."""

    def read_run(self, run: str) -> SystemState:
        """Read the lease of one run, its owed undos and its requests for approvals; empty when the run is unknown."""

    def acquire(self, request: LeaseRequest) -> Lease:
        """Take the lease of resources that no run holds.

        :raises Refused: when a run holds one of them, live or expired (``lease-held``), or owes an undo of one of them
            (``undo-owed``).
        """

    def take_over(self, request: LeaseRequest, stale: Lease) -> Lease:
        """Take the lease from a run whose lease has expired, after the caller has waited long enough.

        The new lease also covers what ``stale`` covered. When to call it: :attr:`Lease.free_at_ms`.

        :raises Refused: when ``stale`` was renewed or taken by another run (``lease-held``), or owes an undo that the
            request does not pay (``undo-owed``).
        """

    def renew(self, lease: Lease, stage: str = "", step: str = "") -> Lease:
        """Extend a lease, and read the requests that were made of its run.

        :raises LeaseEnded: when another run has taken it over (``lease-lost``).
        """

    def release(self, lease: Lease) -> None:
        """Release the resources. Does nothing when another run holds them."""

    def owe(self, lease: Lease, number: int, undo: OwedUndo) -> None:
        """Record an undo before its change is made, replacing one of the same number.

        :raises LeaseEnded: when another run has taken the lease over (``lease-lost``).
        """

    def pay(self, run: str, number: int, by: str) -> None:
        """Record that an undo was paid. Does no harm when repeated, or when none is owed."""

    def hand_over(self, run: str, number: int, to: str, until: str) -> None:
        """Hand an undo over to a named experiment until a date.

        :raises Refused: when it is not owed (``undo-not-owed``).
        """

    def request_stop(self, run: str, by: str, why: str) -> None:
        """Request that a run stops.

        :raises Refused: when no live lease of it exists (``run-not-live``).
        """

    def ask_approval(self, run: str, number: int, step: str, question: str, within_ms: int) -> Approval:
        """Request the approval of a step, replacing a request of the same number."""

    def answer_approval(self, run: str, number: int, state: ApprovalState, by: str) -> Approval:
        """Approve or refuse a step; the first answer counts.

        :returns: the request with the answer that counts, which may be another one.
        :raises Refused: when the run has not requested it (``approval-not-pending``).
        """

    def put_note(self, kind: str, key: str, facts: Mapping[str, Any]) -> None:
        """Store facts under a key, such as the confirmation of a rehearsal."""

    def note(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """Read the facts of a key; None when there are none."""
