"""Move the writer of the global database."""

import time
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import action
from chaosdrill.aws import System, aurora, system_of
from chaosdrill.aws.polling import looks
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import Refused, TimedOut
from chaosdrill.history import record

__all__ = ["switch_over_database"]


@action
def switch_over_database(
    region: str,
    timeout_s: float = 1800,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Make a region the writer of the global database, planned and without loss, and wait until it is.

    :param region: a region of the topology, or home, standby, active.
    :param timeout_s: how long to wait, in seconds.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, region, was, seconds}``; ``done`` is false when the region writes already.
    :raises ActivityFailed: when the cluster is not available, or the writer is not there in time.
    :undo: switch_over_database with the region that wrote before (``was``).
    :source: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html
    """
    system = system_of(configuration, secrets)
    region = region_named(system, region)
    cluster = aurora.global_cluster(system)
    name = system.topology.database.global_cluster
    if cluster.status != "available":
        raise Refused(f"the global cluster {name} is {cluster.status}, not available: wait until it is, then try again")
    if cluster.writer == region:
        return {"done": False, "region": region, "was": region, "why": f"{region} is the writer already"}
    record("undo", undo="switch_over_database", arguments={"region": cluster.writer})
    began = time.monotonic()
    aurora.start_switchover(system, to_region=region, from_region=cluster.writer)
    _wait_for_writer(system, region, timeout_s)
    return {"done": True, "region": region, "was": cluster.writer, "seconds": round(time.monotonic() - began, 3)}


def _wait_for_writer(system: System, region: str, timeout_s: float) -> None:
    for _ in looks(timeout_s):
        cluster = aurora.global_cluster(system)
        if cluster.writer == region and cluster.status == "available":
            return
    raise TimedOut(
        f"after {timeout_s:g} s the global cluster {system.topology.database.global_cluster} is {cluster.status} and "
        f"its writer {cluster.writer}, not {region}: it goes on by itself; look with database_status and writer_region"
    )
