"""The choice of the account for the next write: one without a write in progress, and the least used of those."""

import heapq
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

Key = tuple[bool, bool, int, int]


@dataclass(slots=True)
class SyntheticAccount:
    """One synthetic account.

    :param uses: how many writes it has had.
    :param start_read: whether its balance before the first write is known.
    :param doubtful: a write to it got no response and may still be pending: the next one would be refused.
    """

    name: str
    uses: int = 0
    start_read: bool = False
    doubtful: bool = False
    key: Key | None = None  # its place among the free ones; None: in use


class AccountPool:
    """The accounts that may be written to. A taken account stays taken until it is returned."""

    def __init__(self, names: Iterable[str]) -> None:
        self.all = {name: SyntheticAccount(name) for name in names}
        self._turn = itertools.count()
        self._free: list[tuple[Key, SyntheticAccount]] = []
        for account in self.all.values():
            self.give_back(account)

    def take(self) -> SyntheticAccount | None:
        """Take the account for the next write: not doubtful, with a known balance, least used, longest idle. None
        when every account is in use.
        """
        while self._free:
            key, account = heapq.heappop(self._free)
            if account.key is key:  # otherwise it has got another place since
                account.key = None
                return account
        return None

    def give_back(self, account: SyntheticAccount) -> None:
        """Return an account, which may then be taken again."""
        account.key = (account.doubtful, not account.start_read, account.uses, next(self._turn))
        heapq.heappush(self._free, (account.key, account))

    def start_is_known(self, account: SyntheticAccount) -> None:
        """Note that an account's balance before the first write was read."""
        account.start_read = True
        if account.key is not None:
            self.give_back(account)
