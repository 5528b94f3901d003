"""A call that failed leaves a doubt: its answer can be lost after the work was done. Look, and say which half is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.deadlines import CutShort
from chaosdrill.errors import BadInput, CannotSee, ChangeNotSent, DrillError, Refused, TimedOut
from chaosdrill.history import record

FAILURES = (ClientError, BotoCoreError, DrillError)
_CERTAIN = (BadInput, Refused)  # these say themselves that nothing was touched


def change(what: str, ask: Callable[[], object], was_made: Callable[[], bool]) -> None:
    """Make a change; when the call fails, look whether it was made all the same.

    :param what: the change, as in "the switchover to ap-northeast-3".
    :param ask: asks AWS for it.
    :param was_made: looks.
    :raises ChangeNotSent: when a guard let an attempt not be sent, and it was not made.
    :raises DrillError: when it was not made, or when nobody can tell; the message says which.
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
            yet = "is not there, and may still come: look before anything builds on it"
            raise DrillError(f"{what} was asked for and {yet}: {error}", code="change-pending") from error
        if not made:
            raise DrillError(f"{what} was asked for and is not there: {error}", code="change-not-made") from error
        record("answer-lost", what=what, error=str(error))


@contextmanager
def left_behind(text: str) -> Iterator[None]:
    """When a call to AWS fails within it, the error also says ``text``: what is half done then.

    :raises CannotSee: when AWS did not tell.
    :raises TimedOut: when it took too long.
    :raises DrillError: when AWS said no.
    """
    try:
        yield
    except (CannotSee, TimedOut) as error:
        raise type(error)(f"{error}: {text}", code="half-done") from error
    except (ClientError, BotoCoreError) as error:
        raise DrillError(f"{error}: {text}", code="half-done") from error


@contextmanager
def both_told(first: BaseException) -> Iterator[None]:
    """Ending what did not begin as it should may fail, too: then one error tells both; a signal stays what it is.

    :param first: why it is to be ended.
    :raises DrillError: when ending it failed.
    """
    try:
        yield
    except FAILURES as second:
        if not isinstance(first, FAILURES):
            raise first from second
        raise DrillError(f"{first}; and ending it failed, too: {second}", code="cleanup-failed") from first
