"""What became of game days, system by system: occurrences, recovery times, findings, and the age of the last proof.

A run that is stale, invalid, refused, or that cannot be read is never proof. Where a summary has changed, the worst of
what it said counts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from chaosdrill.analysis.proof import RECOVERY
from chaosdrill.analysis.untrusted_json import number
from chaosdrill.coordination.store import ItemStore
from chaosdrill.gamedays.approvals import OccurrenceApproval, used_approvals
from chaosdrill.gamedays.calendar import Calendar, GameDay, Occurrence
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.findings import TrackedFinding
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.observations import Observation
from chaosdrill.gamedays.run_observations import findings_of, observe_again, of_system, system_name
from chaosdrill.paths import runs_directory
from chaosdrill.report.regulatory_evidence import ShownEvidence, capabilities, shown_evidence

DAYS = 400
DAY_MS = 86_400_000
STALE_DAYS = 365  # an older run is no proof any more: DORA, Article 11(6), asks for a test each year
Approvals = Mapping[Occurrence, tuple[OccurrenceApproval, ...]]
GRAVEST = ("refused", "interrupted", "invalid", "failed", "passed")


@dataclass(frozen=True)
class RecoveryTime:
    """A recovery time of a run beside its objective.

    :param name: of the figure, such as ``recovery_fail_over_s``.
    :param limit_s: the objective ``rto_s`` of the run; None: it has none.
    """

    name: str
    seconds: float
    limit_s: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether the objective was met; None: there is none."""
        return None if self.limit_s is None else self.seconds <= self.limit_s


