"""Readings of checks, made from what a check returns or raises: an error, a problem, or only a warning."""

from collections.abc import Callable, Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.errors import DrillError, codes_of
from chaosdrill.messages import Sentence
from chaosdrill.parts.interface import Reading

# ValueError: a response that is not JSON
FAILURES: tuple[type[Exception], ...] = (DrillError, ClientError, BotoCoreError, ValueError)
_NOT_RECORDED = "recording-incomplete"


def read_text(read: Callable[[], str]) -> Callable[[], Reading]:
    """Wrap a function that returns a text, or raises when something is wrong, into one that returns a reading."""
    return lambda: Reading(read())


def refused_by(error: Exception) -> Reading:
    """Return the reading of a check that raised an error. A replay without a recorded response is only a warning."""
    code = code_of(error)
    if code == _NOT_RECORDED:
        return Reading("not in the recording", "warning", str(error), code)
    words = error.args[0] if error.args and isinstance(error.args[0], Sentence) else str(error)
    return Reading("", "refuse", words, code)


def or_warning(read: Callable[[], Reading], value: str = "") -> Callable[[], Reading]:
    """Turn a reading that refuses a drill into a warning.

    :param value: of the reading when nothing could be read.
    """

    def reading() -> Reading:
        try:
            found = read()
        except FAILURES as error:
            found = refused_by(error)
        if found.outcome != "refuse":
            return found
        return Reading(found.value or value, "warning", found.why, found.code)

    return reading


def of_problems(problems: Sequence[str], value: str) -> Reading:
    """Return the reading of a list of problems.

    :param value: when there are none.
    """
    if not problems:
        return Reading(value)
    return Reading("", "refuse", "; ".join(problems), codes_of(problems)[0])


def code_of(error: Exception) -> str:
    """Return the code of any error."""
    return error.codes[0] if isinstance(error, DrillError) and error.codes else "aws-request-failed"


def by_region(values: Mapping[str, str]) -> str:
    """Format values by region; an ARN is shortened to its name."""
    return ", ".join(f"{region} {value.rsplit(':', 1)[-1]}" for region, value in values.items())
