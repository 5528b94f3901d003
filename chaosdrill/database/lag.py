"""The replication lag of the global database, from CloudWatch."""

from chaosdrill.aws import System, aurora, cloudwatch
from chaosdrill.errors import BadInput, CannotSee, problem

NAMESPACE = "AWS/RDS"
REPLICATION_LAG, RPO_LAG = "AuroraGlobalDBReplicationLag", "AuroraGlobalDBRPOLag"
METRICS = (REPLICATION_LAG, RPO_LAG)
OLDEST_S = 300.0  # CloudWatch can be some minutes late; an older value describes another time


def check_metric(metric: str) -> None:
    """Check the name of a lag metric.

    :raises BadInput: when it is none of :data:`METRICS`.
    """
    if metric not in METRICS:
        raise BadInput([problem("argument-invalid", f"metric is {metric!r}: write {' or '.join(METRICS)}")])


def replica_lag_s(system: System, follower: str | None, metric: str) -> float:
    """Return the latest lag of a region behind the writer, in seconds.

    :param follower: the region; None: the one that does not write.
    :raises CannotSee: when no region follows, or there is no recent value, or none since a change of writer was
        observed.
    """
    cluster = aurora.global_cluster(system)
    if cluster.writer not in cluster.members:
        raise CannotSee(
            f"the global cluster has no one writer ({cluster.writer}), so there is no lag behind it",
            code="writer-unknown",
        )
    region = follower or next((one for one in cluster.members if one != cluster.writer), None)
    if region is None or region == cluster.writer:
        raise CannotSee(
            f"{cluster.writer} is the writer of {system.topology.database.global_cluster}, and no replica there lags "
            "behind: name the region that follows, or leave it out",
            code="replica-unknown",
        )
    name = cluster.member_in(region).rsplit(":", 1)[-1]
    scale = system.topology.time_scale
    source = {"SourceRegion": cluster.writer}
    series = cloudwatch.Series(region, NAMESPACE, metric, {"DBClusterIdentifier": name}, source)
    times = {"period_s": 60 * scale, "oldest_s": OLDEST_S * scale}
    found = cloudwatch.latest(system, series, "Maximum", **times, since=aurora.writes_since(system))
    return round(found / 1000, 6)
