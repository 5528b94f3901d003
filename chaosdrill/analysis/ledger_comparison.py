"""Comparison of the clients' ledger with the databases' own account, which only a lab has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.ledger import WriteLedger
from chaosdrill.analysis.losses import Losses
from chaosdrill.messages import Name, sentence
from chaosdrill.records.ledger import ACCEPTED

LISTED = 5


@dataclass(frozen=True)
class Truth:
    """The databases' own account of every transaction, read at the end of a read-back.

    :param label: the label of the read-back.
    :param region: the region of the databases.
    :param transactions: by id: the ``status`` in the main table (None: missing), whether it was ``undone``, and how
        often the database has ``settled`` it.
    """

    label: str
    region: str
    transactions: Mapping[str, Mapping[str, Any]]

    def has_lost(self, identifier: str) -> bool:
        """Return whether a transaction is missing in the main table, or was neither settled nor undone."""
        facts = self.transactions.get(identifier, {})
        return facts.get("status") is None or not (facts.get("settled") or facts.get("undone"))


@dataclass(frozen=True)
class ReadBackComparison:
    """One read-back compared with the databases' own account, by id.

    :param lost: the accepted writes of the read-back that the databases have lost.
    :param not_reported: lost by the databases' account, but not by the read-back's.
    :param not_lost: lost by the read-back's account, but not by the databases'.
    """

    label: str
    region: str
    lost: tuple[str, ...]
    not_reported: tuple[str, ...]
    not_lost: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        names = ("lost", "not_reported", "not_lost")
        return {"label": self.label, "region": self.region, **{name: list(getattr(self, name)) for name in names}}


def compared(
    truths: Sequence[Truth], ledger: WriteLedger | None, losses: Sequence[Losses]
) -> tuple[ReadBackComparison, ...]:
    """Return the comparison of each measured read-back for which the databases' own account is known."""
    known = {truth.label: truth for truth in truths}
    if ledger is None:
        return ()
    return tuple(
        _compared(known[one.label], ledger, one) for one in losses if one.label in known and one.count.value is not None
    )


def _compared(truth: Truth, ledger: WriteLedger, losses: Losses) -> ReadBackComparison:
    until_ns = ledger.read_backs[losses.label].writes_until_ns or 0
    accepted = [one for one in ledger.writes.values() if one.outcome == ACCEPTED and one.due_ns < until_ns]
    lost = {one.id for one in accepted if one.id is not None and truth.has_lost(one.id)}
    reported = {one.id for one in losses.lost if one.id is not None}
    return ReadBackComparison(
        truth.label,
        truth.region,
        tuple(sorted(lost)),
        tuple(sorted(lost - reported)),
        tuple(sorted(reported - lost)),
    )


def differs(seen: Sequence[ReadBackComparison]) -> Iterator[Finding]:
    """Find read-backs that contradict the databases' own account: they prove nothing."""
    for one in seen:
        told = (
            (one.not_reported, sentence("lost, and not reported")),
            (one.not_lost, sentence("reported as lost, and there")),
        )
        for ids, what in told:
            if ids:
                text = sentence(
                    "{read_back}: by the databases' own account {n} writes are {what}: {ids}",
                    read_back=Name("read-back", one.label),
                    n=len(ids),
                    what=what,
                    ids=ids[:LISTED],
                )
                databases = sentence("databases in {region}", region=one.region)
                yield finding("losses-contradict", text, sentence("ledger"), databases)
