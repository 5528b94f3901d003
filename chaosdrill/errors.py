"""The errors chaosdrill raises: one base, and a subclass where a caller would act differently."""

from collections.abc import Sequence


class DrillError(Exception):
    """Something chaosdrill tried did not work: what, on what, what was seen, what to do next."""


class BadInput(DrillError):
    """What the user wrote cannot be used. Carries every problem found, each with its fix."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Refused(DrillError):
    """A safeguard said no; nothing was touched."""


class CannotSee(DrillError):
    """A measurement could not be made. It is never replaced by 0 or False."""


class TimedOut(DrillError):
    """What was waited for did not happen in the time given."""


class ExecutionFailed(DrillError):
    """A state machine's execution ended otherwise than with success."""


class LabError(DrillError):
    """A part of the embedded lab did not do what it was asked to."""
