"""Assumptions on the global database: its status and that of its members, and the dimensions of its lag."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from chaosdrill.aws import System, aurora
from chaosdrill.conformance.assumptions import Assumption, Observed
from chaosdrill.database.lag import NAMESPACE, RPO_LAG
from chaosdrill.errors import CannotSee

LOOKS_BACK = timedelta(minutes=15)
PERIOD_S = 60


def assumptions(system: System) -> Iterator[Assumption]:
    """Yield the assumptions on the global database."""
    yield Assumption(
        f"global cluster {system.topology.database.global_cluster}",
        "available, and each cluster of the topology is a member that reports connected",
        partial(_status, system),
        "wait for the resynchronization, or correct `database:`; if it could not be read, allow "
        "rds:DescribeGlobalClusters",
    )
    yield Assumption(
        f"dimensions of {RPO_LAG}",
        "DBClusterIdentifier of the secondary cluster, and SourceRegion",
        partial(_lag, system),
        "run it again with --export, and send the file to chaosdrill's maintainers; if it could not be read, allow "
        "cloudwatch:GetMetricData and cloudwatch:ListMetrics",
    )


def described(system: System) -> Mapping[str, Any]:
    """Return the global cluster as DescribeGlobalClusters shows it in the standby region.

    :raises CannotSee: when there is none.
    """
    name = system.topology.database.global_cluster
    region = system.topology.region_names[1]
    found = system.client("rds", region).describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"]
    if not found:
        raise CannotSee(f"there is no global cluster {name} in {region}", code="database-unreadable")
    first: Mapping[str, Any] = found[0]
    return first


def _status(system: System) -> Observed:
    found = described(system)
    members = {
        str(one["DBClusterArn"]): str(one.get("SynchronizationStatus") or "not reported")
        for one in found.get("GlobalClusterMembers") or ()
    }
    known = set(system.topology.database.clusters.values()) <= set(members)
    text = ", ".join(f"{arn.rsplit(':', 1)[-1]} {status}" for arn, status in members.items())
    well = found["Status"] == aurora.AVAILABLE and set(members.values()) == {aurora.CONNECTED}
    return Observed(f"{found['Status']}; {text or 'no members'}", well and known)


def _lag(system: System) -> Observed:
    cluster = aurora.global_cluster(system)
    follower = next(region for region in system.topology.region_names if region != cluster.writer)
    identifier = cluster.member_in(follower).rsplit(":", 1)[-1]
    dimensions = {"DBClusterIdentifier": identifier, "SourceRegion": cluster.writer}
    if _has_values(system, follower, dimensions):
        return Observed(f"{follower}: {_shown(dimensions)}", True)
    others = _other_dimensions(system, follower, identifier)
    if not others:
        raise CannotSee(f"CloudWatch of {follower} has no value of it in the last 15 minutes", code="metric-missing")
    return Observed(f"{follower}: {'; '.join(map(_shown, others))}", False)


def _other_dimensions(system: System, region: str, identifier: str) -> list[dict[str, str]]:
    known = {"Name": "DBClusterIdentifier", "Value": identifier}
    listed = system.client("cloudwatch", region).list_metrics(
        Namespace=NAMESPACE, MetricName=RPO_LAG, Dimensions=[known]
    )
    return [{one["Name"]: one["Value"] for one in metric.get("Dimensions", ())} for metric in listed.get("Metrics", ())]


def _has_values(system: System, region: str, dimensions: Mapping[str, str]) -> bool:
    now = datetime.now(UTC).replace(microsecond=0)
    metric = {
        "Namespace": NAMESPACE,
        "MetricName": RPO_LAG,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
    }
    query = {"Id": "lag", "MetricStat": {"Metric": metric, "Period": PERIOD_S, "Stat": "Maximum"}}
    answer = system.client("cloudwatch", region).get_metric_data(
        MetricDataQueries=[query], StartTime=now - LOOKS_BACK, EndTime=now + timedelta(seconds=PERIOD_S)
    )
    return any(one.get("Values") for one in answer.get("MetricDataResults", ()))


def _shown(dimensions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in dimensions.items())
