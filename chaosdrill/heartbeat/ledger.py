"""The ledger: every write that was tried, and its state, in a file and in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.heartbeat.jsonl import JsonLines
from chaosdrill.records import rows
from chaosdrill.records.ledger import (
    BALANCE,
    END,
    FOUND,
    KIND,
    READ_BACK_BEGUN,
    READ_BACK_ENDED,
    SETTLED_ROW,
    START,
    WRITE,
)

BASE = 4
LARGEST_DIGIT = 19  # 4**19 is the largest power that applications with a limit of 10**12 accept


@dataclass(slots=True)
class LedgerWrite:
    """One write.

    :param digit: its quantity is ``BASE ** digit``; None: its account was used too often to be counted.
    :param outcome: accepted, refused or unknown; empty: in progress.
    :param state: settled or rolled_back, once that was observed; empty: not yet.
    :param region: that answered it; empty: unknown.
    """

    seq: int
    account: str
    quantity: int
    digit: int | None
    due_ns: int
    outcome: str = ""
    id: str | None = None
    state: str = ""
    region: str = ""


class LedgerFile:
    """The file ``ledger.jsonl`` and its contents.

    :param header: of its first line.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.file = JsonLines(path)
        self.file.add(rows.header(KIND, header))
        self.writes: list[LedgerWrite] = []
        self.starts: dict[str, int | None] = {}
        self._recorded = 0

    def begin(self, seq: int, account: str, uses: int, due_ns: int) -> LedgerWrite:
        """Return a write that is about to be sent, to an account that was used ``uses`` times before."""
        digit = uses if uses <= LARGEST_DIGIT else None
        write = LedgerWrite(seq, account, 1 if digit is None else BASE**digit, digit, due_ns)
        self.writes.append(write)
        return write

    def ended(
        self, write: LedgerWrite, ended_ns: int, status: int = 0, region: str = "", error: str = "", address: str = ""
    ) -> None:
        """Record the write's own response, or that there was none.

        :param address: to which it was sent.
        """
        self._recorded += 1
        write.region = region
        self.file.add(
            {
                "row": WRITE,
                "seq": write.seq,
                "account": write.account,
                "quantity": write.quantity,
                "digit": write.digit,
                "due_ns": write.due_ns,
                "ended_ns": ended_ns,
                "outcome": write.outcome,
                "id": write.id,
                "status": status,
                "region": region,
                "address": address,
                "error": error,
            }
        )

    def settled(self, write: LedgerWrite, state: str, region: str, seen_ns: int) -> None:
        """Record that the write was observed to be settled or rolled back."""
        write.state = state
        row = {"row": SETTLED_ROW, "seq": write.seq, "id": write.id, "state": state}
        self.file.add({**row, "region": region, "seen_ns": seen_ns})

    def balance(self, label: str, account: str, balance: int | None, region: str, seen_ns: int) -> None:
        """Record an account's balance; None when it could not be read."""
        if label == START:
            self.starts[account] = balance
        row = {"row": BALANCE, "label": label, "account": account, "balance": balance}
        self.file.add({**row, "region": region, "seen_ns": seen_ns})

    def read_back_begun(self, label: str, at_ns: int, writes_until_ns: int) -> None:
        """Record the start of a read-back of every write that was due before ``writes_until_ns``."""
        self.file.add({"row": READ_BACK_BEGUN, "label": label, "at_ns": at_ns, "writes_until_ns": writes_until_ns})

    def found(self, label: str, write: LedgerWrite, state: str, region: str, seen_ns: int) -> None:
        """Record the final result of a read-back for a write."""
        row = {"row": FOUND, "label": label, "seq": write.seq, "id": write.id, "state": state}
        self.file.add({**row, "region": region, "seen_ns": seen_ns})

    def read_back_ended(self, label: str, at_ns: int, converged: bool, why: str) -> None:
        """Record the end of a read-back."""
        self.file.add({"row": READ_BACK_ENDED, "label": label, "at_ns": at_ns, "converged": converged, "why": why})

    def end(self, at_ns: int) -> None:
        """Record that no write follows."""
        self.file.add({"row": END, "at_ns": at_ns, "writes": self._recorded})
