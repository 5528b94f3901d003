"""The lease guard: no request that changes something is sent when too little of the run's lease remains.

FIS, ARC, RDS and Step Functions support no fencing token, so chaosdrill can only promise a bound. Each attempt of a
changing call, retries included, is refused just before it is sent when less of the lease remains than the attempt may
take plus a margin. A run that takes the lease over waits until then. docs/safety.md states what the bound leaves open,
per call.

It uses botocore's event system, so that no activity can omit it. It knows only that there is a lease;
:mod:`chaosdrill.coordination` stores and renews leases.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, Protocol

from chaosdrill import history
from chaosdrill.aws import deadlines
from chaosdrill.aws.guard import attempts_sent, changes_something
from chaosdrill.errors import LeaseEnded

MARGIN_S: Mapping[str, float] = {"aws": 2.0, "lab": 1.0}  # by target
# how long a change waits for the next renewal, which comes at once after a stopped process continues
RENEWAL_WITHIN_S = 5.0
SENDS_COMMANDS = "SendCommand"
READING_COMMANDS = frozenset(
    {
        "find-aws-endpoint",
        "find-program",
        "find-python",
        "inspect-host",
        "list-leftovers",
        "list-packet-loss",
        "list-tools",
        "read-drop-counter",
        "resolve-domain",
    }
)
"""Commands on the client host that change nothing there. SSM has them as a comment, ``chaosdrill: NAME``."""


class HeldLease(Protocol):
    """The lease of this process's run."""

    @property
    def run(self) -> str:
        """The run that holds it."""

    def remaining_s(self) -> float:
        """Return for how much longer it is certainly held, in seconds; negative after it has expired."""

    def wait_for_renewal(self, needed_s: float, within_s: float) -> bool:
        """Wait until ``needed_s`` of it remain.

        :returns: whether they do; False at once when no renewal is possible any more.
        """

    def refuses_undo(self) -> str:
        """Read whether another run has taken the system over.

        :returns: the reason to refuse, with that run; empty when none is known, also when that cannot be read.
        """


_held: HeldLease | None = None
_undoing: ContextVar[bool | None] = ContextVar("undoing", default=None)
_reading: ContextVar[str] = ContextVar("reading", default="")


@contextmanager
def guarded_by(lease: HeldLease) -> Iterator[None]:
    """Make the changing calls of this process depend on a lease during the block.

    :raises RuntimeError: when they already depend on one.
    """
    global _held
    if _held is not None:
        raise RuntimeError(f"run {_held.run} holds a lease already")
    _held = lease
    try:
        yield
    finally:
        _held = None


@contextmanager
def undoing(undo: bool = True) -> Iterator[None]:
    """Declare whether the calls of this context reverse earlier changes.

    Calls that do may be sent after the lease has expired, unless a read shows that another run has taken it over.
    Without a declaration, calls count as reversing once the drill has come to its rollbacks. Other threads do not
    inherit it (see
    :func:`deadlines.carried`).
    """
    token = _undoing.set(undo)
    try:
        yield
    finally:
        _undoing.reset(token)


@contextmanager
def reading(command: str) -> Iterator[None]:
    """Exempt the command on the client host that this context sends from the lease, because it changes nothing there.

    :param command: one of :data:`READING_COMMANDS`; empty: it changes something.
    :raises ValueError: when it is another one.
    """
    if command and command not in READING_COMMANDS:
        raise ValueError(f"{command!r} is none of the commands that only read: {sorted(READING_COMMANDS)}")
    token = _reading.set(command)
    try:
        yield
    finally:
        _reading.reset(token)


def guard_lease(client: Any, margin_s: float) -> None:
    """Allow ``client`` to send changing requests only while enough of the lease remains. Without a lease it does
    nothing.

    :param margin_s: the seconds that must remain beyond the total of an attempt: for the time between this check and
        the first byte, and between the last byte and the service.
    """
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-send.{service}", _Guard(client, margin_s).before_send)


class _Guard:
    def __init__(self, client: Any, margin_s: float) -> None:
        self._client, self._needed_s = client, deadlines.attempt_s(client) + margin_s

    def before_send(self, request: Any, event_name: str, **_: Any) -> None:
        """Check one attempt, whose time has just begun.

        botocore neither retries nor replaces what is raised here.

        :raises LeaseEnded: when it may not be sent.
        """
        lease, operation = _held, event_name.rpartition(".")[2]
        if lease is None or not _needs_lease(operation) or lease.remaining_s() >= self._needed_s:
            return
        if why := self._undo_refused(lease) if _is_undo() else self._too_late(lease):
            raise _ended(lease.run, operation, why, attempts_sent(request))

    def _undo_refused(self, lease: HeldLease) -> str:
        why = copy_context().run(lease.refuses_undo)  # the read does not change the deadline of the original call
        deadlines.begin_attempt(self._client)
        return why

    def _too_late(self, lease: HeldLease) -> str:
        lease.wait_for_renewal(self._needed_s, RENEWAL_WITHIN_S)
        # before the lease is read again, because the process may be stopped in between
        deadlines.begin_attempt(self._client)
        left_s = lease.remaining_s()
        if left_s >= self._needed_s:
            return ""
        return f"{max(0.0, left_s):.1f} s of its lease remain, and the request may take {self._needed_s:g} s"


def _needs_lease(operation: str) -> bool:
    return changes_something(operation) and not (operation == SENDS_COMMANDS and _reading.get())


def _is_undo() -> bool:
    undo = _undoing.get()
    return history.rolling_back() if undo is None else undo


def _ended(run: str, operation: str, why: str, sent: int) -> LeaseEnded:
    before = f"; attempts sent before, which may have been carried out: {sent}" if sent else ""
    return LeaseEnded(
        f"{operation} was not sent: run {run} may no longer change the system: {why}{before}: read the state of the "
        "system before anything builds on it",
        attempts_sent=sent,
    )
