"""Aurora global databases whose writer actually changes.

Fixes: moto 5.2.5 has neither SwitchoverGlobalCluster nor FailoverGlobalCluster, its members have no synchronization
status, and DescribeGlobalClusters ignores the identifier in the request. Here both operations change the roles of the
lab's PostgreSQL servers and take as long as that takes.

After an unplanned failover Aurora rebuilds the old primary. Until then its synchronization status is
``pending-resync``, and a switchover or failover to it is refused.

:source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_GlobalClusterMember.html
:source: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html
"""

import copy
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import moto.rds.urls as rds_urls
from moto.core.responses import ActionResult
from moto.rds.models import GlobalCluster
from moto.rds.responses import RDSResponse

from chaosdrill.errors import LabError
from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.runtime import ask, logger, plan, scaled

CONNECTED, PENDING_RESYNC = "connected", "pending-resync"
LENIENT_RESYNC = "database-resync"
LONGEST_SWAP_S = 120.0
POLL_S = 0.1  # within this time a running rebuild notices that waits were shortened
SETTLES_REFERENCE_S = 10.0  # between the new writer of an unplanned failover and the global cluster's status available
_lock = threading.Lock()
_shown_as_writers: frozenset[str] = frozenset()
_rebuilding: set[str] = set()  # ARNs of the clusters that are being rebuilt
_moto_members: Any = vars(GlobalCluster)["global_cluster_members"].fget


@dataclass(frozen=True)
class Kind:
    """A way to change the writer: the supervisor's operation and the status during it."""

    operation: str
    status: str
    data_loss: bool


SWITCHOVER = Kind("database.switchover", "switching-over", False)
FAILOVER = Kind("database.failover", "failing-over", True)


class LabRDSResponse(RDSResponse):
    """moto's, with fixed operations on global clusters."""

    def describe_global_clusters(self) -> ActionResult:
        """DescribeGlobalClusters, of one cluster or of all."""
        if self.params.get("GlobalClusterIdentifier"):
            return ActionResult({"GlobalClusters": [self._global_cluster()]})
        return super().describe_global_clusters()

    def switchover_global_cluster(self) -> ActionResult:
        """SwitchoverGlobalCluster, without data loss."""
        return self._move_writer(SWITCHOVER)

    def failover_global_cluster(self) -> ActionResult:
        """FailoverGlobalCluster, which is a switchover unless data loss is allowed."""
        if self.params.get("AllowDataLoss") and self.params.get("Switchover"):
            raise AwsError("InvalidParameterCombination", "AllowDataLoss and Switchover exclude each other")
        return self._move_writer(FAILOVER if self.params.get("AllowDataLoss") else SWITCHOVER)

    def _global_cluster(self) -> Any:
        identifier = self.params["GlobalClusterIdentifier"]
        found = self.global_backend.global_clusters.get(identifier)
        if found is None:
            raise AwsError("GlobalClusterNotFoundFault", f"Global cluster {identifier} not found")
        return found

    def _move_writer(self, kind: Kind) -> ActionResult:
        cluster = self._global_cluster()
        with _lock:
            new = _member(cluster, self.params["TargetDbClusterIdentifier"])
            if cluster.status != "available":
                raise AwsError("InvalidGlobalClusterStateFault", f"Global cluster is {cluster.status}")
            if new.is_writer:
                raise AwsError("InvalidDBClusterStateFault", f"{new.db_cluster_arn} is already the primary")
            if new.db_cluster_arn in _rebuilding:
                why = f"{new.db_cluster_arn} can't be promoted: its synchronization status is {PENDING_RESYNC}"
                raise AwsError("InvalidDBClusterStateFault", why)
            cluster.status = kind.status
            old = next((member for member in cluster.members if member.is_writer), None)
            cluster.failover_state = _failover_state(kind, old, new)
            told = copy.copy(cluster)  # the current state: the change may fail before the response is serialised
        threading.Thread(target=_swap, args=(kind, cluster, old, new), name=kind.operation, daemon=True).start()
        return ActionResult({"GlobalCluster": told})


def _member(cluster: Any, target: str) -> Any:
    for member in cluster.members:
        if target in (member.db_cluster_arn, member.db_cluster_identifier):
            return member
    raise AwsError("DBClusterNotFoundFault", f"{target} is no member of {cluster.global_cluster_identifier}")


def _failover_state(kind: Kind, old: Any, new: Any) -> dict[str, Any]:
    facts = {"Status": kind.status, "ToDbClusterArn": new.db_cluster_arn, "IsDataLossAllowed": kind.data_loss}
    return {**facts, **({"FromDbClusterArn": old.db_cluster_arn} if old else {})}


def _swap(kind: Kind, cluster: Any, old: Any, new: Any) -> None:
    writer = new
    try:
        ask(kind.operation, LONGEST_SWAP_S, to_region=new.region)
    except LabError as error:
        # As on Aurora, the old writer stays, and the status does not show the failure.
        logger.error("%s to %s failed, the writer has not moved: %s", kind.operation, new.region, error)
        writer = old
    is_unplanned = kind is FAILOVER and writer is new
    with _lock:
        for member in cluster.members:
            member.is_writer = member is writer
        if is_unplanned and old and LENIENT_RESYNC not in plan().lenient:
            _rebuilding.add(old.db_cluster_arn)
            threading.Thread(target=_rebuild, args=(old,), name="rebuild", daemon=True).start()
    if is_unplanned:
        time.sleep(scaled(SETTLES_REFERENCE_S))
    with _lock:
        cluster.status, cluster.failover_state = "available", None


def _rebuild(old: Any) -> None:
    """Wait for the old primary's rebuild: at least AWS's duration, and until its server replicates again."""
    began_s = time.monotonic()
    while time.monotonic() < began_s + scaled(plan().resync_reference_s):
        time.sleep(POLL_S)
    while True:
        try:
            ask("database.rejoined", LONGEST_SWAP_S)
            break
        except LabError as error:
            logger.warning("%s is still %s: %s", old.db_cluster_arn, PENDING_RESYNC, error)
            time.sleep(1)
    with _lock:
        _rebuilding.discard(old.db_cluster_arn)


def is_rebuilding(cluster_arn: str) -> bool:
    """Return whether a cluster of the global database is being rebuilt after an unplanned failover."""
    return cluster_arn in _rebuilding


def show_writers(regions: Iterable[str]) -> None:
    """Also show the members in these regions as writers: see the break two-writers."""
    global _shown_as_writers
    _shown_as_writers = frozenset(regions)


def _members(self: Any) -> Any:
    with _lock:  # a read during a change of the writer returns one writer, neither none nor two
        shown = _moto_members(self)
        for member, one in zip(self.members, shown, strict=True):
            one["IsWriter"] = one["IsWriter"] or member.region in _shown_as_writers
            one["SynchronizationStatus"] = PENDING_RESYNC if member.db_cluster_arn in _rebuilding else CONNECTED
        return shown


def install() -> None:
    """Use it for every request."""
    rds_urls.url_paths["{0}/$"] = LabRDSResponse.dispatch
    replace(GlobalCluster, "global_cluster_members", property(_members))
