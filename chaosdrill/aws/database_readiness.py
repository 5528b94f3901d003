"""Readiness of the global database for a change of writer, and waiting for it.

After an unplanned failover Aurora rebuilds the old primary, in minutes to hours. Until then its synchronization status
is ``pending-resync``, and Aurora refuses to move the writer there. A state machine that is started then closes the
application before it is refused, so readiness is checked before the start.

See: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_GlobalClusterMember.html
"""

import logging
import shlex
import time

from chaosdrill import history
from chaosdrill.aws import aurora, deadlines
from chaosdrill.aws.polling import poll
from chaosdrill.aws.system import System
from chaosdrill.errors import Refused
from chaosdrill.messages import sentence

logger = logging.getLogger("chaostoolkit")

EVENT = "database-not-ready"
LOG_EVERY_S = 60.0


def refuse_unready(system: System, cluster: aurora.GlobalCluster, region: str) -> None:
    """Refuse to move the writer to a region that cannot become the writer now.

    :param cluster: the global cluster, as it was read last.
    :raises Refused: when the global cluster is not available or has no writer, or the region's cluster is none of its
        members, or is not connected.
    """
    if cluster.status != aurora.AVAILABLE:
        raise Refused(
            sentence(
                "the global cluster {name} is {status}, not available: nothing was started; wait until it is available",
                name=system.topology.database.global_cluster,
                status=cluster.status,
            ),
            code="database-not-available",
        )
    if region not in cluster.members or not cluster.writers:
        raise Refused(
            sentence(
                "the global cluster {name} has no member in {region}, or no writer (members: {members}; writer: "
                "{writer}), and a switchover to {region} would be refused: nothing was started; correct `database: "
                "clusters` in the topology, or add the region's cluster to the global cluster again",
                name=system.topology.database.global_cluster,
                region=region,
                members=list(cluster.members),
                writer=cluster.writer,
            ),
            code="replica-unknown",
        )
    refuse_unsynchronized(system, cluster, region)


def refuse_unsynchronized(system: System, cluster: aurora.GlobalCluster, region: str) -> None:
    """Refuse to move the writer to a region whose cluster is being rebuilt, whatever the status of the global cluster.

    :param cluster: the global cluster, as it was read last.
    :raises Refused: when the region's cluster is not connected.
    """
    if cluster.is_synchronized(region):
        return
    name = system.topology.database.global_cluster
    raise Refused(
        sentence(
            "the cluster of {name} in {region} is {status}, not connected, and Aurora refuses to move the writer "
            "there: nothing was started, and {writer} is still the writer. Aurora rebuilds the old primary after an "
            "unplanned failover, in minutes to hours, depending on its size. Wait until its SynchronizationStatus is "
            "connected: {command}",
            name=name,
            region=region,
            status=cluster.synchronization[region],
            writer=cluster.writer,
            command=f"`aws rds describe-global-clusters --global-cluster-identifier {shlex.quote(name)} "
            f"--region {shlex.quote(str(cluster.writer))}`",
        ),
        code="database-not-synchronized",
    )


def wait_until_ready(
    system: System, region: str, timeout_s: float, then: str = "", is_rollback: bool = False
) -> tuple[aurora.GlobalCluster, bool]:
    """Wait until the writer can be moved to a region: the global cluster available, the region's cluster connected.

    Nothing is changed meanwhile, so the region that serves goes on serving. The log says at once, and then each minute,
    what is waited for, for how much longer at most, and how to end the wait.

    :param timeout_s: how long to wait, in seconds.
    :param then: what to run once the writer can be moved, for the refusal and the log; empty: nothing.
    :param is_rollback: whether a rollback waits, which a person ends in another way than a step of the method.
    :returns: the global cluster, and whether it had to wait.
    :raises Refused: when the writer still cannot be moved after that time.
    :raises CannotSee: when the global cluster could not be read.
    """
    with deadlines.within(timeout_s):
        cluster = aurora.global_cluster(system)  # an unreadable cluster is an error at once
        if (refusal := _refusal(system, cluster, region)) is None:
            return cluster, False
        history.record(EVENT, region=region, status=cluster.status, synchronization=dict(cluster.synchronization))
        began_s, logged_s = time.monotonic(), -LOG_EVERY_S
        for cluster in poll(lambda: aurora.global_cluster(system), timeout_s):
            if (refusal := _refusal(system, cluster, region)) is None:
                return cluster, True
            if (waited_s := time.monotonic() - began_s) >= logged_s + LOG_EVERY_S:
                left_s = max(0.0, timeout_s - waited_s)
                logger.info(f"  waiting {left_s:.0f} s more at most: {refusal}. {_way_out(is_rollback, then)}")
                logged_s = waited_s
    raise Refused(f"after {timeout_s:g} s {refusal}{then and f'; then run {then}'}", code=refusal.code)


def _way_out(is_rollback: bool, then: str) -> str:
    """Return how a person ends the wait, and what follows from that."""
    if history.current() is None:
        return "To end the wait, press Ctrl-C"
    if not is_rollback:
        return "To end the wait and go on with the rollbacks, press Ctrl-C"
    owed = "To end the wait and leave out the rest of the rollbacks, press Ctrl-C twice: the drill names what is owed"
    return f"{owed}. When the database is ready, run {then}" if then else owed


def _refusal(system: System, cluster: aurora.GlobalCluster, region: str) -> Refused | None:
    try:
        refuse_unready(system, cluster, region)
    except Refused as refusal:
        return refusal
    return None
