"""Sends notifications beside a drill, whose process never waits for them."""

import queue
import threading
from collections.abc import Iterable

from chaosdrill.gamedays.calendar import Calendar
from chaosdrill.gamedays.events import Notification
from chaosdrill.gamedays.notifications.deliveries import Deliveries
from chaosdrill.gamedays.notifications.sending import WITHIN_S, notify


class BackgroundNotifier:
    """Sends notifications in a thread of its own, in the order in which they are handed over.

    :param sent: the record of what was sent.
    """

    def __init__(self, calendar: Calendar, sent: Deliveries) -> None:
        self._calendar, self._sent = calendar, sent
        self._waiting: queue.SimpleQueue[list[Notification] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send_all, name="notifications", daemon=True)
        self._thread.start()

    def send(self, notifications: Iterable[Notification]) -> None:
        """Hand notifications over; returns at once."""
        self._waiting.put(list(notifications))

    def close(self, within_s: float = 3 * WITHIN_S) -> None:
        """Wait until everything was sent, so many seconds at most; the rest is tried again by a later tick."""
        self._waiting.put(None)
        self._thread.join(within_s)

    def _send_all(self) -> None:
        while (notifications := self._waiting.get()) is not None:
            notify(self._calendar, notifications, self._sent)
