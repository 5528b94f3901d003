"""The ledger of a drill: every write that a client sent, its outcome, and its state when it was read back."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.analysis.clocks import UNMEASURED, Offset
from chaosdrill.messages import Name, Sentence, as_it_is, sentence
from chaosdrill.records import ledger as rows
from chaosdrill.records.ledger import ACCEPTED, MISSING, OUTCOMES, REFUSED, START, STATES, UNKNOWN, UNREADABLE

_UNREST = re.compile(r"after (\d+(?:\.\d+)?) s: (\d{1,18} [a-z ]+(?:, \d{1,18} [a-z ]+)*)")
NOT_ENDED = sentence("it did not come to its end")


@dataclass(frozen=True)
class Write:
    """A write as its client saw it. Times are UTC nanoseconds on the recorder's timeline.

    :param digit: the exponent of its quantity ``base ** digit``, so that the account's balance shows how often the
        write took effect; None: the account had too many writes for that.
    :param region: the region named in the response; empty: unknown.
    :param address: the address that the write was sent to; empty: unknown.
    """

    seq: int
    account: str
    digit: int | None
    due_ns: int
    ended_ns: int
    outcome: str
    id: str | None
    region: str = ""
    address: str = ""


@dataclass
class ReadBack:
    """One reading back of every write that was due before ``writes_until_ns``.

    :param found: the final state of each write, by its seq.
    :param balances: the balance of each account; None when it could not be read.
    """

    label: str
    writes_until_ns: int | None = None
    begun_ns: int | None = None
    ended_ns: int | None = None
    converged: bool = False
    why: Sentence = NOT_ENDED
    found: dict[int, str] = field(default_factory=dict)
    balances: dict[str, int | None] = field(default_factory=dict)


@dataclass
class WriteLedger:
    """A whole ledger, built by :func:`ledger_of` and read-only afterwards.

    :param settled: the states of each write while it was polled, by its seq, in order.
    :param ended: whether its end was recorded.
    :param problems: descriptions of invalid rows.
    """

    base: int = 4
    reads_back: bool = True
    counts_executions: bool = True
    writes: dict[int, Write] = field(default_factory=dict)
    settled: dict[int, list[str]] = field(default_factory=dict)
    start: dict[str, int | None] = field(default_factory=dict)
    read_backs: dict[str, ReadBack] = field(default_factory=dict)
    ended: bool = False
    problems: list[Sentence] = field(default_factory=list)

    def accounts(self) -> Mapping[str, list[Write]]:
        """Return the writes of each account."""
        found: dict[str, list[Write]] = {}
        for write in self.writes.values():
            found.setdefault(write.account, []).append(write)
        return found

    def left_in_application(self) -> Iterator[tuple[Write, str]]:
        """Yield the writes that the application's own ledger may hold, each with its last known state.

        Those are all except missing writes, and refused writes without a known state. A refused write that took effect
        nevertheless is included. The state is ``unknown`` if none was read.
        """
        read: dict[int, str] = {}
        for one in self.read_backs.values():
            read |= one.found
        for write in self.writes.values():
            state = read.get(write.seq) or next(reversed(self.settled.get(write.seq, [])), UNKNOWN)
            was_refused = write.outcome == REFUSED and state in (UNKNOWN, UNREADABLE)
            if state != MISSING and not was_refused:
                yield write, state


def ledger_of(rows: Iterable[Mapping[str, Any]], offset: Offset = UNMEASURED) -> WriteLedger:
    """Build a ledger from its rows, in any state that they are in.

    :param rows: the rows as they were written, the header first.
    :param offset: the offset of the writer's clock.
    :returns: the ledger; invalid rows are listed in its ``problems``.
    """
    ledger = WriteLedger()
    for row in rows:
        try:
            _take(ledger, row, offset)
        except (KeyError, TypeError, ValueError) as error:
            values = {"error": type(error).__name__, "row": _short(row)}
            ledger.problems.append(sentence("a row of the ledger cannot be understood ({error}): {row}", **values))
    further = len(ledger.problems) - 10
    ledger.problems[10:] = [sentence("{n} further rows", n=further)] if further > 0 else []
    return ledger


def _take(ledger: WriteLedger, row: Mapping[str, Any], offset: Offset) -> None:
    kind = row.get("row")
    if kind is None:
        ledger.base = _whole(row["base"], 2)
        ledger.reads_back, ledger.counts_executions = bool(row["reads_back"]), bool(row["counts_executions"])
    elif kind == rows.WRITE:
        _take_write(ledger, row, offset)
    elif kind == rows.SETTLED_ROW:
        ledger.settled.setdefault(_whole(row["seq"]), []).append(_state(row))
    elif kind == rows.BALANCE:
        _take_balance(ledger, row)
    elif kind == rows.END:
        _take_end(ledger, row)
    elif kind in (rows.READ_BACK_BEGUN, rows.FOUND, rows.READ_BACK_ENDED):
        _take_read_back(ledger.read_backs.setdefault(str(row["label"]), ReadBack(str(row["label"]))), row, offset)
    else:
        raise ValueError(kind)


def _take_write(ledger: WriteLedger, row: Mapping[str, Any], offset: Offset) -> None:
    if row["outcome"] not in OUTCOMES:
        raise ValueError(row["outcome"])
    write = Write(
        _whole(row["seq"]),
        str(row["account"]),
        None if row["digit"] is None else _whole(row["digit"]),
        offset.to_recorder(_whole(row["due_ns"])),
        offset.to_recorder(_whole(row["ended_ns"])),
        row["outcome"],
        None if row.get("id") is None else str(row["id"]),
        str(row.get("region") or ""),
        str(row.get("address") or ""),
    )
    if (known := ledger.writes.setdefault(write.seq, write)) != write:
        values = {"write": write.seq, "one": Name("outcome", known.outcome), "other": Name("outcome", write.outcome)}
        ledger.problems.append(sentence("write {write} stands twice, as {one} and as {other}", **values))
        if known.outcome != ACCEPTED == write.outcome:
            ledger.writes[write.seq] = write  # a write that was accepted once must be there


def _take_balance(ledger: WriteLedger, row: Mapping[str, Any]) -> None:
    account, label = str(row["account"]), str(row["label"])
    balance = None if row["balance"] is None else _whole(row["balance"], -(2**63))
    known = ledger.start if label == START else ledger.read_backs.setdefault(label, ReadBack(label)).balances
    if known.setdefault(account, balance) != balance:
        known[account] = None  # two different balances: unknown
        values = {"label": label, "account": account}
        ledger.problems.append(sentence("the balance {label} of {account} stands twice, and differs", **values))


def _take_end(ledger: WriteLedger, row: Mapping[str, Any]) -> None:
    ledger.ended = True
    if _whole(row["writes"]) != len(ledger.writes):
        values = {"told": str(row["writes"]), "there": len(ledger.writes)}
        ledger.problems.append(sentence("the ledger's end tells of {told} writes, it has {there}", **values))


def _take_read_back(read: ReadBack, row: Mapping[str, Any], offset: Offset) -> None:
    if row["row"] == rows.READ_BACK_BEGUN:
        read.begun_ns = offset.to_recorder(_whole(row["at_ns"]))
        read.writes_until_ns = offset.to_recorder(_whole(row["writes_until_ns"]))
    elif row["row"] == rows.FOUND:
        _take_found(read, _whole(row["seq"]), _state(row))
    else:
        read.ended_ns = offset.to_recorder(_whole(row["at_ns"]))
        read.converged, read.why = row["converged"] is True, _unrest(str(row.get("why") or ""))


def _unrest(words: str) -> Sentence:
    """Return the counts of unsettled objects as a translatable sentence.

    The heartbeat runs on the client host without the rest of chaosdrill and reports them as plain text.
    """
    if not (match := _UNREST.fullmatch(words)):
        return as_it_is(words)
    counts = [one.split(" ", 1) for one in match[2].split(", ")]
    told = [sentence("{n} {unrest}", n=int(n), unrest=Name("unrest", what)) for n, what in counts]
    found = sentence("after {seconds:g} s: {counts}", seconds=float(match[1]), counts=told)
    return found if found == words else as_it_is(words)


def _take_found(read: ReadBack, seq: int, state: str) -> None:
    """Record the state of a write; of two states of one write the worse counts."""
    known = read.found.setdefault(seq, state)
    read.found[seq] = max(known, state, key=STATES.index)


def _state(row: Mapping[str, Any]) -> str:
    if row["state"] not in STATES:
        raise ValueError(row["state"])
    return str(row["state"])


def _whole(value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(value)
    return value


def _short(row: Any) -> str:
    return str(row)[:80]
