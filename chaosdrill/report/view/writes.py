"""The ledger in a report: the state of every write, compared with the databases' own account."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from chaosdrill.analysis.ledger import WriteLedger
from chaosdrill.analysis.losses import Losses
from chaosdrill.analysis.measurement import Measured
from chaosdrill.messages import Sentence
from chaosdrill.records.ledger import ACCEPTED, OUTCOMES, STATES
from chaosdrill.report.view.inputs import ReportInputs

LISTED = 2_000  # ids shown of a group; `runs judge --json` has all of them


@dataclass(frozen=True)
class ReadBackResult:
    """The result of one read-back.

    :param accepted: how many accepted writes it read.
    :param states: how many of them were in each state.
    :param groups: by name, such as ``lost``: the number of writes, and their ids (at most ``LISTED``).
    :param not_counted: why effects were not counted, so that duplicates are unknown.
    :param by_databases: how many writes the databases lost by their own account, and the ids in which the two accounts
        differ; None if they have no account.
    """

    label: str
    lost: Measured
    seconds: Measured
    accepted: int
    states: Mapping[str, int]
    groups: Mapping[str, tuple[int, tuple[str, ...]]]
    not_counted: Sentence
    by_databases: tuple[int, tuple[str, ...]] | None
    databases_in: str


@dataclass(frozen=True)
class Writes:
    """The whole ledger.

    :param tried: how many writes ended in each of ``OUTCOMES``; None when there is no ledger.
    """

    tried: Mapping[str, int] | None
    read_backs: tuple[ReadBackResult, ...]
    accounts: int = 0

    @property
    def all(self) -> int:
        """How many writes were sent."""
        return sum((self.tried or {}).values())


def writes(given: ReportInputs) -> Writes:
    """Return the states of the writes."""
    ledger = given.run.ledger
    read_backs = tuple(_read_back(given, ledger, one) for one in given.judgement.losses)
    if ledger is None:
        return Writes(None, read_backs)
    count = Counter(write.outcome for write in ledger.writes.values())
    return Writes({name: count[name] for name in OUTCOMES}, read_backs, len(ledger.accounts()))


def _read_back(given: ReportInputs, ledger: WriteLedger | None, one: Losses) -> ReadBackResult:
    read = ledger.read_backs.get(one.label) if ledger is not None else None
    states: Counter[str] = Counter()
    if ledger is not None and read is not None:
        accepted = {seq for seq, write in ledger.writes.items() if write.outcome == ACCEPTED}
        states = Counter(state for seq, state in read.found.items() if seq in accepted)
    truth = next((truth for truth in given.judgement.truths if truth.label == one.label), None)
    return ReadBackResult(
        one.label,
        one.count,
        one.seconds,
        one.accepted,
        {name: states[name] for name in STATES} if states else {},
        {name: (len(ids), tuple(ids[:LISTED])) for name, ids in one.groups().items()},
        one.why_not_counted,
        (len(truth.lost), (*truth.not_reported, *truth.not_lost)[:LISTED]) if truth is not None else None,
        truth.region if truth is not None else "",
    )
