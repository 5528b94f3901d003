"""Effect counts of writes, decoded from account balances: in base 4, a balance has one digit for each write."""

from collections.abc import Sequence
from dataclasses import dataclass

from chaosdrill.analysis.ledger import ReadBack, Write, WriteLedger
from chaosdrill.messages import Sentence, sentence

BALANCE_UNKNOWN = sentence("its balance afterwards is not known")
TOO_MANY_WRITES = sentence("it was used for more writes than a balance can tell apart")
SAME_QUANTITY = sentence("two of its writes had the same quantity")


@dataclass(frozen=True)
class Executions:
    """How often each write took effect, by its seq.

    :param unread: accounts whose balance cannot be decoded, each with the reason.
    """

    times: dict[int, int]
    unread: dict[str, Sentence]


def executions(ledger: WriteLedger, read: ReadBack) -> Executions:
    """Return the effect counts by the balances of a read-back, compared with those at the start."""
    times: dict[int, int] = {}
    unread: dict[str, Sentence] = {}
    for account, writes in ledger.accounts().items():
        found = _decoded(ledger.start.get(account), read.balances.get(account), writes, ledger.base)
        if isinstance(found, Sentence):
            unread[account] = found
        else:
            times |= found
    return Executions(times, unread)


def _decoded(start: int | None, now: int | None, writes: Sequence[Write], base: int) -> dict[int, int] | Sentence:
    """Return how often each write of one account took effect, or why that is unknown."""
    if start is None:
        return sentence("its balance at the start is not known")
    if now is None:
        return BALANCE_UNKNOWN
    by_digit = {write.digit: write.seq for write in writes if write.digit is not None}
    if any(write.digit is None for write in writes):
        return TOO_MANY_WRITES
    if len(by_digit) < len(writes):
        return SAME_QUANTITY
    left = now - start
    if left < 0:
        return sentence("its balance fell by {units}", units=-left)
    found = dict.fromkeys(by_digit.values(), 0)
    digit = 0
    while left:
        left, times = divmod(left, base)
        if times and digit not in by_digit:
            return sentence("its balance rose by {units}, which its writes do not make", units=now - start)
        if times:
            found[by_digit[digit]] = times
        digit += 1
    return found
