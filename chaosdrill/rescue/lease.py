"""The lease of a rescue: the leases that it takes over, when that is allowed, and the takeover."""

import uuid
from collections.abc import Collection, Sequence

from chaosdrill.aws import System
from chaosdrill.coordination import lease_request
from chaosdrill.coordination.holders import is_proven_dead
from chaosdrill.coordination.interface import Coordination, Lease, LeaseRequest, SystemState
from chaosdrill.parts.registry import lease_keys


def live_leases(state: SystemState) -> list[Lease]:
    """List the leases whose driver may be alive: they have not expired, and their holder is not proven dead."""
    held = [lease for lease in state.holding() if lease.expires_ms >= state.now_ms]
    return [lease for lease in held if not is_proven_dead(lease.holder)]


def stale_leases(state: SystemState) -> list[Lease]:
    """List the leases that are held and whose driver is not alive."""
    live = {lease.run for lease in live_leases(state)}
    return [lease for lease in state.holding() if lease.run not in live]


def free_in_s(state: SystemState) -> float:
    """Return after how many seconds the stale leases may be taken over: no request of their drivers is in flight then.

    A process of this machine that has ended sends nothing more: its last request has arrived one attempt later.
    """
    return max((_free_at_ms(lease, state.now_ms) - state.now_ms for lease in stale_leases(state)), default=0) / 1000


def _free_at_ms(lease: Lease, now_ms: int) -> int:
    if is_proven_dead(lease.holder):
        return min(lease.free_at_ms, now_ms + lease.attempt_ms)
    return lease.free_at_ms


def take_lease(
    system: System, coordination: Coordination, stale: Sequence[Lease], pays: Collection[str], end: str = ""
) -> Lease:
    """Take the lease of a system for a rescue: from the runs whose drivers are not alive, or a free one.

    :param stale: their leases, as they were read; the caller has waited until they are free.
    :param pays: runs that owe an undo.
    :param end: the region state that the rescue restores.
    :raises Refused: when a run holds it (``lease-held``): one was renewed, or another rescue was first.
    """

    def request(resources: Sequence[str]) -> LeaseRequest:
        run = f"rescue-{uuid.uuid4().hex[:12]}"
        return lease_request(system, run, "rescue", resources, end=end, pays=pays)

    for lease in stale[1:]:  # leases of runs that drilled other parts of the system
        coordination.release(coordination.take_over(request(lease.resources), lease))
    whole = request(lease_keys(system.topology))
    return coordination.take_over(whole, stale[0]) if stale else coordination.acquire(whole)
