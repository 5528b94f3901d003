"""Reading of a part's fact."""

from collections.abc import Callable

from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.parts.interface import UNREADABLE, Fact


def fact_or_unreadable(read: Callable[[], Fact]) -> Fact:
    """Read a fact; if it cannot be read, return ``unreadable`` with the error in its details."""
    try:
        return read()
    except FAILURES as error:
        return Fact(UNREADABLE, {"error": str(error)})
