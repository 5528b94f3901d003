"""Publication of the owed undos of the drill in progress: before each change, and when one is paid."""

import logging
import threading
from typing import Protocol

from chaosdrill.errors import DrillError, Refused
from chaosdrill.history.log import History
from chaosdrill.history.owed_undos import OwedUndo, owed_undos

logger = logging.getLogger("chaostoolkit")

PAYMENT_FAILED = "undo-payment-failed"


class UndoPublisher(Protocol):
    """A place where owed undos are published, such as the coordination table."""

    def owe(self, undo: OwedUndo) -> None:
        """Publish an undo, replacing one of the same number. If this raises, the change is not made."""

    def pay(self, undo: OwedUndo) -> None:
        """Publish that an undo is no longer owed. Does no harm when repeated, or when the undo was never published."""


class NotPublished:
    """A publisher that publishes nothing."""

    def owe(self, undo: OwedUndo) -> None:
        """Do nothing."""

    def pay(self, undo: OwedUndo) -> None:
        """Do nothing."""


class PublishedUndos:
    """Publishes each owed undo before its change is made, and its payment. Safe to use from several threads.

    :param history: of the drill; it determines what is owed.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._publisher: UndoPublisher = NotPublished()
        self._lock = threading.Lock()
        self._unpaid: dict[int, OwedUndo] = {}  # published undos by number, also where publishing may have failed
        self._recorded: set[int] = set()  # numbers of the changes whose action has recorded its undo
        self._thread = threading.local()  # number: of the change that this thread makes

    def publish_with(self, publisher: UndoPublisher) -> None:
        """Publish with ``publisher`` from now on, and at once what is already owed.

        :raises Exception: what the publisher raises.
        """
        self._publisher = publisher
        for undo in owed_undos(self._history.events()):
            self._unpaid[undo.number] = undo
            publisher.owe(undo)

    @property
    def number(self) -> int | None:
        """The number of the change that the calling thread makes; None when it makes none."""
        found: int | None = getattr(self._thread, "number", None)
        return found

    def begin(self, number: int | None) -> None:
        """Begin a step in the calling thread, and publish its undo as far as it is known then.

        :param number: of its change, which is already in the history; None: it makes no change that is owed.
        :raises Refused: when the undo could not be published (``undo-not-published``): the step must not begin.
        """
        self._thread.number = number
        if number is not None:
            self._publish(number, Refused)

    def record(self) -> None:
        """Publish the undo of the calling thread's step again, after its action has recorded the state before the
        change.

        :raises Refused: when it could not be published (``undo-not-published``); a DrillError instead when the action
            has recorded an undo before, and may have made a change since.
        """
        if (number := self.number) is not None:
            self._publish(number, DrillError if number in self._recorded else Refused)
            self._recorded.add(number)

    def pay(self) -> None:
        """Publish the payment of each undo that is no longer owed, the newest first; after one that failed, the others
        wait for the next time.

        If the drill dies in between, the older ones are still owed. Each of them leads back to the state before its
        change. A newer one alone would lead to the state that an older change made.
        """
        with self._lock:
            owed = {undo.number for undo in owed_undos(self._history.events())}
            for number in sorted(self._unpaid.keys() - owed, reverse=True):
                undo = self._unpaid[number]
                try:
                    self._publisher.pay(undo)
                except Exception as error:  # noqa: BLE001 - no error changes that the change is reversed
                    logger.warning(f"the payment of {undo.undo} (step {undo.step}) was not published: {error}")
                    self._history.remember(PAYMENT_FAILED, step=undo.step, number=undo.number, why=str(error))
                    return
                del self._unpaid[number]

    def _publish(self, number: int, failure: type[DrillError]) -> None:
        undo = next((one for one in owed_undos(self._history.events()) if one.number == number), None)
        if undo is None:
            return
        with self._lock:
            self._unpaid[number] = undo
        try:
            self._publisher.owe(undo)
        except Exception as error:
            raise failure(
                f"{undo.action} was not begun, because the undo that it owes ({undo.undo}) could not be published: "
                f"{error}",
                code="undo-not-published",
            ) from error
