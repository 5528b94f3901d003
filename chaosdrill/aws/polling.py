"""Polling AWS: few calls, and quick to notice an interruption."""

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
_STEP_S = 0.1  # chaoslib interrupts a thread with an exception, which Python raises only between two bytecodes
_GRACEFULLY = 20  # the code with which chaoslib.exit raises SystemExit in the main thread
_is_stopped: ContextVar[Callable[[], bool] | None] = ContextVar("is_stopped", default=None)


def end_step_when(is_stopped: Callable[[], bool] | None) -> None:
    """Make the step of this thread end once the drill is stopped: a signal interrupts the main thread only.

    Chaos Toolkit waits for background steps before it begins the rollbacks.

    :param is_stopped: returns whether rollbacks are next; None: the step runs to its own end.
    """
    _is_stopped.set(is_stopped)


def end_step_if_stopped() -> None:
    """End the step of this thread when the drill is stopped.

    :raises SystemExit: as chaoslib does in the main thread; it does not count as a failure of the step.
    """
    if (is_stopped := _is_stopped.get()) is not None and is_stopped():
        raise SystemExit(_GRACEFULLY)


def pause(seconds: float) -> None:
    """Sleep in short steps.

    :raises SystemExit: as :func:`end_step_if_stopped` does.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        end_step_if_stopped()
        time.sleep(min(_STEP_S, left))


def interval_s(spent_s: float, every_s: float = 1.0, longest_s: float = 5.0) -> float:
    """Return the seconds to wait before the next poll: ``every_s`` at first, growing with the time spent."""
    return max(every_s, min(longest_s, spent_s / 30))


def poll_times(timeout_s: float, every_s: float = 1.0) -> Iterator[float]:
    """Yield the times to poll: at once, then at growing intervals, and a last time at the deadline.

    :param timeout_s: seconds; 0 gives one poll.
    :param every_s: the shortest interval, in seconds.
    :returns: an iterator of the seconds spent so far.
    :raises CannotSee: when the open drill's target no longer exists.
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


def poll_until(look: Callable[[], T], good: Callable[[T], bool], within_s: float) -> T:
    """Poll until the result is good, or the deadline passes.

    :param within_s: seconds; 0 gives one poll, whose calls end with the deadline of the probe. Once the drill has left
        an undo to a rescue, it is one poll, too.
    :returns: the last result.
    :raises CannotSee: when the last poll failed; earlier ones may fail.
    """
    blind: CannotSee | None = None
    until_s = time.monotonic() + within_s if within_s > 0 else math.inf
    for _ in poll_times(within_s):
        try:
            with deadlines.by(until_s):
                seen, blind = look(), None
        except CannotSee as error:
            blind = error
        else:
            if good(seen) or stop_grace.is_left_to_rescue():
                break
        if time.monotonic() >= until_s:
            break  # a read that ended after the deadline is the last one, no matter when it began
    if blind is not None:
        raise blind
    return seen


def poll(look: Callable[[], T], timeout_s: float, every_s: float = 1.0) -> Iterator[T]:
    """Yield the result of each poll until the deadline, which also ends the calls of a poll. A poll without a response
    is skipped: it does not stop the process that is waited for.

    :param timeout_s: seconds; 0 gives one poll.
    :param every_s: the shortest interval, in seconds.
    :returns: an iterator of the results.
    :raises CannotSee: when the last poll failed, with the reason.
    """
    blind: Exception | None = None
    until_s = time.monotonic() + timeout_s
    for _ in poll_times(timeout_s, every_s):
        try:
            with deadlines.by(until_s):  # not around the loop: a generator runs in the context of its caller
                found = look()
        except (CannotSee, ClientError, BotoCoreError) as error:
            if not is_retryable(error):
                raise
            blind = error
        else:
            blind = None
            yield found
    if blind is not None:
        code = blind.code if isinstance(blind, CannotSee) else "aws-request-failed"
        raise CannotSee(f"no usable response after {timeout_s:g} s: {blind}", code=code) from blind


def is_retryable(error: Exception) -> bool:
    """Return whether the same call may succeed later: it was throttled, failed at AWS, or got no response."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or error.response["Error"]["Code"] in _THROTTLED
    return isinstance(error, (CannotSee, HTTPClientError, NoConnection))
