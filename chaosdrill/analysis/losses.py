"""The state of writes by a read-back: lost, duplicated, resurrected; each by its id, and never 0 without a reading."""

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from chaosdrill.analysis.ledger import ReadBack, Write, WriteLedger
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.write_effects import Executions, executions
from chaosdrill.messages import NOTHING, Name, Sentence, sentence
from chaosdrill.records.ledger import ACCEPTED, MISSING, PENDING, REFUSED, ROLLED_BACK, SETTLED, UNKNOWN, UNREADABLE

HOW_LOST = sentence(
    "accepted writes that the read-back found missing, never settled, or without effect on their balance"
)
NOT_RECORDED = sentence("no write was recorded")
NOT_DESCRIBED = sentence("the topology does not say how a write is read back")
NOT_TRIED = sentence("no write was tried")
NOT_ACCEPTED = sentence("no write was accepted")
HOW_SECONDS = sentence("from the acceptance of the earliest lost write to that of the last one before the cut")
NOT_LOOKED_AT = Measured(None, "s", HOW_SECONDS, why=sentence("there was no read-back"))


@dataclass(frozen=True)
class Losses:
    """The state of the writes that were due before one read-back.

    ``lost``: accepted, and neither settled nor rolled back once the stores had converged. ``duplicated``: took effect
    twice or more. ``resurrected``: refused, undone or lost before, and took effect nevertheless. ``unknown_present``:
    without a response, and took effect. ``unsettled``: still pending when the read-back ended.

    :param label: the label of the read-back.
    :param why_not: why lost writes were not measured; empty when they were.
    :param why_not_counted: why duplicated writes were not measured; empty when they were, for every account.
    :param accepted: how many accepted writes were read back.
    :param before: the lost writes that the previous read-back had found lost, too.
    :param seconds: the time span of the writes lost since the previous read-back, in seconds.
    """

    label: str
    why_not: Sentence = NOTHING
    why_not_counted: Sentence = NOTHING
    accepted: int = 0
    lost: tuple[Write, ...] = ()
    duplicated: tuple[Write, ...] = ()
    resurrected: tuple[Write, ...] = ()
    unknown_present: tuple[Write, ...] = ()
    unsettled: tuple[Write, ...] = ()
    uncertain: tuple[Write, ...] = ()
    seconds: Measured = NOT_LOOKED_AT
    before: tuple[Write, ...] = ()

    @property
    def called(self) -> Name:
        """The name of the read-back in sentences."""
        return Name("read-back", self.label)

    @property
    def count(self) -> Measured:
        """How many writes were lost."""
        if self.why_not:
            return Measured(None, "writes", HOW_LOST, why=self.why_not)
        why = sentence("{n} of them were lost before", n=len(self.before)) if self.before else NOTHING
        return Measured(float(len(self.lost)), "writes", HOW_LOST, resolution=1.0, uncertainty=0.0, why=why)

    @property
    def new(self) -> tuple[Write, ...]:
        """The lost writes that the previous read-back had not found lost."""
        return tuple(write for write in self.lost if write not in self.before)

    def groups(self) -> dict[str, list[str]]:
        """Return each group of writes by id, or by number without an id."""
        names = ("lost", "duplicated", "resurrected", "unknown_present", "unsettled", "uncertain")
        return {name: [name_of(write) for write in getattr(self, name)] for name in names}

    def as_json(self) -> dict[str, Any]:
        """Return the losses as JSON values."""
        return {
            "label": self.label,
            "accepted": self.accepted,
            "count": self.count.as_json(),
            "seconds": self.seconds.as_json(),
            "lost_before": [name_of(write) for write in self.before],
            "duplicates_not_measured": self.why_not_counted,
            **self.groups(),
        }


def name_of(write: Write) -> str:
    """Return the name of a write: its id, otherwise its number."""
    return write.id or f"write {write.seq}"


