"""The Aurora global cluster: who writes, and the planned change of writer."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.system import System
from chaosdrill.errors import CannotSee


@dataclass(frozen=True)
class GlobalCluster:
    """What DescribeGlobalClusters says: ``available`` or what goes on, and the regions that write (one, normally)."""

    status: str
    writers: tuple[str, ...]

    @property
    def writer(self) -> str:
        """The region that writes; ``none`` or ``several`` when it is not one."""
        if len(self.writers) == 1:
            return self.writers[0]
        return "several" if self.writers else "none"


def global_cluster(system: System) -> GlobalCluster:
    """Read the global cluster, from the standby region, or from home when that does not answer.

    :returns: it, as one of them tells it.
    :raises CannotSee: when neither answers, or there is no such cluster.
    """
    home, standby = system.topology.region_names
    errors = []
    for region in (standby, home):
        try:
            return _read(system, region)
        except (ClientError, BotoCoreError) as error:
            errors.append(f"{region}: {error}")
    name = system.topology.database.global_cluster
    raise CannotSee(f"the global cluster {name} could not be read ({'; '.join(errors)}): check `database:`")


def start_switchover(system: System, to_region: str, from_region: str) -> None:
    """Ask for a switchover; asked in the region that writes now.

    :source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_SwitchoverGlobalCluster.html
    """
    database = system.topology.database
    system.client("rds", from_region).switchover_global_cluster(
        GlobalClusterIdentifier=database.global_cluster, TargetDbClusterIdentifier=database.clusters[to_region]
    )


def _read(system: System, region: str) -> GlobalCluster:
    name = system.topology.database.global_cluster
    answer = system.client("rds", region).describe_global_clusters(GlobalClusterIdentifier=name)
    clusters: list[dict[str, Any]] = answer["GlobalClusters"]
    if not clusters:
        raise CannotSee(f"there is no global cluster {name} in {region}: correct `database:` in the topology")
    return parsed(clusters[0], dict(system.topology.database.clusters))


def parsed(described: dict[str, Any], clusters: dict[str, str]) -> GlobalCluster:
    """:returns: the global cluster.

    :param described: one entry of ``GlobalClusters``.
    :param clusters: cluster ARN by region.
    :raises CannotSee: when a cluster that the topology does not know writes.
    """
    region_of = {arn: region for region, arn in clusters.items()}
    members = described.get("GlobalClusterMembers", [])
    writers = [str(member["DBClusterArn"]) for member in members if member["IsWriter"]]
    if strangers := [arn for arn in writers if arn not in region_of]:
        raise CannotSee(f"the writer {strangers[0]} is not in the topology: add it under `database: clusters`")
    going_on = (described.get("FailoverState") or {}).get("Status")
    return GlobalCluster(str(going_on or described["Status"]), tuple(region_of[arn] for arn in writers))
