"""Scope of a discovery: account, regions, domain."""

import shlex
from dataclasses import dataclass

from chaosdrill.discovery.account import Account


@dataclass(frozen=True)
class DiscoveryScope:
    """Scope of a discovery.

    :param domain: the name that clients resolve; None: to be discovered.
    """

    account: Account
    home: str
    standby: str
    domain: str | None = None

    @property
    def regions(self) -> tuple[str, str]:
        """Both regions, home first."""
        return (self.home, self.standby)

    @property
    def cli(self) -> str:
        """The AWS CLI option that selects the same credentials."""
        return f" --profile {shlex.quote(self.account.profile)}" if self.account.profile else ""
