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
    "refused": ("refused", "the drill did not start: a safeguard or the state of the regions refused it"),
    "interrupted": ("interrupted", "someone stopped the drill"),
    "approval-refused": ("interrupted", "a step that needs a person's approval was not approved and did not begin"),
    "crashed": ("invalid", "chaosdrill itself failed"),
    "lease-lost": ("invalid", "the drill could not keep the system's lease, and rolled back"),
    "left-behind": (TOLD, "leftovers of the drill were still in the system at its end"),
    "target-lost": ("invalid", "the target ended while the drill ran"),
    "not-opened": ("invalid", "the history has no start of a drill"),
    "safeguard-tripped": ("failed", "a safeguard ended the method; if it could not read its value: invalid"),
    "step-failed": (
        "failed",
        "an activity failed; before the method, as a fault, or if it could not read its value: invalid",
    ),
    "check-missed": ("failed", "a tolerance was missed; in the first steady state: refused"),
    "end-state-missed": ("failed", "the regions did not end in the declared state"),
    "step-not-run": ("invalid", "a planned step was left out"),
    "rollback-not-run": ("invalid", "a rollback did not finish: the change of its step is not undone"),
    "dry-run": ("invalid", "a dry run leaves out what it should prove"),
    "lost-writes": ("failed", "acknowledged writes are neither settled nor rolled back, or their effect is gone"),
    "duplicated-writes": ("failed", "by the balances, writes had an effect twice or more"),
    "writes-replicated-late": (
        TOLD,
        "writes that were lost during a pause of the main table's replication arrived after it",
    ),
    "resurrected-writes": ("failed", "writes that were refused, undone or lost had an effect nevertheless"),
    "unsettled-writes": ("failed", "acknowledged writes were still pending when the read-back ended"),
    "read-back-incomplete": ("invalid", "the read-back did not finish, so lost writes are unknown"),
    "unavailable-too-long": ("failed", "clients were without service for longer than the objective rto_s"),
    "still-unavailable": ("failed", "clients were still without service when the measurement ended"),
    "availability-missed": ("failed", "the share of served beats is below availability_ratio"),
    "rpo-missed": ("failed", "more writes, or more seconds of writes, were lost than the objective allows"),
    "budget-missed": ("failed", "a phase took longer than its budget"),
    "objective-not-judged": ("invalid", "an objective cannot be judged from the records"),
    "writes-not-recovered": ("failed", "reads recovered, writes did not"),
    "fault-without-effect": (
        "invalid",
        "the fault was injected, but neither clients nor counters show an effect",
    ),
    "replication-continued": (
        TOLD,
        "a region was isolated, but its stores kept replicating: losing the region would lose more writes",
    ),
    "replication-paused": (
        TOLD,
        "the main table's replication was paused before a region was isolated: its writes since then could be lost",
    ),
    "fault-not-healed": ("failed", "the fault was healed, but its effect continues"),
    "flag-not-closed": ("failed", "the state machine succeeded, but the source region stayed open"),
    "flag-not-opened": ("failed", "the state machine succeeded, but the destination region stayed closed"),
    "routing-not-switched": ("failed", "the state machine succeeded, but the routing controls did not change"),
    "dns-not-moved": ("failed", "routing was switched, but the DNS answer did not change"),
    "dns-ttl-ignored": ("failed", "clients got the old DNS answer long after its TTL"),
    "writer-not-moved": ("failed", "the state machine succeeded, but the database's writer did not move"),
    "writer-flipped": ("failed", "the writer moved, and moved back without a request"),
    "two-writers": ("failed", "two regions wrote at the same time"),
    "health-check-lied": ("failed", "by the facts a region serves, but clients were not served"),
    "wait-left-out": ("failed", "the state machine did not wait until applications have read the stop flag"),
    "switchover-slow": (
        "failed",
        "the switchover of the database took far longer than its budget or the waits around it",
    ),
    "losses-contradict": ("invalid", "the lost writes are not those that the databases themselves have lost"),
    "load-silent": ("invalid", "the load generator recorded nothing while its test ran"),
    "worker-silent": ("invalid", "one of the load generator's workers recorded nothing while the others did"),
    "load-stopped": ("invalid", "the load ended before the drill stopped it"),
    "heartbeat-silent": ("invalid", "the heartbeat recorded nothing for a while"),
    "heartbeat-late": ("invalid", "the heartbeat sent too late to be trusted"),
    "clock-off": (TOLD, "a clock is off; the times were corrected"),
    "clock-unknown": (TOLD, "a clock was never compared with the recorder's, so its times may be wrong"),
    "timeline-contradicts": (TOLD, "two pieces of evidence of one phase contradict each other"),
    "records-truncated": ("invalid", "records end too early"),
    "records-edited": ("invalid", "records were altered after their collection"),
    "records-missing": ("invalid", "records listed in the history are missing"),
    "records-foreign": ("invalid", "records of another run or a newer version, or no records at all"),
    "journal-only": (TOLD, "the run is a journal of plain Chaos Toolkit; lists the basis of its verdict"),
    "nothing-checked": (
        "invalid",
        "a journal of plain Chaos Toolkit whose steady-state hypothesis was not checked",
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
