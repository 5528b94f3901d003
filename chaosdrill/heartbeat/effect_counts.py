"""The effect count of each write of an account, from its balance. No input or output.

Each write has a quantity of its own, a power of 4: in base 4 the balance has a digit for each write, which is the
number of times that it took effect (up to three).
"""

from collections.abc import Mapping, Sequence

from chaosdrill.heartbeat.ledger import BASE, LARGEST_DIGIT, LedgerWrite
from chaosdrill.records.ledger import ACCEPTED, REFUSED, ROLLED_BACK, SETTLED


def executions(
    start: int | None, balance: int | None, uses: int, writes: Sequence[LedgerWrite]
) -> dict[int, int] | None:
    """Return the effect count of each of ``writes`` (by seq); None when the balance cannot show it.

    :param uses: how many writes the account has had: the last one's digit is the highest, and takes the rest.
    """
    if start is None or balance is None or balance < start or uses > LARGEST_DIGIT + 1:
        return None
    found = {}
    for write in writes:
        digit = write.digit or 0
        left = (balance - start) // BASE**digit
        found[write.seq] = left if digit == uses - 1 else left % BASE
    return found


def expected(write: LedgerWrite, state: str) -> tuple[int, int]:
    """Return the least and the greatest number of times that a write may have taken effect.

    :param state: its state at the read-back.
    """
    if write.outcome == REFUSED or state == ROLLED_BACK:
        return 0, 0
    return (1, 1) if write.outcome == ACCEPTED and state == SETTLED else (0, 1)


def too_few(found: Mapping[int, int], writes: Sequence[LedgerWrite], states: Mapping[int, str]) -> bool:
    """Return whether a settled write has no effect on the balance (yet)."""
    return any(found[write.seq] < expected(write, states.get(write.seq, ""))[0] for write in writes)


def too_many(found: Mapping[int, int], writes: Sequence[LedgerWrite], states: Mapping[int, str]) -> list[LedgerWrite]:
    """Return the writes that took effect more often than they may have."""
    return [write for write in writes if found[write.seq] > expected(write, states.get(write.seq, ""))[1]]
