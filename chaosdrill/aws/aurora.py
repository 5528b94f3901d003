"""The Aurora global cluster: its writer, and planned and unplanned changes of the writer."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.access import Reach
from chaosdrill.aws.read_coalescing import paced
from chaosdrill.aws.system import System
from chaosdrill.errors import BadInput, CannotSee

AVAILABLE = "available"
CONNECTED = "connected"
_writers: dict[tuple[Reach, str], tuple[str, datetime | None]] = {}  # by global cluster: its writer, and since when
_lock = threading.Lock()


@dataclass(frozen=True)
class GlobalCluster:
    """A global cluster as DescribeGlobalClusters reports it.

    :param status: ``available``, or the operation in progress.
    :param writers: the regions that write; normally one.
    :param members: the ARN of each member by its region.
    :param synchronization: the synchronization status of each member by its region, where it is reported:
        ``connected``, or ``pending-resync`` while Aurora rebuilds it after an unplanned failover.
    """

    status: str
    writers: tuple[str, ...]
    members: Mapping[str, str]
    synchronization: Mapping[str, str] = field(default_factory=dict)

    @property
    def writer(self) -> str:
        """The region that writes; ``none`` or ``several`` unless there is exactly one."""
        if len(self.writers) == 1:
            return self.writers[0]
        return "several" if self.writers else "none"

    def is_synchronized(self, region: str) -> bool:
        """Return whether the synchronization status allows that region to write.

        A status that is not reported allows it: AWS's API reference does not promise the field.
        """
        return region == self.writer or self.synchronization.get(region, CONNECTED) == CONNECTED

    def member_in(self, region: str) -> str:
        """Return the ARN of the cluster in a region.

        :raises BadInput: when the global cluster has none there.
        """
        if region not in self.members:
            raise BadInput([f"the global cluster has no cluster in {region}, only in {', '.join(self.members)}"])
        return self.members[region]


def global_cluster(system: System, ask: Sequence[str] = ()) -> GlobalCluster:
    """Read the global cluster from one region, or from the next when that one does not respond.

    :param ask: the regions to read from, in this order; default: standby, then home.
    :returns: the cluster as the first region that responds reports it.
    :raises CannotSee: when none responds, or there is no such cluster.
    """
    errors = []
    for region in ask or reversed(system.topology.region_names):
        try:
            return _read(system, region)
        except (ClientError, BotoCoreError) as error:
            errors.append(f"{region}: {error}")
    name = system.topology.database.global_cluster
    why = f"the global cluster {name} could not be read ({'; '.join(errors)}): check `database:`"
    raise CannotSee(why, code="database-unreadable")


def start_switchover(system: System, cluster: GlobalCluster, region: str) -> None:
    """Request a switchover to ``region``, from the region that writes now.

    :source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_SwitchoverGlobalCluster.html
    """
    system.client("rds", cluster.writer).switchover_global_cluster(**switchover_to(system, cluster, region))


def start_failover(system: System, cluster: GlobalCluster, region: str) -> None:
    """Request a failover to ``region`` with data loss allowed, from that region, because the other one may be down.

    :source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_FailoverGlobalCluster.html
    """
    system.client("rds", region).failover_global_cluster(**failover_to(system, cluster, region))


def switchover_to(system: System, cluster: GlobalCluster, region: str) -> dict[str, Any]:
    """Return the parameters of the SwitchoverGlobalCluster that makes a region the writer."""
    name = system.topology.database.global_cluster
    return {"GlobalClusterIdentifier": name, "TargetDbClusterIdentifier": cluster.member_in(region)}


def failover_to(system: System, cluster: GlobalCluster, region: str) -> dict[str, Any]:
    """Return the parameters of the FailoverGlobalCluster that makes a region the writer, with data loss allowed."""
    return {**switchover_to(system, cluster, region), "AllowDataLoss": True}


def _read(system: System, region: str) -> GlobalCluster:
    name = system.topology.database.global_cluster

    def describe() -> Any:
        return system.client("rds", region).describe_global_clusters(GlobalClusterIdentifier=name)

    described = paced((system.reach, "global cluster", region, name), describe).value
    clusters: list[dict[str, Any]] = described.get("GlobalClusters", [])
    if not clusters:
        why = f"there is no global cluster {name} in {region}: correct `database:` in the topology"
        raise CannotSee(why, code="database-unreadable")
    found = parsed(clusters[0], dict(system.topology.database.clusters))
    _remember(system, found.writer)
    return found


def _remember(system: System, writer: str) -> None:
    key = (system.reach, system.topology.database.global_cluster)
    with _lock:
        known = _writers.get(key)
        if known is None or known[0] != writer:
            _writers[key] = (writer, None if known is None else datetime.now(UTC))


def writes_since(system: System) -> datetime | None:
    """Return when this process first observed the present writer; None when it has observed no other writer before."""
    with _lock:
        known = _writers.get((system.reach, system.topology.database.global_cluster))
    return None if known is None else known[1]


def parsed(described: dict[str, Any], clusters: dict[str, str]) -> GlobalCluster:
    """Parse a global cluster.

    :param described: one entry of ``GlobalClusters``.
    :param clusters: cluster ARN by region, as far as the topology has them; if empty, the regions come from the ARNs.
    :raises CannotSee: when a cluster that is not in the topology is the writer.
    """
    members = described.get("GlobalClusterMembers", [])
    arns = [str(member["DBClusterArn"]) for member in members]
    region_of = {arn: region for region, arn in clusters.items()} or {arn: arn.split(":")[3] for arn in arns}
    writers = [str(member["DBClusterArn"]) for member in members if member["IsWriter"]]
    if strangers := [arn for arn in writers if arn not in region_of]:
        why = f"the writer {strangers[0]} is not in the topology: add it under `database: clusters`"
        raise CannotSee(why, code="writer-unknown")
    going_on = (described.get("FailoverState") or {}).get("Status")
    return GlobalCluster(
        str(going_on or described["Status"]),
        tuple(region_of[arn] for arn in writers),
        {region_of[arn]: arn for arn in arns if arn in region_of},
        {
            region_of[arn]: str(member["SynchronizationStatus"])
            for arn, member in zip(arns, members, strict=True)
            if arn in region_of and "SynchronizationStatus" in member
        },
    )
