"""The global database as a part of a drilled system."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from chaosdrill.aws import System, aurora, deadlines
from chaosdrill.aws.database_readiness import refuse_unsynchronized
from chaosdrill.aws.overrides import with_global_cluster
from chaosdrill.aws.polling import poll
from chaosdrill.aws.regions import region_named
from chaosdrill.coordination.resources import Resource
from chaosdrill.database.checks import checks
from chaosdrill.database.writer_change import (
    as_seen_from,
    begin,
    data_loss_allowed,
    refuse_while_moving,
    wait_for_writer,
)
from chaosdrill.errors import TimedOut
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.fact_reading import fact_or_unreadable
from chaosdrill.parts.interface import BasePart, Check, CheckContext, Fact, PlannedCall, PlannedStep, Role, UndoRule
from chaosdrill.topology import Topology


class DatabasePart(BasePart):
    """The global cluster. Data that an unplanned failover lost stays lost when it is reversed."""

    name: ClassVar[str] = "database"
    role: ClassVar[Role] = "database"
    facts: ClassVar[tuple[str, ...]] = (
        "home-ready",
        "home-waiting",
        "standby-ready",
        "standby-waiting",
        "moving",
        "no-writer",
        "several-writers",
    )
    undo_rules: ClassVar[tuple[UndoRule, ...]] = (
        UndoRule("switch_over_database", "switch_over_database"),
        UndoRule("fail_over_database", "switch_over_database"),
    )

    def resources(self, topology: Topology) -> Sequence[Resource]:
        return (Resource("global-cluster", topology.database.global_cluster),)

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Read which region writes, and whether the writer could move to the other one now.

        :returns: one of ``facts``. ``home-ready``: home writes, and the other region's cluster is connected;
            ``home-waiting``: home writes, and Aurora rebuilds the other region's cluster, or it is no member;
            ``moving``: the global cluster is not available, because its writer moves or it is being changed. Details:
            ``{status, writer, synchronization: {region: status}}``.
        """
        return fact_or_unreadable(lambda: _fact(system))

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the one request that moves the writer; a switchover is sent to the region that is assumed to write."""
        at_cluster = with_global_cluster(system, step.arguments["global_cluster"])
        region, cluster = region_named(system, step.arguments["region"]), aurora.global_cluster(at_cluster)
        if step.action == "fail_over_database":
            data_loss_allowed(step.arguments["data_loss"])
            parameters = aurora.failover_to(at_cluster, cluster, region)
            return (PlannedCall("rds", "FailoverGlobalCluster", region, parameters),)
        parameters = aurora.switchover_to(at_cluster, cluster, region)
        writer = system.topology.other_region(region)
        return (PlannedCall("rds", "SwitchoverGlobalCluster", writer, parameters),)

    def wait(self, system: System, fact: Fact, timeout_s: float) -> None:
        """Wait until the global cluster is available, with any writer.

        :param timeout_s: seconds.
        :raises TimedOut: when it is not available in time.
        """
        status = str(fact.details.get("status", ""))
        for cluster in poll(lambda: aurora.global_cluster(system), timeout_s):
            status = cluster.status
            if status == aurora.AVAILABLE:
                return
        raise TimedOut(
            f"the global cluster {system.topology.database.global_cluster} is {status}, not available, after "
            f"{timeout_s:g} s: read its events in RDS",
            code="database-not-available",
        )

    def promote(self, system: System, region: str, data_loss: str, timeout_s: float) -> Mapping[str, Any]:
        """Make a region the writer at once, without the region that wrote before. Repeating it does no harm.

        :param data_loss: must be the word ``allowed``: commits that were not replicated are lost.
        :param timeout_s: seconds to wait until it writes and the global cluster is available.
        :returns: ``{done, was}``: whether it was promoted, and which region wrote before (``none``: no region).
        :raises BadInput: when the data loss was not allowed, or the region has no cluster.
        :raises Refused: when the writer is already being moved, or Aurora rebuilds the region's cluster.
        :raises DrillError: when the writer did not move, or it is unknown whether it did.
        """
        data_loss_allowed(data_loss)
        cluster = as_seen_from(system, region)
        refuse_while_moving(system, cluster)
        if cluster.writer != region:
            cluster.member_in(region)
            refuse_unsynchronized(system, cluster, region)
            with deadlines.within(timeout_s):
                begin(system, region, lambda: aurora.start_failover(system, cluster, region))
                wait_for_writer(system, cluster, region, timeout_s)
        return {"done": cluster.writer != region, "was": cluster.writer}


def _fact(system: System) -> Fact:
    cluster = aurora.global_cluster(system)
    return Fact(value_of(cluster, system.topology), _details(cluster))


def value_of(cluster: aurora.GlobalCluster, topology: Topology) -> str:
    """Name the state of a global cluster: one of ``DatabasePart.facts``."""
    if cluster.status != aurora.AVAILABLE:
        return "moving"
    if len(cluster.writers) != 1:
        return "several-writers" if cluster.writers else "no-writer"
    other = topology.other_region(cluster.writer)
    ready = other in cluster.members and cluster.is_synchronized(other)
    role = "home" if cluster.writer == topology.regions.home else "standby"
    return f"{role}-{'ready' if ready else 'waiting'}"


def _details(cluster: aurora.GlobalCluster) -> Mapping[str, Any]:
    return {
        "status": cluster.status,
        "writer": cluster.writer,
        "synchronization": dict(cluster.synchronization),
    }


PART = DatabasePart


def part_of(topology: Topology) -> DatabasePart:
    """Return the part; every topology has it."""
    return DatabasePart()
