"""What became of the heartbeat's writes."""

from collections.abc import Mapping
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import probe
from chaosdrill.aws import system_of
from chaosdrill.aws.polling import looks
from chaosdrill.aws.regions import region_named
from chaosdrill.client.heartbeat import the_heartbeat, why_no_writes
from chaosdrill.errors import BadInput, CannotSee
from chaosdrill.topology import topology_of

__all__ = ["lost_writes"]

MOST_IDS = 10
ANSWERS_WITHIN_S = 5.0
WHEN_INTERRUPTED_S = 3.0


@probe
def lost_writes(
    label: str,
    within_s: float = 120,
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> int:
    """Number of the heartbeat's writes that were accepted and are neither settled nor rolled back.

    Every write that was sent so far is read back, again and again until none is pending; only then a write counts as
    lost. Which ones is in the ledger, and in the history.

    :param label: what this reading back is called, such as after-failover; each at most once in a drill.
    :param within_s: how long it may take until none is pending, in seconds.
    :param region: only those that this region had accepted, as the answer's own header said: one of the topology, or
        home, standby, active; default: all.
    :returns: number of lost writes.
    :raises ActivityFailed: when nothing is written, or the stores have not converged in time, or a region is asked
        for and lost writes name none: then nobody knows.
    :source: design: a lost write is accepted, and after the stores have converged neither settled nor rolled back
    """
    if not label.strip():
        raise BadInput(["label: is empty: write what this reading back is called, such as after-failover"])
    name = region_named(system_of(configuration, secrets), region) if region else None
    heartbeat = the_heartbeat(configuration)
    if not heartbeat.writes:
        raise CannotSee(why_no_writes(topology_of(configuration)))
    if heartbeat.settings["settled"] is None:
        raise CannotSee("the topology's `heartbeat:` does not say how a write is read back: add `settled:`")
    if history.hurried():
        raise CannotSee("the drill was interrupted, and its lab hurries home: no write is read back any more")
    if history.interrupted():
        within_s = min(within_s, WHEN_INTERRUPTED_S)
    heartbeat.page.begin_read_back(label, float(within_s))
    seen: Any = {}
    for _ in looks(float(within_s) + ANSWERS_WITHIN_S, heartbeat.poll_every_s):
        seen = heartbeat.page.read_back(label)
        if seen["state"] == "done":
            break
    lost = _judged(label, within_s, seen)
    return lost if name is None else _accepted_by(name, seen["missing_by_region"])


def _accepted_by(region: str, lost: Mapping[str, int]) -> int:
    if nobody := lost.get("", 0):
        raise CannotSee(f"{nobody} lost writes name no region that has accepted them: ask without `region`")
    return lost.get(region, 0)


def _judged(label: str, within_s: float, seen: Any) -> int:
    missing = list(seen["missing"])
    counts = {"read_back": seen["read_back"], "pending": len(seen["pending"]), "overcounted": len(seen["overcounted"])}
    done = seen["state"] == "done" and seen["converged"]
    found = {"label": label, "converged": done, "lost": len(missing) if done else None, **counts}
    history.record("read-back", **found, why=seen["why"], ids=missing[:MOST_IDS])
    if not done:
        why = seen["why"] or f"{counts['pending']} writes are still pending"
        raise CannotSee(f"the stores have not converged within {within_s:g} s, so nobody knows what is lost: {why}")
    return len(missing)
