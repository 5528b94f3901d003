"""Coalesced reads: at most one read per resource per second; concurrent callers share the next response.

Steps, safeguards, waiting probes and the region monitor read the same tables, controls and state machines, and AWS
throttles per resource. No caller gets a response that is older than its request.
"""

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from chaosdrill import history
from chaosdrill.aws import deadlines
from chaosdrill.errors import CannotSee

EVERY_S = 1.0
GRACE_S = 0.25  # how much longer other reads wait, so that they do not disturb the steady pace of a monitor
_STEP_S = 0.1  # chaoslib interrupts a thread with an exception, which Python raises only between two bytecodes
_SHARED = "a read shared with another caller did not end before the deadline"
_NOT_DUE = "the time was up before the next read, which begins {:g} s after the last one"
_leads: ContextVar[bool] = ContextVar("leads", default=False)


@dataclass(frozen=True)
class ReadResult:
    """The result of a read: its value, or the error that it ended with.

    ``began_s`` is on the monotonic clock; the other times are in ns since the epoch.
    """

    began_s: float
    began_ns: int
    ended_ns: int
    seen: Any
    error: Exception | None

    @property
    def value(self) -> Any:
        """The value that was read.

        :raises Exception: the error that the read ended with.
        """
        if self.error is not None:
            raise self.error
        return self.seen


class _Resource:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.looking = False
        self.last: ReadResult | None = None
        self.ended_s = -math.inf

    def had_failed(self, before_s: float) -> bool:
        """Return whether the last read failed before a moment; if so, the next one may succeed."""
        return self.last is not None and self.last.error is not None and self.ended_s < before_s

    def due_in_s(self, every_s: float) -> float:
        if history.hurried():  # a person waits for the end; in a lab, nothing is throttled at this rate
            return 0.0
        return self.ended_s + every_s + (0.0 if _leads.get() else GRACE_S) - time.monotonic()


_resources: dict[Hashable, _Resource] = {}
_adding = threading.Lock()


@contextmanager
def leading() -> Iterator[None]:
    """Mark the reads of the block as those of a monitor: they are repeated each second, and others share them."""
    token = _leads.set(True)
    try:
        yield
    finally:
        _leads.reset(token)


def paced(
    resource: Hashable, look: Callable[[], Any], since_s: float | None = None, every_s: float | None = None
) -> ReadResult:
    """Read a resource when a second has passed since the last read, or share a read that another caller makes by then.

    :param resource: the key of the resource.
    :param look: reads it.
    :param since_s: accept a read that began after this moment (monotonic clock), unless it had failed before this call;
        default: now.
    :param every_s: seconds between two reads, where AWS throttles sooner; default: one second.
    :returns: the result, which may hold an error. A read that fails because its caller's deadline passed is not shared.
    :raises CannotSee: when the deadline passes before another caller's read has ended, or before the next one is due.
    """
    now_s = time.monotonic()
    since_s = now_s if since_s is None else since_s
    every_s = EVERY_S if every_s is None else every_s
    until_s = deadlines.ends_s()
    with _adding:
        one = _resources.setdefault(resource, _Resource())
    mine = False
    try:
        with one.changed:
            while one.last is None or one.last.began_s <= since_s or one.had_failed(now_s):
                wait_s = one.due_in_s(every_s)
                if not one.looking and wait_s <= 0:
                    mine = one.looking = True
                    break
                if time.monotonic() >= until_s:
                    raise CannotSee(_SHARED if one.looking else _NOT_DUE.format(every_s), code="shared-read-late")
                one.changed.wait(_STEP_S if one.looking else min(wait_s, _STEP_S))
            else:
                return one.last
        return _look(one, look)
    finally:  # a signal's exception may come anywhere: the next caller must be able to read
        if mine:
            with one.changed:
                one.looking = False
                one.changed.notify_all()


def _look(one: _Resource, look: Callable[[], Any]) -> ReadResult:
    answer = None
    began_s, began_ns = time.monotonic(), time.time_ns()
    try:
        seen = look()
        answer = ReadResult(began_s, began_ns, time.time_ns(), seen, None)
    except Exception as error:  # noqa: BLE001 - all callers that share this read get the error, and each raises it
        answer = ReadResult(began_s, began_ns, time.time_ns(), None, error)
    finally:
        cut = answer is None or (answer.error is not None and deadlines.cut())
        with one.changed:
            one.last, one.ended_s = one.last if cut else answer, time.monotonic()
    return answer
