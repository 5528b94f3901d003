"""Publishes the owed undos of the drill that goes on: before each change, and when one is paid."""

import logging
import threading
from typing import Protocol

from chaosdrill.errors import DrillError, Refused
from chaosdrill.history.log import History
from chaosdrill.history.owed import OwedUndo, owed_undos

logger = logging.getLogger("chaostoolkit")

PAYMENT_FAILED = "undo-payment-failed"


class UndoPublisher(Protocol):
    """Where owed undos are published, such as the coordination table."""

    def owe(self, undo: OwedUndo) -> None:
        """Publish an undo; one of the same number is replaced. When it raises, the change is not made."""

    def pay(self, undo: OwedUndo) -> None:
        """Publish that an undo is not owed any more. Harmless when repeated, and when it was never published."""


class NotPublished:
    """Publishes nothing."""

    def owe(self, undo: OwedUndo) -> None:
        """Do nothing."""

    def pay(self, undo: OwedUndo) -> None:
        """Do nothing."""


class PublishedUndos:
    """Publishes each owed undo before its change is made, and its payment. Safe to use from several threads.

    :param history: of the drill, which says what is owed.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._publisher: UndoPublisher = NotPublished()
        self._lock = threading.Lock()
        self._unpaid: dict[int, OwedUndo] = {}  # what was published, by number, also where that may have failed
        self._recorded: set[int] = set()  # numbers of which an action has recorded the undo itself
        self._thread = threading.local()  # number: of the change that this thread makes

    def publish_with(self, publisher: UndoPublisher) -> None:
        """Publish with ``publisher`` from here on, and at once what is owed already.

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
        """Begin a step in the calling thread, and publish its undo as far as it is known by then.

        :param number: of its change, which the history has already; None: it changes nothing that is owed.
        :raises Refused: when the undo could not be published (``undo-not-published``): the step must not begin.
        """
        self._thread.number = number
        if number is not None:
            self._publish(number, Refused)

    def record(self) -> None:
        """Publish the undo of the step of the calling thread again: its action has recorded what is before the change.

        :raises Refused: when it could not be published (``undo-not-published``); when the action has recorded an undo
            before, and may have made a change since, a DrillError.
        """
        if (number := self.number) is not None:
            self._publish(number, DrillError if number in self._recorded else Refused)
            self._recorded.add(number)

    def pay(self) -> None:
        """Publish the payment of each undo that is not owed any more. One that fails is tried again the next time."""
        with self._lock:
            owed = {undo.number for undo in owed_undos(self._history.events())}
            for undo in [one for number, one in self._unpaid.items() if number not in owed]:
                try:
                    self._publisher.pay(undo)
                except Exception as error:  # noqa: BLE001 - whatever it is, the change is reversed
                    logger.warning(f"the payment of {undo.undo} (step {undo.step}) was not published: {error}")
                    self._history.remember(PAYMENT_FAILED, step=undo.step, number=undo.number, why=str(error))
                else:
                    del self._unpaid[undo.number]

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
