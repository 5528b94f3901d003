"""What is asked of a search."""

import shlex
from dataclasses import dataclass

from chaosdrill.survey.account import Account


@dataclass(frozen=True)
class Asked:
    """Where to look, and for what.

    :param domain: the name that clients resolve; None: to be found.
    """

    account: Account
    home: str
    standby: str
    domain: str | None = None

    @property
    def regions(self) -> tuple[str, str]:
        """Both, home first."""
        return (self.home, self.standby)

    @property
    def cli(self) -> str:
        """The option that gives the AWS CLI the same credentials."""
        return f" --profile {shlex.quote(self.account.profile)}" if self.account.profile else ""
