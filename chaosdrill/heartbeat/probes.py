"""Probe of the heartbeat's lost writes."""

from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import probe
from chaosdrill.analysis.ledger import ledger_of
from chaosdrill.analysis.losses import Losses, losses, name_of
from chaosdrill.aws import System, system_of
from chaosdrill.aws.polling import poll_times
from chaosdrill.aws.regions import region_named
from chaosdrill.client import resolve
from chaosdrill.client.heartbeat import the_heartbeat, why_no_writes
from chaosdrill.client.heartbeat_process import HeartbeatProcess
from chaosdrill.errors import BadInput, CannotSee, problem
from chaosdrill.topology import topology_of

__all__ = ["lost_writes"]

MOST_IDS = 10
ANSWERS_WITHIN_S = 5.0
COLLECTED_WITHIN_S = 60.0
OLD_ENOUGH = 5  # the number of writes that must be older than the heartbeat's time-out
WHEN_INTERRUPTED_S = 3.0


@probe
def lost_writes(
    label: str,
    within_s: float = 120,
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> int:
    """Return the number of the heartbeat's writes that were accepted and are neither settled nor rolled back.

    Every write so far is read back repeatedly until none is pending; only then does a write count as lost. The ledger
    is then judged as at the end of the drill: a write that is settled by its own record, but has no effect on its
    account's balance, is lost, too. The ids are in the ledger, and in the history.

    :param label: the name of this read-back, such as after-failover; each at most once in a drill.
    :param within_s: how long it may take until none is pending, in seconds.
    :param region: only those that this region had accepted, by the response's own header, else by the address that
        answered: one of the topology, or home, standby, active; default: all.
    :returns: number of lost writes.
    :raises ActivityFailed: when no write was accepted, the stores have not converged in time, a write could not be read
        back, or a region is named and the region of lost writes is unknown: the number is unknown then, and never 0.
    :source: docs/judging.md, "Lost writes"
    """
    if not label.strip():
        raise BadInput(
            [problem("label-empty", "label: is empty: write what this reading back is called, such as after-failover")]
        )
    system = system_of(configuration, secrets)
    name = region_named(system, region) if region else None
    heartbeat = the_heartbeat(configuration)
    if not heartbeat.writes:
        raise CannotSee(why_no_writes(topology_of(configuration)), code="heartbeat-only-reads")
    if heartbeat.settings["settled"] is None:
        raise CannotSee(
            "the topology's `heartbeat:` does not say how a write is read back: add `settled:`",
            code="read-back-not-described",
        )
    if history.hurried():
        raise CannotSee(
            "the drill was interrupted, and its lab hurries home: no write is read back any more",
            code="drill-interrupted",
        )
    if history.interrupted():
        within_s = min(within_s, WHEN_INTERRUPTED_S)
    else:
        _wait_for_writes(heartbeat)
    heartbeat.page.begin_read_back(label, float(within_s))
    seen: Any = {}
    for _ in poll_times(float(within_s) + ANSWERS_WITHIN_S, heartbeat.poll_every_s):
        seen = heartbeat.page.read_back(label)
        if seen["state"] == "done":
            break
    found = _judged(heartbeat, label, within_s, seen)
    return len(found.lost) if name is None else _accepted_by(system, name, found)


def _wait_for_writes(heartbeat: HeartbeatProcess) -> None:
    """Wait until some write is old enough to be read back: younger ones may still be in progress."""
    timeout_s, rate_per_s = heartbeat.settings["timeout_s"], heartbeat.settings["write_rate_per_s"]
    for _ in poll_times(timeout_s + ANSWERS_WITHIN_S, heartbeat.poll_every_s):
        state = heartbeat.page.state()
        sent = dict(zip(state["operations"], state["sent"], strict=True))
        if sent["write"] > rate_per_s * timeout_s + OLD_ENOUGH:
            return


def _accepted_by(system: System, region: str, found: Losses) -> int:
    owners = resolve.regions_of(system, sorted({write.address for write in found.lost if write.address}))
    regions = [write.region or owners.get(write.address, resolve.UNKNOWN_REGION) for write in found.lost]
    if unknown := regions.count(resolve.UNKNOWN_REGION):
        raise CannotSee(
            f"{unknown} lost writes name no region that has accepted them, and were sent to addresses of no region of "
            "the topology: leave `region` out",
            code="lost-writes-region-unknown",
        )
    return regions.count(region)


def _judged(heartbeat: HeartbeatProcess, label: str, within_s: float, seen: Any) -> Losses:
    """Return the judgement's own count, from the ledger as it is collected, so that the two cannot differ."""
    converged = seen["state"] == "done" and seen["converged"]
    found = losses(ledger_of(_ledger(heartbeat, label)), label) if converged else Losses(label)
    lost = len(found.lost) if converged and not found.why_not else None
    pending = len(seen["pending"])
    counts = {"read_back": seen["read_back"], "pending": pending, "overcounted": len(seen["overcounted"])}
    ids = [name_of(write) for write in found.lost[:MOST_IDS]] if converged else list(seen["missing"])[:MOST_IDS]
    why = str(found.why_not) if converged else seen["why"] or f"{pending} writes are still pending"
    history.record("read-back", label=label, converged=converged, lost=lost, **counts, why=why, ids=ids)
    if not converged:
        raise CannotSee(
            f"the stores have not converged within {within_s:g} s, so the number of lost writes is unknown: {why}",
            code="read-back-not-converged",
        )
    if found.why_not:
        raise CannotSee(f"the number of lost writes is unknown: {why}", code="lost-writes-unknown")
    return found


def _ledger(heartbeat: HeartbeatProcess, label: str) -> list[dict[str, Any]]:
    """Collect the ledger up to the end of the read-back."""
    for _ in poll_times(COLLECTED_WITHIN_S, heartbeat.poll_every_s):
        heartbeat.collect()
        if (rows := heartbeat.kept.ledger_with(label)) is not None:
            return rows
    raise CannotSee(
        f"the read-back {label} has ended, and its records were not collected within {COLLECTED_WITHIN_S:g} s, so the "
        "number of lost writes is unknown",
        code="lost-writes-unknown",
    )
