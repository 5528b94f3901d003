"""Changes whose call failed: a failed call may still have been applied, so the resource is read again to report
which.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.deadlines import CutShort
from chaosdrill.errors import BadInput, CannotSee, ChangeNotSent, DrillError, Refused, TimedOut
from chaosdrill.history import record

FAILURES = (ClientError, BotoCoreError, DrillError)
_CERTAIN = (BadInput, Refused)  # these guarantee that nothing was changed


def change(what: str, ask: Callable[[], object], was_made: Callable[[], bool]) -> None:
    """Make a change; when the call fails, read whether it was applied all the same.

    :param what: the change, as in "the switchover to ap-northeast-3".
    :param ask: sends the request to AWS.
    :param was_made: reads whether the change was applied.
    :raises ChangeNotSent: when a guard kept an attempt from being sent, and the change was not applied.
    :raises DrillError: when it was not applied, or whether it was is unknown; the message says which.
    """
    try:
        ask()
    except _CERTAIN:
        raise
    except FAILURES as error:
        try:
            made = was_made()
        except FAILURES as blind:
            raise DrillError(
                f"{what}: the call failed ({error}), and it is not known whether it was carried out all the same, "
                f"because looking failed, too ({blind}): look before anything builds on it",
                code="change-unknown",
            ) from error
        if not made and isinstance(error, ChangeNotSent):
            raise
        if not made and isinstance(error, CutShort):
            yet = "has not taken effect; it may still complete: check before continuing"
            raise DrillError(f"{what} was asked for and {yet}: {error}", code="change-pending") from error
        if not made:
            raise DrillError(
                f"{what} was requested but has not taken effect: {error}", code="change-not-made"
            ) from error
        record("answer-lost", what=what, error=str(error))


@contextmanager
def describe_half_done(text: str) -> Iterator[None]:
    """Add ``text``, which describes the half-done state, to the error of a call to AWS that fails in the block.

    :raises CannotSee: when a read failed.
    :raises TimedOut: when it took too long.
    :raises DrillError: when AWS refused.
    """
    try:
        yield
    except (CannotSee, TimedOut) as error:
        raise type(error)(f"{error}: {text}", code="half-done") from error
    except (ClientError, BotoCoreError) as error:
        raise DrillError(f"{error}: {text}", code="half-done") from error


@contextmanager
def both_told(first: BaseException) -> Iterator[None]:
    """Clean up after a failed start; when the cleanup fails as well, report both in one error. A signal stays
    unchanged.

    :param first: the error that made the cleanup necessary.
    :raises DrillError: when the cleanup failed.
    """
    try:
        yield
    except FAILURES as second:
        if not isinstance(first, FAILURES):
            raise first from second
        raise DrillError(f"{first}; and ending it failed, too: {second}", code="cleanup-failed") from first
