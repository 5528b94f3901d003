"""The findings of a drill: every kind of finding by name, with its effect on the verdict.

A finding is a sentence with its evidence. ``failed``, ``invalid``, ``refused`` and ``interrupted`` findings make the
verdict. ``told`` findings are informational: what they report was corrected, or affects nothing that was judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.messages import Sentence

GRAVITY = ("refused", "interrupted", "failed", "invalid")
TOLD = "told"
PASSED = "passed"

# name: (its effect on the verdict, its meaning)
FINDINGS: Mapping[str, tuple[str, str]] = {
    "refused": ("refused", "the drill never started: a safeguard or the state of the regions said no"),
    "interrupted": ("interrupted", "someone stopped the drill"),
    "approval-refused": ("interrupted", "a step that a person was to approve was not approved, and not begun"),
    "crashed": ("invalid", "chaosdrill itself failed"),
    "lease-lost": ("invalid", "the drill could not keep the system's lease, and rolled back"),
    "left-behind": (TOLD, "something of the drill was still in the system when it was closed"),
    "target-lost": ("invalid", "the target went away while the drill ran"),
    "not-opened": ("invalid", "the history tells of no drill that was opened"),
    "safeguard-tripped": ("failed", "a safeguard ended the method; when it could not see: invalid"),
    "step-failed": ("failed", "an activity failed; before the method, as a fault, or blind: invalid"),
    "check-missed": ("failed", "a tolerance was missed; in the first steady state: refused"),
    "end-state-missed": ("failed", "the regions did not end in the state that was meant"),
    "step-not-run": ("invalid", "a planned step was left out"),
    "rollback-not-run": ("invalid", "a rollback did not run to its end: what its step did is not undone"),
    "dry-run": ("invalid", "a dry run leaves out what it should prove"),
    "lost-writes": ("failed", "acknowledged writes are neither settled nor rolled back, or their effect is gone"),
    "duplicated-writes": ("failed", "the balances say that writes were executed twice or more"),
    "writes-replicated-late": (
        TOLD,
        "writes that were lost while the main table's replication was paused are there since the pause ended",
    ),
    "resurrected-writes": ("failed", "writes that were refused, undone or lost are executed all the same"),
    "unsettled-writes": ("failed", "acknowledged writes were still pending when the read-back ended"),
    "read-back-incomplete": ("invalid", "the read-back did not come to its end, so nobody can tell what was lost"),
    "unavailable-too-long": ("failed", "clients were without service for longer than the objective rto_s"),
    "still-unavailable": ("failed", "clients were still without service when the measurement ended"),
    "availability-missed": ("failed", "a smaller share of the beats was answered than availability_ratio asks for"),
    "rpo-missed": ("failed", "more writes, or more seconds of writes, were lost than the objective allows"),
    "budget-missed": ("failed", "a phase took longer than its budget"),
    "objective-not-judged": ("invalid", "an objective cannot be judged from what was recorded"),
    "writes-not-recovered": ("failed", "reads are answered again, writes are not"),
    "fault-without-effect": (
        "invalid",
        "the fault was injected, and neither clients nor counters show it",
    ),
    "replication-continued": (
        TOLD,
        "a region was cut off, and its stores went on replicating: lost writes do not show what its loss would cost",
    ),
    "replication-paused": (
        TOLD,
        "the main table's replication was paused before a region was cut off: what it accepted after that was at stake",
    ),
    "fault-not-healed": ("failed", "the fault was healed, and its effect goes on"),
    "flag-not-closed": ("failed", "the state machine succeeded, and the region that was left stayed open"),
    "flag-not-opened": ("failed", "the state machine succeeded, and the region that was entered stayed closed"),
    "routing-not-switched": ("failed", "the state machine succeeded, and the routing controls did not follow"),
    "dns-not-moved": ("failed", "routing was switched, and the DNS answer stayed where it was"),
    "dns-ttl-ignored": ("failed", "clients got the old DNS answer long after its TTL"),
    "writer-not-moved": ("failed", "the state machine succeeded, and the database's writer stayed where it was"),
    "writer-flipped": ("failed", "the writer moved, and moved back without anyone asking"),
    "two-writers": ("failed", "two regions wrote at the same time"),
    "health-check-lied": ("failed", "the regions' facts say that one serves, and clients were not served"),
    "wait-left-out": ("failed", "the state machine did not wait until applications believe the stop flag"),
    "switchover-slow": ("failed", "the database took far longer to move than its budget or the waits around it"),
    "losses-contradict": ("invalid", "the lost writes are not those that the databases themselves have lost"),
    "load-silent": ("invalid", "the load generator recorded nothing while its test went on"),
    "worker-silent": ("invalid", "one of the load generator's workers fell silent while the others went on"),
    "load-stopped": ("invalid", "the load ended before the drill stopped it"),
    "heartbeat-silent": ("invalid", "the heartbeat recorded nothing for a while"),
    "heartbeat-late": ("invalid", "the heartbeat sent too late to be trusted"),
    "clock-off": (TOLD, "a clock is off; the times were corrected"),
    "clock-unknown": (TOLD, "a clock was never compared with the recorder's, so its times may be off"),
    "timeline-contradicts": (TOLD, "two pieces of evidence of one phase contradict each other"),
    "records-truncated": ("invalid", "records end in the middle, or before their end was written"),
    "records-edited": ("invalid", "records are not as they were collected"),
    "records-missing": ("invalid", "records that the history tells of are not there"),
    "records-foreign": ("invalid", "records of another run, of a newer version, or that are none"),
    "journal-only": (TOLD, "the run is a journal of plain Chaos Toolkit: what its verdict rests on"),
    "nothing-checked": (
        "invalid",
        "a journal of plain Chaos Toolkit without a steady-state hypothesis that was checked",
    ),
    "history-broken": ("invalid", "the history was cut, changed, reordered, or lacks its end"),
}


@dataclass(frozen=True)
class Finding:
    """One finding of a drill.

    :param name: one of ``FINDINGS``.
    :param verdict: its effect on the verdict: failed, invalid, refused, interrupted, or told (none).
    :param text: what was observed, in a sentence with values and units.
    :param evidence: the sources of the observation.
    :param codes: the codes of the underlying error, see :mod:`chaosdrill.error_codes`; empty when none is known.
    """

    name: str
    verdict: str
    text: Sentence
    evidence: tuple[Sentence, ...] = ()
    codes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        said = {"name": self.name, "verdict": self.verdict, "text": self.text, "evidence": list(self.evidence)}
        return {**said, "codes": list(self.codes)} if self.codes else said


def finding(
    name: str, text: Sentence, *evidence: Sentence, verdict: str = "", codes: Sequence[str] | None = None
) -> Finding:
    """Return a finding of that name.

    :param verdict: its effect on the verdict; default: that of the name.
    :param codes: the codes of the underlying error, as recorded in the event; older events have none.
    """
    return Finding(name, verdict or FINDINGS[name][0], text, tuple(evidence), tuple(map(str, codes or ())))


def word_of(findings: tuple[Finding, ...]) -> str:
    """Return the verdict of these findings: that of the gravest; passed when all are informational."""
    words = {one.verdict for one in findings}
    return next((word for word in GRAVITY if word in words), PASSED)
