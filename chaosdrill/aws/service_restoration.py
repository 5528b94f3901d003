"""Restoration of service in the writer's region when a transition has ended and no region serves."""

import time
from collections.abc import Mapping
from typing import Any

from chaosdrill import history
from chaosdrill.aws import arc, aurora, deadlines, dynamodb
from chaosdrill.aws.active_region import flags_of, is_open_in, routing_to
from chaosdrill.aws.polling import poll, poll_until
from chaosdrill.aws.system import System
from chaosdrill.errors import CannotSee, TimedOut

EVENT = "opening-region"
SETTLES_WITHIN_S = 900.0
OPENS_WITHIN_S = 120.0
MOVES_WITHIN_S = 60.0  # until a change of writer that AWS has accepted becomes visible
SHOWS_WITHIN_S = 5.0  # until the last change of a state machine becomes visible
EVIDENCE_WITHIN_S = 5.0  # for the routing controls, which are read again before they are switched


def restore_service(system: System, why: str) -> str | None:
    """Direct the domain to the writer's region, and open that region, if every region is closed.

    :param why: for the run's history.
    :returns: the region; None when nothing was done, because a region is open.
    :raises DrillError: when the database has no single writer that is available in time, or the region cannot be
        opened.
    """
    with deadlines.within(SETTLES_WITHIN_S):  # the deadline of the rollback may have passed
        if not all(flags_of(system).values()):
            return None
        writer = _settled_writer(system)
    serve_at(system, writer, why)
    return writer


def restore_after_failure(system: System, why: str) -> str | None:
    """Serve in the writer's region when a state machine has failed and no region serves.

    The source may still be open then, with the domain directed to a destination that never opened.

    :param why: for the run's history.
    :returns: the region; None when nothing was done, because the region of the writer is open and routed to.
    :raises DrillError: as :func:`restore_service`.
    """
    with deadlines.within(SETTLES_WITHIN_S):  # the deadline of the rollback may have passed
        writer = aurora.global_cluster(system).writer
        if writer in system.topology.region_names and is_open_in(system, writer):
            return None
        writer = _settled_writer(system)
    serve_at(system, writer, why)
    return writer


def writer_out_of_service(system: System, region: str) -> str | None:
    """Find where to serve when a state machine has succeeded, but no region serves, or more than one is open.

    A state machine that skips a step succeeds all the same. Another may open its destination as soon as the global
    cluster is available, without checking the writer: after a switchover that Aurora gave up, the open region's
    database accepts no writes.

    :param region: the destination of the transition.
    :returns: the region of the writer, unless it is the one that is open and routed to; None if it is, or the writer is
        in no single region of the topology.
    :raises DrillError: when that cannot be read.
    """
    with deadlines.within(SETTLES_WITHIN_S):
        writer = _writer_at_rest(system, region)
        if writer not in system.topology.region_names:
            return None
        is_served = poll_until(lambda: is_open_in(system, writer), bool, SHOWS_WITHIN_S)
    return None if is_served else writer


def serve_at(system: System, writer: str, why: str) -> None:
    """Close every other region, direct the domain to the region of the writer, and open it.

    The state before is recorded first: the transition that ended in it is judged by it.

    :param writer: the region of the writer.
    :param why: for the run's history.
    :raises DrillError: when one of these changes was not made.
    """
    with deadlines.within(OPENS_WITHIN_S):
        flags = flags_of(system)
        facts = {"flag": flags, "routing": _routing(system), "writer": writer}
        state = "dark" if all(flags.values()) else "split"  # no execution runs, and no region serves
        history.record(EVENT, region=writer, why=why, state=state, facts=facts)
        for region in (name for name, closed in flags.items() if not closed and name != writer):
            dynamodb.write_stop_flag(system, region, value=True, expected=False)
    try:
        with deadlines.within(OPENS_WITHIN_S):
            _route_to(system, writer)
    finally:  # also after a failure: the domain may be directed there although no endpoint of the ARC cluster responds
        with deadlines.within(OPENS_WITHIN_S):
            if flags[writer]:
                dynamodb.write_stop_flag(system, writer, value=False, expected=True)


def _routing(system: System) -> Mapping[str, Any]:
    """Return the state of each routing control; ``{"error": text}`` when they cannot be read soon."""
    try:
        with deadlines.ending(EVIDENCE_WITHIN_S):
            return arc.routing_states(system)
    except CannotSee as error:
        return {"error": str(error)}


def _writer_at_rest(system: System, region: str) -> str:
    """Return the region of the writer, once it is ``region`` or no change of writer is in progress."""
    began_s, moved = time.monotonic(), False
    for cluster in poll(lambda: aurora.global_cluster(system), SETTLES_WITHIN_S):
        moved = moved or cluster.status != aurora.AVAILABLE
        shown = moved or time.monotonic() - began_s >= MOVES_WITHIN_S * system.topology.time_scale
        if region in cluster.writers:
            return cluster.writer
        if shown and cluster.status == aurora.AVAILABLE:
            return cluster.writer
    return "none"


def _route_to(system: System, region: str) -> None:
    routing = routing_to(system, region)
    if arc.routing_states(system, arc.ROUNDS) != routing:
        arc.write_routing_states(system, routing)


def _settled_writer(system: System) -> str:
    """Return the region of the writer, once the database is not being changed any more."""
    for cluster in poll(lambda: aurora.global_cluster(system), SETTLES_WITHIN_S):
        if cluster.status == aurora.AVAILABLE and cluster.writer in system.topology.region_names:
            return cluster.writer
    raise TimedOut(
        f"no region serves, and after {SETTLES_WITHIN_S:g} s the global cluster "
        f"{system.topology.database.global_cluster} is {cluster.status} with the writer {cluster.writer}: when it is "
        "available, route the domain to the region of its writer (set_routing) and open that region (set_stop_flag)",
        code="database-not-available",
    )
