"""Waiting for AWS: look, pause, look again; frugal, and quick to notice an interruption."""

import math
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from chaosdrill import history
from chaosdrill.aws import deadlines
from chaosdrill.errors import CannotSee
from chaosdrill.history import stop_grace

T = TypeVar("T")
_THROTTLED = frozenset(
    {
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException"),
        *("TooManyRequestsException", "RequestLimitExceeded", "ProvisionedThroughputExceededException"),
    }
)
_STEP_S = 0.1  # chaoslib interrupts a thread with an exception that shows only between two steps
_GRACEFULLY = 20  # what chaoslib.exit raises SystemExit with, in the main thread
_is_stopped: ContextVar[Callable[[], bool] | None] = ContextVar("is_stopped", default=None)


def end_step_when(is_stopped: Callable[[], bool] | None) -> None:
    """Let the step of this thread end once the drill is stopped: a signal ends only what the main thread does.

    Chaos Toolkit waits for steps in the background before it begins the rollbacks.

    :param is_stopped: tells whether rollbacks are next; None: the step goes on to its own end.
    """
    _is_stopped.set(is_stopped)


def end_step_if_stopped() -> None:
    """End the step of this thread when the drill is stopped.

    :raises SystemExit: as chaoslib does in the main thread; nothing takes it for a failure of the step.
    """
    if (is_stopped := _is_stopped.get()) is not None and is_stopped():
        raise SystemExit(_GRACEFULLY)


def pause(seconds: float) -> None:
    """Wait so many seconds, in short steps.

    :raises SystemExit: as :func:`end_step_if_stopped` does.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        end_step_if_stopped()
        time.sleep(min(_STEP_S, left))


def interval_s(spent_s: float, every_s: float = 1.0, longest_s: float = 5.0) -> float:
    """:returns: seconds to wait before the next look: ``every_s`` at first, longer the longer it lasts."""
    return max(every_s, min(longest_s, spent_s / 30))


def looks(timeout_s: float, every_s: float = 1.0) -> Iterator[float]:
    """When to look: at once, then at growing intervals, and a last time when the time is up.

    :param timeout_s: seconds; 0 gives one look.
    :param every_s: the shortest interval, in seconds.
    :returns: an iterator of the seconds spent so far.
    :raises CannotSee: when the open drill's target is there no more.
    """
    began = time.monotonic()
    while True:
        spent = time.monotonic() - began
        yield spent
        if why := history.target_lost():
            raise CannotSee(why)
        if spent >= timeout_s:
            return
        pause(min(interval_s(spent, every_s), max(0.0, timeout_s - (time.monotonic() - began))))


def seen_within(look: Callable[[], T], good: Callable[[T], bool], within_s: float) -> T:
    """Look until what is seen is good, or the time is up.

    :param within_s: seconds; 0 gives one look, whose calls end with the deadline of the probe. It is one look, too,
        once the drill has left an undo to a rescue.
    :returns: what was seen last.
    :raises CannotSee: when the last look saw nothing; earlier ones may fail.
    """
    blind: CannotSee | None = None
    until_s = time.monotonic() + within_s if within_s > 0 else math.inf
    for _ in looks(within_s):
        try:
            with deadlines.by(until_s):
                seen, blind = look(), None
        except CannotSee as error:
            blind = error
        else:
            if good(seen) or stop_grace.is_left_to_rescue():
                break
        if time.monotonic() >= until_s:
            break  # a read that ended after the deadline is the last one, whenever it began
    if blind is not None:
        raise blind
    return seen


def seen(look: Callable[[], T], timeout_s: float, every_s: float = 1.0) -> Iterator[T]:
    """What is seen at each look, until the time is up, when the calls of a look end, too. A look at which AWS does not
    answer is passed over: what is waited for goes on all the same.

    :param timeout_s: seconds; 0 gives one look.
    :param every_s: the shortest interval, in seconds.
    :returns: an iterator of what was seen.
    :raises CannotSee: when the time is up and the last look saw nothing, with why.
    """
    blind: Exception | None = None
    until_s = time.monotonic() + timeout_s
    for _ in looks(timeout_s, every_s):
        try:
            with deadlines.by(until_s):  # not around the loop: a generator's context is that of whoever takes from it
                found = look()
        except (CannotSee, ClientError, BotoCoreError) as error:
            if not may_pass(error):
                raise
            blind = error
        else:
            blind = None
            yield found
    if blind is not None:
        code = blind.code if isinstance(blind, CannotSee) else "aws-request-failed"
        raise CannotSee(f"no usable response after {timeout_s:g} s: {blind}", code=code) from blind


def may_pass(error: Exception) -> bool:
    """:returns: whether the same call may be answered later: it was throttled, failed at AWS, or got no answer."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or error.response["Error"]["Code"] in _THROTTLED
    return isinstance(error, (CannotSee, HTTPClientError, NoConnection))