def losses(
    ledger: WriteLedger | None,
    label: str,
    before: Losses | None = None,
    cut_ns: int | None = None,
    earlier_cuts_ns: Sequence[int] = (),
) -> Losses:
    """Judge the writes by one read-back.

    :param label: the label of the read-back.
    :param before: the previous measured read-back: a write that was lost then and is settled now is resurrected; one
        that is still lost does not count to the seconds lost since.
    :param cut_ns: when the region that was left stopped accepting writes; default: the last lost write.
    :param earlier_cuts_ns: the same for earlier transitions since the previous read-back, in order.
    :returns: each group of writes; what was not read is "not measured".
    """
    if why := _why_not(ledger, label):
        return Losses(label, why, why, seconds=Measured(None, "s", HOW_SECONDS, why=why))
    assert ledger is not None
    read = ledger.read_backs[label]
    counted = executions(ledger, read)
    asked = [write for write in ledger.writes.values() if write.due_ns < (read.writes_until_ns or 0)]
    lost = _lost(asked, read, counted)
    known = _lost_before(before)
    new = [write for write in lost if write.seq not in known]
    why = _why_uncertain(asked, read)
    how = _how_seconds(before if known else None)
    return Losses(
        label,
        why_not=why,
        why_not_counted=_why_not_counted(ledger, counted, asked),
        accepted=sum(write.outcome == ACCEPTED for write in asked),
        lost=lost,
        duplicated=_those(asked, lambda write: counted.times.get(write.seq, 0) >= 2),
        resurrected=_resurrected(asked, ledger, read, counted, before),
        unknown_present=_those(asked, lambda write: write.outcome == UNKNOWN and _is_there(write, read, counted)),
        unsettled=() if read.converged else _accepted(asked, read, PENDING),
        uncertain=_those(asked, lambda write: write.outcome == ACCEPTED and _state(write, read) == UNREADABLE),
        seconds=Measured(None, "s", how, why=why) if why else _seconds(asked, new, cut_ns, earlier_cuts_ns, how),
        before=_those(lost, lambda write: write.seq in known),
    )


def _why_not(ledger: WriteLedger | None, label: str) -> Sentence:
    if ledger is None:
        return NOT_RECORDED
    if not ledger.reads_back:
        return NOT_DESCRIBED
    if not ledger.writes:
        return NOT_TRIED
    read = ledger.read_backs.get(label)
    if read is None or read.writes_until_ns is None:
        return sentence("there was no read-back {read_back}", read_back=Name("read-back", label))
    return NOTHING


def _why_uncertain(asked: Sequence[Write], read: ReadBack) -> Sentence:
    if read.ended_ns is None or not read.converged:
        missing = len(_accepted(asked, read, MISSING))
        return sentence(
            "the stores had not converged when the read-back ended ({why}); {missing} were missing then",
            why=read.why,
            missing=missing,
        )
    if blind := sum(write.outcome == ACCEPTED and _state(write, read) == UNREADABLE for write in asked):
        return sentence("{n} accepted writes could not be read back", n=blind)
    if not any(write.outcome == ACCEPTED for write in asked):
        return NOT_ACCEPTED
    return NOTHING


def _why_not_counted(ledger: WriteLedger, counted: Executions, asked: Iterable[Write]) -> Sentence:
    """Return why duplicates were not counted for the accounts that may have had a write; empty if they were."""
    if not ledger.counts_executions:
        return sentence("the topology does not say how a balance is read")
    used = {write.account for write in asked if write.outcome != REFUSED}
    unread = {account: why for account, why in counted.unread.items() if account in used}
    if not unread:
        return NOTHING
    account, why = next(iter(unread.items()))
    values = {"n": len(unread), "used": len(used), "account": account, "why": why}
    return sentence("{n} of {used} accounts: {account}: {why}", **values)


def _lost(asked: Iterable[Write], read: ReadBack, counted: Executions) -> tuple[Write, ...]:
    """Return the lost writes.

    A write that is settled by its own record without an effect on the balance is lost, too: that store lost it.
    """

    def is_lost(write: Write) -> bool:
        state = _state(write, read)
        gone = state == MISSING or (state == PENDING and read.converged)
        return write.outcome == ACCEPTED and (gone or (state == SETTLED and counted.times.get(write.seq) == 0))

    return _those(asked, is_lost)


