"""Assumptions about AWS or the system, and their results."""

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.errors import DrillError

AS_ASSUMED, DIFFERS, UNREADABLE = "as assumed", "differs", "could not be read"


@dataclass(frozen=True)
class Observed:
    """What was read, and whether it is as assumed."""

    text: str
    as_assumed: bool


@dataclass(frozen=True)
class CheckedAssumption:
    """One row of the table.

    :param state: :data:`AS_ASSUMED`, :data:`DIFFERS` or :data:`UNREADABLE`.
    :param observed: what was read, or why it could not be read.
    :param advice: what to do next; empty when it is as assumed.
    """

    subject: str
    assumed: str
    observed: str
    state: str
    advice: str = ""


@dataclass(frozen=True)
class Assumption:
    """An assumption, and how it is read.

    :param subject: what it is about.
    :param assumed: the expected state.
    :param advice: what to do when it differs, and the permission that reading requires.
    """

    subject: str
    assumed: str
    read: Callable[[], Observed]
    advice: str

    def check(self) -> CheckedAssumption:
        """Read it and compare; every failure becomes a row."""
        try:
            found = self.read()
        except (DrillError, ClientError, BotoCoreError, KeyError, IndexError, ValueError) as error:
            why = str(error) or type(error).__name__
            return CheckedAssumption(self.subject, self.assumed, why, UNREADABLE, self.advice)
        if found.as_assumed:
            return CheckedAssumption(self.subject, self.assumed, found.text, AS_ASSUMED)
        return CheckedAssumption(self.subject, self.assumed, found.text, DIFFERS, self.advice)
