"""What a ledger records of occurrences, and what people are notified of. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from chaosdrill.gamedays.calendar import Occurrence

Outcome = Literal["claimed", "ran", "skipped", "refused", "expired", "missed", "died"]
Notice = Literal[
    "planned",  # a day before
    "soon",  # 15 minutes before, with how to veto it
    "approval-needed",
    "started",
    "transition",  # a failover or a failback has begun or ended
    "finished",
    "rollback-failed",  # the loudest
    "not-run",  # missed, refused, skipped, expired
    "died",
    "overdue",  # a series of refused or invalid runs, or silence
]


@dataclass(frozen=True)
class Entry:
    """What became of one occurrence.

    :param outcome: ``claimed`` until it has ended: its drill may be running.
    :param code: the stable code of why, such as ``blackout`` or ``approval-missing``; empty for ``ran``.
    :param why: the reason, as a sentence.
    :param run: the id of the run, as soon as it is known.
    :param verdict: of the run, when it ended.
    :param digest: of what was to be run: experiment, topology, variables and window.
    :param by: who started it: ``schedule``, or the principal of whoever ran it by hand.
    :param at_ms: when this was recorded, milliseconds since 1970, by the ledger's clock.
    :param began_ms: when its drill was claimed; 0 for what was never run.
    :param fis_minutes: what its run used of FIS; None while that is unknown.
    :param error_seconds: how long clients were without service in its run; None while that is unknown.
    :param owed: what its run has changed and not undone, by activity: a tick notifies of it, wherever it runs.
    """

    occurrence: Occurrence
    outcome: Outcome
    code: str = ""
    why: str = ""
    run: str = ""
    verdict: str = ""
    digest: str = ""
    by: str = "schedule"
    at_ms: int = 0
    began_ms: int = 0
    fis_minutes: float | None = None
    error_seconds: float | None = None
    owed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notification:
    """One thing that people are notified of; the texts are made from it, in the language of each channel.

    :param facts: what the texts name: figures, links, reasons; never a secret.
    """

    notice: Notice
    occurrence: Occurrence
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What makes it one and the same notification: it is sent once to each channel."""
        return f"{self.occurrence.key} {self.notice} {self.facts.get('detail', '')}".strip()
