"""Actions that move the writer of the global database."""

import time
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import action
from chaosdrill.aws import aurora, deadlines, system_of
from chaosdrill.aws.database_readiness import refuse_unsynchronized, wait_until_ready
from chaosdrill.aws.overrides import with_global_cluster
from chaosdrill.aws.regions import region_named
from chaosdrill.database.writer_change import (
    as_seen_from,
    begin,
    data_loss_allowed,
    refuse_while_moving,
    wait_for_writer,
)
from chaosdrill.errors import Refused
from chaosdrill.history import record

__all__ = ["fail_over_database", "switch_over_database"]


@action
def switch_over_database(
    region: str,
    timeout_s: float = 1800,
    global_cluster: Optional[str] = None,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Make a region the writer of the global database with a switchover, without data loss, and wait until it writes.

    It first waits until the global cluster is available and the region's cluster is connected: after an unplanned
    failover Aurora rebuilds the old primary, and refuses a switchover to it until that is done.

    :param region: a region of the topology, or home, standby, active.
    :param timeout_s: how long to wait until the switchover can begin, and again until the region writes, in seconds.
    :param global_cluster: identifier of the global cluster; default: the topology's.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, region, was, seconds}``; ``done`` is false when the region writes already.
    :raises ActivityFailed: when the switchover cannot begin in time (nothing was changed then), or the writer does not
        move in time, or the change of writer failed.
    :undo: switch_over_database with the region that wrote before (``was``).
    :source: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html
    """
    system = with_global_cluster(system_of(configuration, secrets), global_cluster)
    region = region_named(system, region)
    cluster, _ = wait_until_ready(system, region, timeout_s, is_rollback=undo_of is not None)
    if cluster.writer == region:
        return _writes_already(region)
    if cluster.writer not in cluster.members:
        raise Refused(
            f"the writer of the global cluster {system.topology.database.global_cluster} is {cluster.writer}, and a "
            "switchover needs one to leave",
            code="writer-unknown",
        )
    cluster.member_in(region)
    began = time.monotonic()
    with deadlines.within(timeout_s):  # a new deadline: the wait for readiness may have used up the first
        _record_undo(cluster.writer, global_cluster)
        begin(system, region, lambda: aurora.start_switchover(system, cluster, region))
        wait_for_writer(system, cluster, region, timeout_s)
    return {"done": True, "region": region, "was": cluster.writer, "seconds": round(time.monotonic() - began, 3)}


@action
def fail_over_database(
    region: str,
    data_loss: Optional[str] = None,
    timeout_s: float = 1800,
    global_cluster: Optional[str] = None,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Make a region the writer of the global database with a failover, and wait until it writes and the global cluster
    is available.

    This is for the loss of the writer's region, which takes no part. Data that was not replicated is lost, so the
    caller must allow that.

    :param region: a region of the topology, or home, standby, active.
    :param data_loss: must be the word ``allowed``; anything else is refused.
    :param timeout_s: how long to wait, in seconds.
    :param global_cluster: identifier of the global cluster; default: the topology's.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, region, was, status, seconds}``: the region that wrote before, and the cluster's status; ``done``
        is false when the region writes already.
    :raises ActivityFailed: when data loss was not allowed, the writer is already being moved, or the region's cluster
        is being rebuilt (nothing was changed then); when the writer does not move in time, or the change of writer
        failed; or when the writer has moved and the cluster is not available in time.
    :undo: switch_over_database with the region that wrote before (``was``); lost data stays lost.
    :source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_FailoverGlobalCluster.html
    """
    data_loss_allowed(data_loss)
    system = with_global_cluster(system_of(configuration, secrets), global_cluster)
    region = region_named(system, region)
    cluster = as_seen_from(system, region)
    refuse_while_moving(system, cluster)
    if cluster.writer == region:
        return _writes_already(region)
    cluster.member_in(region)
    refuse_unsynchronized(system, cluster, region)
    left = cluster.writer if cluster.writer in cluster.members else system.topology.other_region(region)
    _record_undo(left, global_cluster)
    began = time.monotonic()
    begin(system, region, lambda: aurora.start_failover(system, cluster, region))
    now = wait_for_writer(system, cluster, region, timeout_s)
    return {
        "done": True,
        "region": region,
        "was": cluster.writer,
        "status": now.status,
        "seconds": round(time.monotonic() - began, 3),
    }


def _writes_already(region: str) -> dict[str, Any]:
    return {"done": False, "region": region, "was": region, "why": f"{region} is the writer already"}


def _record_undo(writer: str, global_cluster: Optional[str]) -> None:
    named = {"global_cluster": global_cluster} if global_cluster else {}
    record("undo", undo="switch_over_database", arguments={"region": writer, **named})
