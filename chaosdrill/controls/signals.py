"""How a signal is taken: noted, and never in the way of the rollbacks.

Chaos Toolkit ends the method on Ctrl-C, SIGTERM or a safeguard's SIGUSR1 and goes on with the rollbacks. But a signal
that comes when the rollbacks run skips the rest of them, and one between the phases ends the process without them.
So the first signal of that time is noted and held back, and it takes a second one, while rollbacks run, to give up.
A hangup is taken as a SIGTERM.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SAFEGUARD = signal.SIGUSR1  # what chaoslib.exit.exit_gracefully() sends
TAKEN = (signal.SIGINT, signal.SIGTERM, SAFEGUARD)
HANGUP = signal.SIGHUP  # the terminal or the ssh session is gone: Chaos Toolkit would die of it without rollbacks


class Signals:
    """Takes signals from :meth:`install` to :meth:`restore`. To be used in the main thread.

    :param note: told the name of each signal from outside, in the signal handler: it must not lock or write.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._previous: dict[int, Any] = {}
        self._held = 0
        self.leaving = False  # from here on only rollbacks and the end are left
        self.can_give_up = False  # rollbacks run: Chaos Toolkit can end them in order

    def install(self) -> None:
        """Take signals. In a thread that is not the main one nothing happens: Python delivers none there."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in TAKEN:
            previous = signal.getsignal(number)
            if callable(previous):
                self._previous[number] = previous
                signal.signal(number, self._take)
        if signal.SIGTERM in self._previous and signal.getsignal(HANGUP) == signal.SIG_DFL:  # nohup ignores it
            self._previous[HANGUP] = signal.SIG_DFL
            signal.signal(HANGUP, self._take)

    def restore(self) -> None:
        """Give signals back to whom they were taken from."""
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous = {}

    def _take(self, number: int, frame: FrameType | None) -> None:
        if number != SAFEGUARD:
            self._note(signal.Signals(number).name)
        if self.leaving:
            self._held += number != SAFEGUARD
            if self._held < 2 or not self.can_give_up:
                return
        self.leaving = True
        taken_as = signal.SIGTERM if number == HANGUP else number
        self._previous[taken_as](taken_as, frame)
