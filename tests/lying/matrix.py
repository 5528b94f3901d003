"""What a drill must come to in each lab that lies: ``python -m benchmarks.lying_labs``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CHECK, END, LATE = "check-missed", "end-state-missed", "objective-not-judged"
# the rollback sees that no region serves, restores that, and fails; the read-back a second later may not end in time
SERVES_AGAIN = ("step-failed", LATE, "read-back-incomplete")
OVER, BACK = "fail-over", "fail-back"
NOT_SERVED = ("first-good-answer", "sustained")


@dataclass(frozen=True)
class Lie:
    """A drill in a lab that is broken on purpose.

    :param broken: as in ``CHAOSDRILL_LAB_BREAK``; empty: a lab that does not lie.
    :param verdict: what the drill must say.
    :param finding: the name of the finding that it must come to; empty: it must come to none.
    :param follows: what else it finds, because one thing follows from another; nothing beyond that may be found.
    :param unseen: the phases of each movement that must not be shown as seen.
    :param experiment: a file in ``experiments/``.
    :param objectives: beside those of the experiment.
    :param lenient: as in ``CHAOSDRILL_LAB_LENIENT``.
    """

    broken: str
    verdict: str
    finding: str
    follows: tuple[str, ...] = ()
    unseen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    experiment: str = "failover.yaml"
    objectives: Mapping[str, Any] = field(default_factory=dict)
    lenient: str = ""


def skips(machine: str, step: str, finding: str, *follows: str, **unseen: tuple[str, ...]) -> Lie:
    """A state machine that leaves a step out and goes on as if it had done it."""
    phases = {name.replace("_", "-"): phases for name, phases in unseen.items()}
    split = "safeguard-tripped"  # when the facts contradict each other for longer than the safeguard allows
    return Lie(f"machine-skips-{step}:machine={machine}", "failed", finding, (*follows, split), phases)


CLEAN = Lie("", "passed", "")
LIES = (
    CLEAN,
    Lie("health-check-lies", "failed", "health-check-lied", (CHECK, LATE), {OVER: NOT_SERVED}),
    Lie("stop-flag-ignored:region=home", "failed", "flag-not-closed", (CHECK, LATE), {OVER: ("flag-closed",)}),
    Lie("stop-flag-ignored:region=standby", "failed", "flag-not-opened", (CHECK, LATE),
        {OVER: ("flag-opened", *NOT_SERVED)}),
    Lie("routing-without-dns", "failed", "dns-not-moved", (CHECK, LATE), {OVER: ("dns-changed", *NOT_SERVED)}),
    # in a private zone only clients are asked: who kept the old answer is unknown
    Lie("dns-ttl-ignored", "failed", "dns-not-moved", (CHECK, LATE), {OVER: ("dns-changed", *NOT_SERVED)}),
    Lie("dns-ttl-ignored", "failed", "dns-ttl-ignored", (CHECK, LATE), {OVER: ("dns-changed", *NOT_SERVED)},
        lenient="public-zone"),
    Lie("writer-flips-back", "failed", "writer-flipped", ("step-failed", "safeguard-tripped", LATE)),
    # the facts contradict each other from the switchover on: the safeguard's third reading may come before the check
    # that asks who writes
    Lie("two-writers", "failed", "two-writers",
        (CHECK, END, "lost-writes", "rpo-missed", "writer-not-moved", LATE, "losses-contradict", "safeguard-tripped")),
    Lie("replica-forgets", "failed", "lost-writes", (CHECK, "rpo-missed", "resurrected-writes")),
    Lie("settled-deleted", "failed", "lost-writes", (CHECK, "rpo-missed")),
    Lie("deposit-twice", "failed", "duplicated-writes"),
    Lie("fault-injects-nothing", "invalid", "fault-without-effect"),
    Lie("fault-never-healed", "failed", "fault-not-healed", ("step-failed", LATE, "read-back-incomplete")),
    skips("failover", "StopSource", "flag-not-closed", CHECK, LATE, fail_over=("flag-closed",)),
    skips("failover", "WaitForParameterPropagation", "wait-left-out"),
    skips("failover", "SwitchRoute53Arc", "routing-not-switched", CHECK, LATE,
          fail_over=("routing-switched", "dns-changed", *NOT_SERVED), fail_back=("dns-changed",)),
    skips("failover", "SwitchOver", "writer-not-moved", CHECK, "step-failed", LATE, fail_over=("database-switched",)),
    skips("failover", "StartDestination", "flag-not-opened", CHECK, LATE, fail_over=("flag-opened", *NOT_SERVED)),
    skips("failback", "StopSource", "flag-not-closed", *SERVES_AGAIN, fail_back=("flag-closed",)),
    skips("failback", "WaitForParameterPropagation", "wait-left-out"),
    skips("failback", "SwitchRoute53Arc", "routing-not-switched", *SERVES_AGAIN,
          fail_back=("routing-switched", "dns-changed", *NOT_SERVED)),
    # it serves where the writer is, which is not the region to enter
    skips("failback", "SwitchOver", "writer-not-moved", CHECK, END, *SERVES_AGAIN, fail_back=("database-switched",)),
    skips("failback", "StartDestination", "flag-not-opened", *SERVES_AGAIN, fail_back=("flag-opened", *NOT_SERVED)),
    Lie("switchover-slow", "failed", "switchover-slow", ("budget-missed",),
        objectives={"budgets": {"database-switched": 4}}),
    Lie("load-stops", "invalid", "load-silent", ("step-failed", "records-truncated")),
    Lie("worker-stops", "invalid", "worker-silent", ("step-failed", "records-truncated")),
    Lie("clock-off", "passed", "clock-off"),
    Lie("failback-leaves-flag-closed", "failed", "flag-not-opened", SERVES_AGAIN,
        {BACK: ("flag-opened", *NOT_SERVED)}),
    Lie("reads-only", "failed", "writes-not-recovered", (CHECK, LATE), {OVER: NOT_SERVED}),
)  # fmt: skip
