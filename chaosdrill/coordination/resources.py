"""The resources that a drill holds while it runs: two drills that share a resource exclude each other."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Resource:
    """A resource that only one drill may change at a time.

    :param kind: such as ``global-cluster``.
    :param id: its name or id, unique within an account.
    """

    kind: str
    id: str

    def key(self, account: str) -> str:
        """Return the name under which a lease holds it, such as ``123456789012/global-cluster/bank``."""
        return f"{account}/{self.kind}/{self.id}"
