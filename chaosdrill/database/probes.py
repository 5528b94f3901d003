"""Probes of the global database, and of the replication lag of both stores."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import aurora, main_table, system_of
from chaosdrill.aws.overrides import with_global_cluster
from chaosdrill.aws.polling import poll_until
from chaosdrill.aws.regions import region_named
from chaosdrill.database import lag

__all__ = ["database_status", "main_table_lag_s", "replica_lag_s", "writer_region"]


@probe
def writer_region(
    region: Optional[str] = None,
    global_cluster: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> str:
    """Return the region that writes to the global database.

    :param region: the region to read from, by name or as home, standby, active; default: standby, and home when standby
        does not respond.
    :param global_cluster: identifier of the global cluster; default: the topology's.
    :returns: its name; ``none`` or ``several`` unless there is exactly one.
    :raises ActivityFailed: when the global cluster cannot be read.
    :source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_GlobalClusterMember.html
    """
    return _cluster(region, global_cluster, configuration, secrets).writer


@probe
def database_status(
    region: Optional[str] = None,
    global_cluster: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> str:
    """Return the status of the global database.

    :param region: the region to read from, by name or as home, standby, active; default: standby, and home when standby
        does not respond.
    :param global_cluster: identifier of the global cluster; default: the topology's.
    :returns: ``available``, or the operation in progress, such as ``switching-over``.
    :raises ActivityFailed: when the global cluster cannot be read.
    :source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_FailoverState.html
    """
    return _cluster(region, global_cluster, configuration, secrets).status


@probe
def replica_lag_s(
    region: Optional[str] = None,
    metric: str = lag.REPLICATION_LAG,
    within_s: Optional[float] = None,
    global_cluster: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> float:
    """Return how far a region's copy of the global database is behind the writer: what an unplanned failover would
    lose.

    CloudWatch has one value a minute (in the lab: a minute times its scale); the latest is returned.

    :param region: the region that follows, by name or as home, standby, active; default: the one that does not write.
    :param metric: AuroraGlobalDBReplicationLag, or AuroraGlobalDBRPOLag (of user transactions only).
    :param within_s: wait up to so many seconds for a value; default: read once.
    :param global_cluster: identifier of the global cluster; default: the topology's.
    :returns: seconds, the maximum of the last minute that has a value.
    :raises ActivityFailed: when there is no value of the last minutes, or none since this process observed a change of
        writer, or the region is the writer, which has no lag.
    :source: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.AuroraMonitoring.Metrics.html
    """
    lag.check_metric(metric)
    system = with_global_cluster(system_of(configuration, secrets), global_cluster)
    follower = region_named(system, region) if region else None
    return poll_until(lambda: lag.replica_lag_s(system, follower, metric), lambda seconds: True, float(within_s or 0))


@probe
def main_table_lag_s(
    region: str = "standby",
    within_s: Optional[float] = None,
    table: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> float:
    """Return how long items written to the main table in the other region took to appear in a region.

    CloudWatch has one value a minute (in the lab: a minute times its scale) while items are written and replicated; the
    latest is returned.

    :param region: the region that receives, by name or as home, standby, active.
    :param within_s: wait up to so many seconds for a value; default: read once.
    :param table: name of the global table; default: the topology's main_table.
    :returns: seconds, the maximum of the last minute that has a value.
    :raises ActivityFailed: when no table is named, or there is no value of the last minutes: nothing was written, or
        nothing arrived.
    :source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html#ReplicationLatency
    """
    system = system_of(configuration, secrets)
    name, receiving = main_table.table_name(system, table), region_named(system, region)

    def read() -> float:
        return main_table.replication_lag_s(system, name, receiving)

    return poll_until(read, lambda seconds: True, float(within_s or 0))


def _cluster(
    region: Optional[str],
    global_cluster: Optional[str],
    configuration: Optional[Configuration],
    secrets: Optional[Secrets],
) -> aurora.GlobalCluster:
    system = with_global_cluster(system_of(configuration, secrets), global_cluster)
    return aurora.global_cluster(system, [region_named(system, region)] if region else ())
