"""The ledger of the clients against the databases' own account, where that can be had: in the lab."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.ledger import ACCEPTED, Ledger
from chaosdrill.analysis.losses import Losses
from chaosdrill.sentences import Name, sentence

LISTED = 5


@dataclass(frozen=True)
class Truth:
    """What the databases say of every transaction, when a read-back had just ended.

    :param label: of the read-back.
    :param region: whose databases were read.
    :param transactions: by id: its ``status`` in the main table (None: it is not there), whether it was ``undone``, and
        how often the database has ``settled`` it.
    """

    label: str
    region: str
    transactions: Mapping[str, Mapping[str, Any]]

    def has_lost(self, identifier: str) -> bool:
        """:returns: whether a transaction is not in the main table, or has never been executed, nor undone."""
        facts = self.transactions.get(identifier, {})
        return facts.get("status") is None or not (facts.get("settled") or facts.get("undone"))


@dataclass(frozen=True)
class Compared:
    """One read-back beside the databases' own account, by id.

    :param lost: what the databases have lost of the accepted writes that were asked for.
    :param not_reported: lost by their account, and not by the read-back's.
    :param not_lost: the other way round.
    """

    label: str
    region: str
    lost: tuple[str, ...]
    not_reported: tuple[str, ...]
    not_lost: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """:returns: it as JSON values."""
        names = ("lost", "not_reported", "not_lost")
        return {"label": self.label, "region": self.region, **{name: list(getattr(self, name)) for name in names}}


def compared(truths: Sequence[Truth], ledger: Ledger | None, losses: Sequence[Losses]) -> tuple[Compared, ...]:
    """:returns: each read-back that measured something and of which the databases' own account is known."""
    known = {truth.label: truth for truth in truths}
    if ledger is None:
        return ()
    return tuple(
        _compared(known[one.label], ledger, one) for one in losses if one.label in known and one.count.value is not None
    )


def _compared(truth: Truth, ledger: Ledger, losses: Losses) -> Compared:
    until_ns = ledger.read_backs[losses.label].writes_until_ns or 0
    accepted = [one for one in ledger.writes.values() if one.outcome == ACCEPTED and one.due_ns < until_ns]
    lost = {one.id for one in accepted if one.id is not None and truth.has_lost(one.id)}
    reported = {one.id for one in losses.lost if one.id is not None}
    return Compared(
        truth.label,
        truth.region,
        tuple(sorted(lost)),
        tuple(sorted(lost - reported)),
        tuple(sorted(reported - lost)),
    )


def differs(seen: Sequence[Compared]) -> Iterator[Finding]:
    """What clients found out about their writes is not what is so: then it proves nothing."""
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
