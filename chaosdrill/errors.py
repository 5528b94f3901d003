"""The errors that chaosdrill raises: one base class, and a subclass where a caller would act differently.

Every error and every problem has a stable **code**, such as ``control-missing``: a name of the condition that machines,
tests and the documentation use, while the wording may change. :mod:`chaosdrill.error_codes` lists them.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from chaosdrill.error_codes import ERROR_CODES
from chaosdrill.messages import Sentence, as_it_is


class Problem(Sentence):
    """One problem of an input, with its fix: a text that also has a code."""

    code: str


def problem(code: str, text: str) -> Problem:
    """Describe one problem of an input.

    :param code: one of :data:`chaosdrill.error_codes.ERROR_CODES`.
    :param text: what is wrong, where, and how to fix it.
    """
    words = as_it_is(text)
    described = Problem(str(words), words.template, words.values)
    described.code = _registered(code)
    return described


class DrillError(Exception):
    """The base class of chaosdrill's errors: something failed.

    :param message: what failed, on which resource, what was observed, and what to do next.
    :param code: one of :data:`chaosdrill.error_codes.ERROR_CODES`; default: the class's own.
    """

    default_code: ClassVar[str] = "error"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = self.default_code if code is None else _registered(code)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of everything that this error reports, in order."""
        return (self.code,)


class BadInput(DrillError):
    """User input that cannot be used. Carries every problem found, each with its fix.

    :param problems: all of them; a plain text has the code ``bad-input``.
    """

    default_code = "bad-input"

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each problem, in order."""
        return tuple(codes_of(self.problems))


class Refused(DrillError):
    """A refusal by a safeguard; nothing was changed.

    :param problems: each reason, when there are several; their codes are the error's.
    """

    default_code = "refused"

    def __init__(self, message: str = "", *, code: str | None = None, problems: Sequence[str] = ()) -> None:
        super().__init__(message, code=code)
        self.problems = tuple(problems)

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each reason, in order."""
        return tuple(codes_of(self.problems)) or (self.code,)


class CannotSee(DrillError):
    """A measurement that could not be made. It is never replaced by 0 or False."""

    default_code = "unreadable"


class TimedOut(DrillError):
    """An expected event did not happen within its deadline."""

    default_code = "timed-out"


class ExecutionFailed(DrillError):
    """An execution of a state machine ended in another status than success."""

    default_code = "execution-failed"


class ChangeNotSent(DrillError):
    """A guard kept an attempt of a change from being sent; earlier attempts may have been carried out.

    Not a kind of :class:`Refused`, which means that nothing was changed: earlier attempts of the same call, and other
    calls of the same step, may have been sent.

    :param attempts_sent: how many attempts of the same call were sent before.
    """

    def __init__(self, message: str = "", *, code: str | None = None, attempts_sent: int = 0) -> None:
        super().__init__(message, code=code)
        self.attempts_sent = attempts_sent


class LeaseEnded(ChangeNotSent):
    """A change was not sent because the run no longer holds the lease of its system."""

    default_code = "lease-ended"


class AccountChanged(ChangeNotSent):
    """A change was not sent because the credentials now belong to an account that the topology does not allow."""

    default_code = "account-not-allowed"


class LabError(DrillError):
    """A part of the embedded lab did not do what was requested of it."""

    default_code = "lab-error"


FAMILIES = (
    BadInput,
    Refused,
    CannotSee,
    TimedOut,
    ExecutionFailed,
    LeaseEnded,
    AccountChanged,
    LabError,
    DrillError,
)


def family_of(error: BaseException) -> str:
    """Return the name of the class in :data:`FAMILIES` that ``error`` is an instance of; empty for other errors."""
    return next((family.__name__ for family in FAMILIES if isinstance(error, family)), "")


def could_not_see(kind: str, probe: bool, waits: bool) -> bool:
    """Return whether a step failed because something could not be read, rather than because it went wrong.

    This is the only definition. A probe that failed has read nothing, whichever error ended it: AWS refused the
    request, a process timed out, the lab did not respond. The exception is a probe that waits: its result is that the
    event did not happen in time, or that the execution failed. An action went wrong unless its error is a
    :class:`CannotSee`.

    :param kind: the error's :func:`family_of`, as recorded in the history; empty: the error is not one of chaosdrill.
    :param probe: whether the step is a probe.
    :param waits: whether the step fails when the event that it waits for does not happen.
    """
    if probe:
        return not (waits and kind in (TimedOut.__name__, ExecutionFailed.__name__))
    return kind == CannotSee.__name__


def prefixed(prefix: str, one: str) -> str:
    """Return a problem with the place that it concerns in front of it; its code stays."""
    return problem(one.code, f"{prefix}: {one}") if isinstance(one, Problem) else f"{prefix}: {one}"


def codes_of(problems: Iterable[str]) -> list[str]:
    """Return the code of each problem, in order."""
    return [one.code if isinstance(one, Problem) else BadInput.default_code for one in problems]


def _registered(code: str) -> str:
    if code not in ERROR_CODES:
        raise ValueError(f"error code {code!r} is not listed in chaosdrill.error_codes")
    return code
