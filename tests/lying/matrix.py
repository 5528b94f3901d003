"""Which verdict and which finding a drill must come to in each lab that lies: ``python -m benchmarks.lying_labs``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Lie:
    """A drill in a lab that is broken on purpose.

    :param broken: as in ``CHAOSDRILL_LAB_BREAK``; empty: a lab that does not lie.
    :param verdict: what the drill must say.
    :param finding: the name of the finding that it must come to; empty: it must come to none.
    :param experiment: a file in ``experiments/``.
    :param objectives: beside those of the experiment.
    """

    broken: str
    verdict: str
    finding: str
    experiment: str = "failover.yaml"
    objectives: Mapping[str, Any] = field(default_factory=dict)


CLEAN = Lie("", "passed", "")
SKIPPED = {
    "StopSource": "flag-not-closed",
    "WaitForParameterPropagation": "wait-left-out",
    "SwitchRoute53Arc": "routing-not-switched",
    "SwitchOver": "writer-not-moved",
    "StartDestination": "flag-not-opened",
}
LIES = (
    CLEAN,
    Lie("health-check-lies", "failed", "health-check-lied"),
    Lie("stop-flag-ignored:region=home", "failed", "flag-not-closed"),
    Lie("stop-flag-ignored:region=standby", "failed", "flag-not-opened"),
    Lie("routing-without-dns", "failed", "dns-not-moved"),
    Lie("dns-ttl-ignored", "failed", "dns-ttl-ignored"),
    Lie("writer-flips-back", "failed", "writer-flipped"),
    Lie("two-writers", "failed", "two-writers"),
    Lie("replica-forgets", "failed", "lost-writes"),
    Lie("settled-deleted", "failed", "lost-writes"),
    Lie("deposit-twice", "failed", "duplicated-writes"),
    Lie("fault-injects-nothing", "invalid", "fault-without-effect"),
    Lie("fault-never-healed", "failed", "fault-not-healed"),
    *(
        Lie(f"machine-skips-{step}:machine={machine}", "failed", finding)
        for machine in ("failover", "failback")
        for step, finding in SKIPPED.items()
    ),
    Lie("switchover-slow", "failed", "switchover-slow", objectives={"budgets": {"database-switched": 4}}),
    Lie("load-stops", "invalid", "load-silent"),
    Lie("worker-stops", "invalid", "worker-silent"),
    Lie("clock-off", "passed", "clock-off"),
    Lie("failback-leaves-flag-closed", "failed", "flag-not-opened"),
    Lie("reads-only", "failed", "writes-not-recovered"),
)
