"""Signal handling of a drill: signals are recorded, and never interrupt the rollbacks.

Chaos Toolkit ends the method on Ctrl-C, SIGTERM or ``chaoslib.exit`` (SIGUSR1, SIGUSR2) and continues with the
rollbacks, except after SIGUSR2. A signal during the rollbacks would skip the rest of them, and one between the stages
would end the process without them. So the first signal of that time is recorded and held back, and a second one, during
the rollbacks, is needed to leave the rest of them out. A hangup is handled as a SIGTERM. Other controls end a drill by
the same signals: theirs are recorded and delivered like those of a person.

Python delivers a signal as an exception between any two bytecodes of the main thread. During a logging call that leaves
the log's lock taken forever: every other thread that logs blocks, and the process does not exit. During a write to the
history it breaks the seals. In these cases the signal is delivered a moment later.
"""

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from chaoslib.exit import exit_gracefully

STOP = signal.SIGUSR1  # sent by chaoslib.exit.exit_gracefully()
LEAVE = signal.SIGUSR2  # sent by exit_ungracefully(): no rollbacks
TAKEN = (signal.SIGINT, signal.SIGTERM, STOP, LEAVE)
HANGUP = signal.SIGHUP  # the terminal or the ssh session is closed: Chaos Toolkit would end without rollbacks


BUSY = frozenset({"logging", "chaosdrill.history.log"})  # modules that a signal must not interrupt
AGAIN_AFTER_S = 0.02
BACKGROUND_ENDS_WITHIN_S = 1.0  # after a stop; chaosdrill's own waits in the background end sooner


class Signals:
    """Handles signals from :meth:`install` to :meth:`restore`. Use it in the main thread.

    :param note: called with the name of each signal that this drill did not send itself, in the signal handler: it must
        not lock or write.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._previous: dict[int, Any] = {}
        self._held = 0
        self._sent = False  # by this drill, and not delivered yet
        self._due = 0  # a signal that will be delivered a moment later
        self._sent_again = 0  # that signal, after it was sent again
        self._waiting_since: float | None = None  # since when Chaos Toolkit waits for background steps after a stop
        self._leaves_wait = False  # the next own signal ends that wait
        self._gives_up_now = False  # the next own signal leaves the rest of the rollbacks out
        self._main = threading.current_thread()
        self._sender: threading.Thread | None = None
        self._later: queue.SimpleQueue[int] = queue.SimpleQueue()  # may be used in a signal handler
        self.leaving = False  # from now on only rollbacks and the end remain
        self.can_give_up = False  # rollbacks run: Chaos Toolkit can end them in order
        self.stopped = False  # a signal of a person or another control has ended the stages before the rollbacks
        self.left_background = False  # the wait for background steps was ended; one of them may still run
        self.gave_up = False  # the rest of the rollbacks is left out
        self.no_rollbacks = False  # exit_ungracefully() was called

    def install(self) -> None:
        """Install the handlers, once. Outside the main thread this does nothing: Python delivers no signals there."""
        if self._previous or threading.current_thread() is not threading.main_thread():
            return
        for number in TAKEN:
            previous = signal.getsignal(number)
            if callable(previous):
                self._previous[number] = previous
                signal.signal(number, self._take)
        self._sender = threading.Thread(target=self._send_again, name="chaosdrill-signals", daemon=True)
        self._sender.start()
        if signal.SIGTERM in self._previous and signal.getsignal(HANGUP) == signal.SIG_DFL:  # nohup ignores it
            self._previous[HANGUP] = signal.SIG_DFL
            signal.signal(HANGUP, self._take)

    def restore(self) -> None:
        """Restore the previous handlers."""
        self.settle()
        if self._sender is not None:  # after this nothing is sent again: Python's own handlers would end the process
            self._later.put(0)
            self._sender.join()
            self._sender = None
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous = {}

    def settle(self) -> None:
        """Drop a signal that is still to be delivered: the stage that it would end has ended."""
        self._due = 0

    def stop_method(self) -> None:
        """End the stage in the main thread before the rollbacks, from another thread."""
        self._sent = True
        exit_gracefully()

    def leave_background(self) -> bool:
        """End Chaos Toolkit's wait for background steps if it continues after the drill was stopped.

        Call it repeatedly, from another thread: a step that sleeps, or a process, does not notice the stop.

        :returns: whether the wait is ended now: the steps continue during the rollbacks.
        """
        frame = sys._current_frames().get(self._main.ident or 0)
        if not (self.leaving and self._previous and _waits_for_background(frame)):
            self._waiting_since = None
            return False
        self._waiting_since = self._waiting_since or time.monotonic()
        if time.monotonic() - self._waiting_since < BACKGROUND_ENDS_WITHIN_S or self._leaves_wait:
            return False
        self._leaves_wait = self.left_background = True
        os.kill(os.getpid(), STOP)
        return True

    def give_up(self) -> None:
        """Leave the rest of the rollbacks out, from another thread: no time is left for them."""
        if self.can_give_up and self._previous and not self.gave_up:
            self._gives_up_now = True
            os.kill(os.getpid(), STOP)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if number == STOP and self._gives_up_now:
            self._gives_up_now = False
            if self.can_give_up and not self.gave_up:
                self.gave_up = True
                self._deliver(number, frame)
            return
        if number == STOP and self._leaves_wait:
            self._leaves_wait = False
            if _waits_for_background(frame):
                self._previous[STOP](STOP, frame)
            return
        if self._sent_again == number:
            self._sent_again = 0
            if self._due == number:
                self._due = 0
                self._deliver(number, frame)
            return
        own = number == STOP and self._sent
        if own:
            self._sent = False
        else:
            self._note(signal.Signals(number).name)
            self.no_rollbacks |= number == LEAVE
        if self.leaving and not self._gives_up(number):
            return
        self.gave_up |= self.leaving
        self.stopped |= not self.leaving and not own
        self.leaving = True
        self._deliver(number, frame)

    def _deliver(self, number: int, frame: FrameType | None) -> None:
        if _is_busy(frame):
            self._due = number
            self._later.put(number)
            return
        taken_as = signal.SIGTERM if number == HANGUP else number
        self._previous[taken_as](taken_as, frame)

    def _send_again(self) -> None:
        while number := self._later.get():
            time.sleep(AGAIN_AFTER_S)
            if self._due == number:
                self._sent_again = number
                os.kill(os.getpid(), number)

    def _gives_up(self, number: int) -> bool:
        """Return whether to leave out the rest of the rollbacks; another control's emergency stop does not count as
        a request for that.
        """
        self._held += number not in (STOP, LEAVE)
        return self.can_give_up and (number == LEAVE or (number != STOP and self._held >= 2))


def _waits_for_background(frame: FrameType | None) -> bool:
    """Return whether Chaos Toolkit waits for the method's background steps to end."""
    names = []
    while frame is not None:
        names.append((frame.f_globals.get("__name__"), frame.f_code.co_name))
        frame = frame.f_back
    return ("chaoslib.run", "apply_activities") in names and ("concurrent.futures.thread", "shutdown") in names


def _is_busy(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") in BUSY:
            return True
        frame = frame.f_back
    return False
