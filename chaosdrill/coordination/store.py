"""The interface of an item store for the operations of coordination."""

from collections.abc import Sequence
from typing import Protocol

from chaosdrill.coordination.items import Item, ItemWrite, Key


class ConditionFailed(Exception):
    """A condition of a write did not hold; nothing was written."""


class ItemStore(Protocol):
    """Items with strongly consistent reads and conditional writes.

    Every method raises ``CannotSee`` (``coordination-unreachable``) when there is no response: a write may have been
    made then.
    """

    def __str__(self) -> str:
        """Return the store's name, for messages."""

    def now_ms(self) -> int:
        """Return the store's time, in milliseconds since 1970."""

    def get(self, keys: Sequence[Key]) -> list[Item | None]:
        """Read items, all as they were at one moment; None for one that does not exist."""

    def partition(self, partition: str) -> list[Item]:
        """Read all items of a partition, in the order of their sort keys."""

    def update(self, write: ItemWrite) -> Item:
        """Apply one write.

        :returns: the item as it is now.
        :raises ConditionFailed: when a condition does not hold.
        """

    def transact(self, writes: Sequence[ItemWrite]) -> None:
        """Apply several writes, of one item each, together or not at all.

        :raises ConditionFailed: when a condition does not hold.
        """
