"""The keeper of this process's lease: a thread that renews it, receives stop requests, and reports when it may be
lost.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from chaosdrill.aws import deadlines, lease_guard
from chaosdrill.coordination.interface import Coordination, Lease, StopRequest
from chaosdrill.errors import DrillError

logger = logging.getLogger("chaostoolkit")

RENEWALS_PER_LEASE = 30
READ_WITHIN_S = 5.0  # how long an undo waits for the response that may show another holder
# after a failed renewal, undos treat the lease as unreadable for so long without waiting: rollbacks must go on
UNREADABLE_FOR_S = 10.0
LOST = "lease-lost"


class RenewedLease:
    """A lease that is renewed during a ``with`` block. It is not released at its end.

    It counts from the start of the last successful renewal, on the clock that runs on while the machine is suspended:
    by the service's records it ends later. A renewal may succeed after the lease has expired, as long as no other run
    has taken it over. Implements :class:`chaosdrill.aws.lease_guard.HeldLease`.

    :param lease: as it was acquired.
    :param began_s: when its acquisition began, on :func:`deadlines.boot_s`.
    :param on_stop: called once, in the renewing thread, with the request that the run stops.
    :param on_lost: called once, in the renewing thread, with the reason why the lease is no longer reliable: another
        run has taken it over, or half of it has passed without a renewal. The rollbacks must begin then. A renewal that
        failed after the process was stopped within it is tried again first.
    :param place: returns the stage and the step that are recorded with each renewal.
    :param boot_s: the clock, in seconds.
    """

    def __init__(
        self,
        coordination: Coordination,
        lease: Lease,
        began_s: float,
        *,
        on_stop: Callable[[StopRequest], None],
        on_lost: Callable[[str], None],
        place: Callable[[], tuple[str, str]] = lambda: ("", ""),
        boot_s: Callable[[], float] = deadlines.boot_s,
    ) -> None:
        self.lease = lease
        self._coordination, self._place, self._boot_s = coordination, place, boot_s
        self._on_stop, self._on_lost = on_stop, on_lost
        self._lease_s = lease.lease_ms / 1000
        # start of the last successful renewal, and of the last renewal that ended
        self._renewed_s = self._tried_s = began_s
        self._failure = self._taken_by = ""
        self._took_s = 0.0  # duration of the last renewal
        self._begun = self._ended = 0  # numbers of renewals
        self._is_stopped = self._is_lost = self._is_closed = False
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> "RenewedLease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        self._wake.set()
        self._thread.join()

    @property
    def run(self) -> str:
        """The run that holds the lease."""
        return self.lease.run

    def remaining_s(self) -> float:
        """Return for how much longer the lease is certainly held, in seconds; negative after it has expired."""
        if self._taken_by:
            return -self._lease_s
        return self._renewed_s + self._lease_s - self._boot_s()

    def wait_for_renewal(self, needed_s: float, within_s: float) -> bool:
        """Renew at once, and wait until ``needed_s`` of the lease remain.

        :param within_s: how long to wait, in seconds.
        :returns: whether they do.
        """
        self._wake.set()
        with self._changed:
            self._changed.wait_for(lambda: self._is_over() or self.remaining_s() >= needed_s, within_s)
            return self.remaining_s() >= needed_s

    def refuses_undo(self) -> str:
        """Read whether another run has taken the lease over.

        :returns: the reason to refuse, with that run; empty when none is known, or when that cannot be read.
        """
        with self._changed:
            begun = self._begun
            if not (self._failure and self._boot_s() - self._tried_s < UNREADABLE_FOR_S):
                self._wake.set()
                self._changed.wait_for(lambda: self._is_over() or self._ended > begun, READ_WITHIN_S)
            return self._taken_by

    def renew(self) -> None:
        """Renew the lease once, now."""
        began_s, stop, failure, taken_by = self._boot_s(), None, "", ""
        with self._changed:
            self._begun += 1
        try:
            lease = self._coordination.renew(self.lease, *self._place())
        except Exception as error:  # noqa: BLE001  # if the thread ended, the lease would expire silently
            failure = f"{type(error).__name__}: {error}"
            taken_by = str(error) if isinstance(error, DrillError) and error.code == LOST else ""
            logger.debug(f"the lease of run {self.run} was not renewed: {failure}")
        with self._changed:
            self._tried_s, self._failure, self._taken_by, self._ended = began_s, failure, taken_by, self._begun
            self._took_s = self._boot_s() - began_s
            if not failure:
                self.lease, self._renewed_s, stop = lease, began_s, lease.stop
            self._changed.notify_all()
        self._tell(stop)

    def _tell(self, stop: StopRequest | None) -> None:
        if stop is not None and not self._is_stopped:
            self._is_stopped = True
            self._on_stop(stop)
        if (why := self._doubt()) and not self._is_lost:
            self._is_lost = True
            self._on_lost(why)

    def _doubt(self) -> str:
        """Return why the lease is no longer reliable; empty while it is."""
        if self._taken_by:
            return self._taken_by
        without_s = self._boot_s() - self._renewed_s
        # the process was stopped during the attempt, whose time is limited: it proves nothing about the present
        was_stopped = self._took_s > self._lease_s / 2
        if self._failure and without_s > self._lease_s / 2 and not was_stopped:
            return f"the lease of run {self.run} was not renewed for {without_s:.0f} s: {self._failure}"
        return ""

    def _is_over(self) -> bool:
        return bool(self._taken_by) or self._is_closed

    def _keep(self) -> None:
        while not self._is_over():
            self._wake.wait(self._lease_s / RENEWALS_PER_LEASE)
            self._wake.clear()
            if not self._is_closed:
                self.renew()


@contextmanager
def hold_lease(
    coordination: Coordination,
    take: Callable[[], Lease],
    *,
    on_stop: Callable[[StopRequest], None],
    on_lost: Callable[[str], None],
    place: Callable[[], tuple[str, str]] = lambda: ("", ""),
    expires: Callable[[], bool] = lambda: False,
) -> Iterator[RenewedLease]:
    """Hold a lease during the block, make the changing calls of this process depend on it, and release it.

    The parameters are those of :class:`RenewedLease`.

    :param take: takes the lease.
    :param expires: returns at the end whether to let the lease expire instead of releasing it: a rescue that acts on
        expired leases then pays what is owed.
    :raises DrillError: when ``take`` raises it, or at the end when the lease could not be released.
    """
    began_s = deadlines.boot_s()
    lease = take()
    try:
        kept = RenewedLease(coordination, lease, began_s, on_stop=on_stop, on_lost=on_lost, place=place)
        with kept, lease_guard.guarded_by(kept):
            yield kept
    finally:
        if not expires():
            coordination.release(lease)