@dataclass(frozen=True)
class PastOccurrence:
    """What became of an occurrence.

    :param verdict: of its run: the worst that the ledger and the summaries say.
    :param is_proof: whether its run says anything about the system.
    :param approvals: with which its drill has started.
    """

    entry: Entry
    verdict: str = ""
    is_proof: bool = False
    recoveries: tuple[RecoveryTime, ...] = ()
    approvals: tuple[OccurrenceApproval, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        names = ("outcome", "code", "why", "run", "digest", "by", "at_ms")
        known = {name: getattr(self.entry, name) for name in names}
        times = [
            {"name": one.name, "seconds": one.seconds, "limit_s": one.limit_s, "met": one.is_met}
            for one in self.recoveries
        ]
        occurrence = self.entry.occurrence
        planned = {"occurrence": occurrence.key, "planned_ms": occurrence.planned_ms}
        approvals = [one.as_json() for one in self.approvals]
        judged = {"verdict": self.verdict, "proof": self.is_proof, "recoveries": times}
        return {**planned, **known, **judged, "approvals": approvals}


@dataclass(frozen=True)
class LastProof:
    """The newest run of a system that proves something.

    :param age_days: how long ago it began, in whole days.
    """

    run: str
    began: str
    verdict: str
    age_days: int

    @property
    def is_stale(self) -> bool:
        """Whether it is too old to be proof."""
        return self.age_days > STALE_DAYS


@dataclass(frozen=True)
class GameDayHistory:
    """The occurrences of a game day, the newest first."""

    game_day: GameDay
    occurrences: tuple[PastOccurrence, ...]


@dataclass(frozen=True)
class SystemHistory:
    """What became of the game days of one system.

    :param proof: None: no run of it proves anything.
    :param evidence: what its runs that are proof show for supervisory rules.
    """

    system: str
    game_days: tuple[GameDayHistory, ...]
    findings: tuple[TrackedFinding, ...]
    proof: LastProof | None
    evidence: tuple[ShownEvidence, ...] = field(default=())

    def overdue(self, today: date) -> tuple[TrackedFinding, ...]:
        """List the open findings after their due date."""
        return tuple(one for one in self.findings if one.is_overdue(today))

    @property
    def is_proved(self) -> bool:
        """Whether a run that is not stale proves something."""
        return self.proof is not None and not self.proof.is_stale

    def as_json(self, today: date) -> dict[str, Any]:
        """Return it as JSON values."""
        proof = self.proof
        days = {one.game_day.id: [past.as_json() for past in one.occurrences] for one in self.game_days}
        last = None if proof is None else {**vars(proof), "stale": proof.is_stale}
        findings = [one.as_json(today) for one in self.findings]
        evidence = [one.as_json() for one in self.evidence]
        return {
            "system": self.system,
            "last_proof": last,
            "game_days": days,
            "findings": findings,
            "regulatory_evidence": evidence,
        }


def read_histories(
    calendar: Calendar, store: ItemStore, days: int = DAYS, runs: Path | None = None, listed: Collection[str] = ()
) -> tuple[SystemHistory, ...]:
    """Read the ledger and the runs that it names, and record what those runs show that is not recorded yet.

    What cannot be recorded counts all the same: somebody may be allowed to read the ledger only.

    :param days: how far back, in days; findings and proof are read whatever their age.
    :param runs: the directory with the runs of this machine; default: the usual one.
    :param listed: ids of the game days whose occurrences are listed, with their systems; default: all.
    :raises CannotSee: when the store cannot be read.
    """
    now_ms = store.now_ms()
    ledger = Ledger(store)
    entries = {
        one: [record.entry for record in ledger.entries(one, now_ms - days * DAY_MS, now_ms + 2 * DAY_MS).values()]
        for one in listed or calendar.game_days
    }
    systems: dict[str, list[GameDay]] = {}
    for game_day in (calendar.game_days[one] for one in entries):
        systems.setdefault(system_name(calendar, game_day), []).append(game_day)
    found = []
    for system, game_days in systems.items():
        named = [entry.run for game_day in game_days for entry in entries[game_day.id]]
        observations = of_system(observe_again(store, system, runs or runs_directory(), named), game_days[0])
        findings = findings_of(store, system, observations, game_days[0].owner)
        by_game_day = [(game_day, entries[game_day.id]) for game_day in game_days]
        approvals = _approvals(store, by_game_day)
        found.append(system_history(system, by_game_day, observations, findings, now_ms, approvals))
    return tuple(found)


def _approvals(store: ItemStore, entries: Iterable[tuple[GameDay, Sequence[Entry]]]) -> Approvals:
    """Read with which approvals drills have started; where none is required there are none."""
    started = [
        entry
        for game_day, them in entries
        for entry in them
        if game_day.approval is not None and entry.outcome in ("claimed", "ran", "died")
    ]
    return {one.occurrence: used_approvals(store, one.occurrence, by_hand=one.by != "schedule") for one in started}


def system_history(
    system: str,
    entries: Iterable[tuple[GameDay, Sequence[Entry]]],
    observations: Sequence[Observation],
    findings: Sequence[TrackedFinding],
    now_ms: int,
    approvals: Approvals | None = None,
) -> SystemHistory:
    """Put the history of a system together. Pure.

    :param observations: every one of every run.
    """
    views: dict[str, list[Observation]] = {}
    for one in observations:
        views.setdefault(one.run, []).append(one)
    days = tuple(GameDayHistory(game_day, _past(them, views, approvals or {})) for game_day, them in entries)
    proofs = [them for them in views.values() if all(one.is_proof for one in them)]
    known = [found for them in proofs if (found := _proof(them, now_ms)) is not None]
    last = min(known, key=lambda one: one.age_days, default=None)
    fresh = [them for them in proofs if (found := _proof(them, now_ms)) is not None and not found.is_stale]
    shown = frozenset().union(*(_capabilities(them) for them in fresh))
    return SystemHistory(system, days, tuple(findings), last, shown_evidence(shown))


def _past(
    entries: Iterable[Entry], views: Mapping[str, Sequence[Observation]], approvals: Approvals
) -> tuple[PastOccurrence, ...]:
    ordered = sorted(entries, key=lambda one: one.occurrence, reverse=True)
    found = (_past_occurrence(one, views.get(one.run, ()) if one.run else ()) for one in ordered)
    return tuple(replace(one, approvals=approvals.get(one.entry.occurrence, ())) for one in found)


def _past_occurrence(entry: Entry, views: Sequence[Observation]) -> PastOccurrence:
    known = {entry.verdict, *(one.verdict for one in views)} - {""}
    verdict = min(known, key=lambda one: GRAVEST.index(one) if one in GRAVEST else -1, default="")
    is_proof = entry.outcome == "ran" and bool(views) and all(one.is_proof for one in views)
    return PastOccurrence(entry, verdict, is_proof, _recoveries(views) if is_proof else ())


def _recoveries(views: Sequence[Observation]) -> tuple[RecoveryTime, ...]:
    """Return the recovery times of a run, of several observations the longest of each."""
    names = sorted({name for one in views for name in one.figures if name.startswith(RECOVERY)})
    limits = [limit for one in views if (limit := number(one.objectives.get("rto_s"))) is not None]
    limit_s = min(limits, default=None)
    longest = {name: max(one.figures[name] for one in views if name in one.figures) for name in names}
    return tuple(RecoveryTime(name, seconds, limit_s) for name, seconds in longest.items())


def _proof(views: Sequence[Observation], now_ms: int) -> LastProof | None:
    """Return a run as proof; None when it does not say when it began, or says that it is yet to begin."""
    try:
        began = min(datetime.fromisoformat(one.began) for one in views)
        age = datetime.fromtimestamp(now_ms / 1000, UTC) - began
    except (TypeError, ValueError):
        return None
    verdict = min((one.verdict for one in views), key=GRAVEST.index)
    return LastProof(views[0].run, began.isoformat(), verdict, age.days) if age >= timedelta() else None


def _capabilities(views: Sequence[Observation]) -> frozenset[str]:
    """Return what a run has done and measured, by each of its observations."""
    found = [
        capabilities(
            one.verdict,
            one.target,
            one.transitions,
            one.figures,
            one.objectives,
            [func.rpartition(".")[2] for func, _ in one.actions],
            one.broken or one.dry,
        )
        for one in views
    ]
    return frozenset.intersection(*found) if found else frozenset()
