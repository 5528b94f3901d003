"""A change of writer: whether it may begin, and waiting for its end."""

import time
from collections.abc import Callable

from chaosdrill.aws import System, aurora
from chaosdrill.aws.ambiguous_result import change, describe_half_done
from chaosdrill.aws.polling import poll
from chaosdrill.errors import BadInput, DrillError, Refused, TimedOut, problem

DATA_LOSS = "allowed"
MOVING = ("pending", "switching-over", "failing-over", "cancelling")
BEGINS_WITHIN_S = 60.0


def data_loss_allowed(data_loss: str | None) -> None:
    """Check that the caller allowed data loss explicitly.

    :raises BadInput: when not.
    """
    if data_loss != DATA_LOSS:
        why = (
            f"data_loss is {data_loss!r}: a failover of the database promotes the other region at once, and commits "
            "that were not replicated there yet are lost for good (probe replica_lag_s tells how far it is behind); "
            f"write `data_loss: {DATA_LOSS}` if that is meant, else use switch_over_database, which loses nothing"
        )
        raise BadInput([problem("data-loss-not-allowed", why)])


def refuse_while_moving(system: System, cluster: aurora.GlobalCluster) -> None:
    """Refuse a change of writer while another one is in progress. Any other status of the cluster is accepted.

    :raises Refused: when the writer is already being moved.
    """
    if cluster.status in MOVING:
        raise Refused(
            f"the global cluster {system.topology.database.global_cluster} is {cluster.status} already: nothing was "
            "started; wait until it is available",
            code="database-changing",
        )


def begin(system: System, region: str, ask: Callable[[], None]) -> None:
    """Request a change of writer. When the response is lost and AWS refuses a second attempt because the change is in
    progress, that is a success.

    :param ask: sends the request.
    :raises DrillError: when it did not begin, or whether it did is unknown.
    """

    def begun() -> bool:
        cluster = as_seen_from(system, region)
        return cluster.writer == region or cluster.status in MOVING

    change(f"the change of writer to {region}", ask, begun)


def as_seen_from(system: System, region: str) -> aurora.GlobalCluster:
    """Read the global cluster, from ``region`` first: the other region may be the lost one."""
    return aurora.global_cluster(system, (region, system.topology.other_region(region)))


def wait_for_writer(
    system: System, before: aurora.GlobalCluster, region: str, timeout_s: float
) -> aurora.GlobalCluster:
    """Wait until a region writes, and the global cluster is available again.

    :param before: the global cluster before the change was requested.
    :param timeout_s: seconds, for both.
    :returns: the global cluster then.
    :raises DrillError: when it is available again, and the writer has not moved.
    :raises TimedOut: when one of the two is missing at the deadline; the message says which.
    """
    name = system.topology.database.global_cluster
    began, asked_s, cluster = False, time.monotonic(), before
    with describe_half_done(f"the change of writer to {region} was begun and goes on by itself"):
        for cluster in poll(lambda: as_seen_from(system, region), timeout_s):
            began = began or cluster.status in MOVING
            if cluster.writer == region and cluster.status == aurora.AVAILABLE:
                return cluster
            given_up = began or time.monotonic() - asked_s > BEGINS_WITHIN_S * system.topology.time_scale
            if given_up and cluster.status == aurora.AVAILABLE and cluster.writer == before.writer:
                raise DrillError(
                    f"the global cluster {name} is available again and its writer still {cluster.writer}, not "
                    f"{region}: the change of writer failed; read the events of the cluster in RDS",
                    code="writer-not-moved",
                )
    if cluster.writer == region:
        raise TimedOut(
            f"{region} writes, but after {timeout_s:g} s the global cluster {name} is {cluster.status}, not available: "
            "it accepts no other change until then; read database_status",
            code="database-not-available",
        )
    raise TimedOut(
        f"after {timeout_s:g} s the global cluster {name} is {cluster.status} and its writer {cluster.writer}, not "
        f"{region}: it continues by itself; read database_status and writer_region",
        code="timed-out",
    )