def _resurrected(
    asked: Iterable[Write], ledger: WriteLedger, read: ReadBack, counted: Executions, before: Losses | None
) -> tuple[Write, ...]:
    lost_before = _lost_before(before)

    def is_back(write: Write) -> bool:
        state, times = _state(write, read), counted.times.get(write.seq, 0)
        undone = state == ROLLED_BACK or ROLLED_BACK in ledger.settled.get(write.seq, ())
        refused = write.outcome == REFUSED
        was_lost = write.seq in lost_before and state == SETTLED and times != 0
        return was_lost or (refused and (times > 0 or state == SETTLED)) or (undone and (times > 0 or state == SETTLED))

    return _those(asked, is_back)


def _how_seconds(before: Losses | None) -> Sentence:
    if before is None:
        return HOW_SECONDS
    return sentence(
        "from the acceptance of the earliest write that was lost since the read-back {read_back} to that of the last "
        "one before the cut",
        read_back=before.called,
    )


def _lost_before(before: Losses | None) -> set[int]:
    """Return the numbers of the writes that a read-back had found lost; empty when it was not measured."""
    return {write.seq for write in before.lost} if before is not None and not before.why_not else set()


def _is_there(write: Write, read: ReadBack, counted: Executions) -> bool:
    return counted.times.get(write.seq, 0) > 0 or _state(write, read) == SETTLED


def _accepted(asked: Iterable[Write], read: ReadBack, state: str) -> tuple[Write, ...]:
    return _those(asked, lambda write: write.outcome == ACCEPTED and _state(write, read) == state)


def _state(write: Write, read: ReadBack) -> str:
    """Return the state of a write; one that was not read back is unreadable."""
    return read.found.get(write.seq, UNREADABLE)


def _those(writes: Iterable[Write], chosen: Any) -> tuple[Write, ...]:
    return tuple(sorted((write for write in writes if chosen(write)), key=lambda write: write.seq))


def _seconds(
    asked: Sequence[Write], lost: Sequence[Write], cut_ns: int | None, earlier_cuts_ns: Sequence[int], how: Sentence
) -> Measured:
    """Return the sum of the time spans that the transitions lost.

    Each span is bracketed by two acceptances, both exact to the distance between two writes.
    """
    total_ns, transitions = 0, 0
    edges_ns: list[int] = []
    accepted = [write.ended_ns for write in asked if write.outcome == ACCEPTED]
    left = sorted(write.ended_ns for write in lost)
    for cut in [*earlier_cuts_ns, None]:  # writes lost by the last transition may have been accepted after its cut
        mine = [ended for ended in left if cut is None or ended <= cut]
        left = left[len(mine) :]
        if mine:
            until_ns = cut_ns if cut is None else cut
            before_cut = [ended for ended in accepted if until_ns is not None and ended <= until_ns]
            last_ns = max([mine[-1], *before_cut])
            total_ns, transitions = total_ns + last_ns - mine[0], transitions + 1
            edges_ns += [mine[0], last_ns]
    apart_s = _apart_s(asked, edges_ns)
    return Measured(total_ns / 1e9, "s", how, resolution=apart_s, uncertainty=apart_s * max(1, transitions))


def _apart_s(writes: Sequence[Write], edges_ns: Sequence[int]) -> float:
    """Return the distance between two writes in seconds: the greatest around the edges, if their rate changes."""
    due = sorted(write.due_ns for write in writes)
    if len(due) < 2:
        return 0.0
    gaps = [after - before for before, after in pairwise(due)]
    if max(gaps) < 2 * min(gaps) or not edges_ns:  # a constant rate
        return (due[-1] - due[0]) / 1e9 / len(gaps)
    near = (min(max(bisect(due, edge) - 1, 0), len(gaps) - 1) for edge in edges_ns)
    return max(max(gaps[max(0, at - 1) : at + 2]) for at in near) / 1e9
