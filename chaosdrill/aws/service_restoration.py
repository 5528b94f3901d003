"""Serving again where the writer is, when a transition has stopped half way and left every region closed."""

import time

from chaosdrill import history
from chaosdrill.aws import arc, aurora, deadlines, dynamodb
from chaosdrill.aws.placement import is_closed_everywhere
from chaosdrill.aws.polling import seen
from chaosdrill.aws.system import System
from chaosdrill.errors import TimedOut

EVENT = "opening-region"
SETTLES_WITHIN_S = 900.0
OPENS_WITHIN_S = 120.0
MOVES_WITHIN_S = 60.0  # until a change of writer that AWS has accepted shows


def restore_service(system: System, why: str) -> str | None:
    """Lead the domain to the region of the writer, and open it there, if every region is closed.

    :param why: for the run's history.
    :returns: the region; None when nothing was done, because a region is open.
    :raises DrillError: when the database has no one writer that is available in time, or the region cannot be opened.
    """
    with deadlines.within(SETTLES_WITHIN_S):  # the time of the rollback may be up
        if not is_closed_everywhere(system):
            return None
        writer = _settled_writer(system)
    history.record(EVENT, region=writer, why=why)
    try:
        with deadlines.within(OPENS_WITHIN_S):
            _route_to(system, writer)
    finally:  # the domain may lead there already, although no endpoint of the ARC cluster responds
        with deadlines.within(OPENS_WITHIN_S):
            dynamodb.write_stop_flag(system, writer, value=False, expected=True)
    return writer


def serve_at_writer(system: System, region: str) -> str | None:
    """Close a region that a transition has opened, and serve where the writer is, when the writer has not moved there.

    The reference's state machine opens its destination when the global cluster is available, whoever the writer is: a
    switchover that Aurora gave up leaves a region open whose database takes no writes.

    :param region: the region that was entered.
    :returns: the region of the writer; None when nothing was done, because the writer is in ``region``, or in no one
        region of the topology.
    :raises DrillError: as :func:`restore_service`.
    """
    with deadlines.within(SETTLES_WITHIN_S):
        writer = _writer_at_rest(system, region)
    if writer == region or writer not in system.topology.region_names:
        return None
    with deadlines.within(OPENS_WITHIN_S):
        dynamodb.write_stop_flag(system, region, value=True, expected=False)
    return restore_service(system, f"the writer has not moved to {region}")


def _writer_at_rest(system: System, region: str) -> str:
    """:returns: the region of the writer, once it is ``region`` or nothing moves it there any more."""
    began_s, moved = time.monotonic(), False
    for cluster in seen(lambda: aurora.global_cluster(system), SETTLES_WITHIN_S):
        moved = moved or cluster.status != aurora.AVAILABLE
        shown = moved or time.monotonic() - began_s >= MOVES_WITHIN_S * system.topology.time_scale
        if region in cluster.writers:
            return region
        if shown and cluster.status == aurora.AVAILABLE:
            return cluster.writer
    return "none"


def _route_to(system: System, region: str) -> None:
    routing = {name: "On" if name == region else "Off" for name in system.topology.region_names}
    if arc.routing_states(system, arc.ROUNDS) != routing:
        arc.write_routing_states(system, routing)


def _settled_writer(system: System) -> str:
    """:returns: the region of the writer, once the database is not being changed any more."""
    for cluster in seen(lambda: aurora.global_cluster(system), SETTLES_WITHIN_S):
        if cluster.status == aurora.AVAILABLE and cluster.writer in system.topology.region_names:
            return cluster.writer
    raise TimedOut(
        f"every region is closed, and after {SETTLES_WITHIN_S:g} s the global cluster "
        f"{system.topology.database.global_cluster} is {cluster.status} with the writer {cluster.writer}: when it is "
        "available, lead the domain to the region of its writer (set_routing), and open that (set_stop_flag)",
        code="database-not-available",
    )
