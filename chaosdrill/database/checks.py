"""Checks of the global database and the main table before a drill."""

from collections.abc import Iterator
from functools import partial

from chaosdrill.aws import System, aurora, main_table
from chaosdrill.aws.database_readiness import refuse_unready
from chaosdrill.database.lag import RPO_LAG, replica_lag_s
from chaosdrill.errors import CannotSee
from chaosdrill.parts.check_readings import by_region, or_warning, read_text
from chaosdrill.parts.interface import Check, CheckContext, Reading

MOST_LAG_S = 60.0  # a switchover waits until the replica has caught up, with every region closed

_MEMBERS = "allow rds:DescribeGlobalClusters, or correct `database:`"
_REBUILT = "wait until it is connected: Aurora rebuilds the old primary after a failover, in minutes to hours"


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks: the clusters are members, and the writer can be moved where the experiment moves it."""
    if not context.changes_regions():
        return
    system, name = context.system, context.system.topology.database.global_cluster
    members, synchronized = read_text(partial(_members, system)), read_text(partial(_synchronized, system))
    yield Check("database", "database.members", f"global cluster {name}", _MEMBERS, members)
    if context.steps:  # the next check decides whether that refuses the drill
        synchronized = or_warning(synchronized)
    yield Check("database", "database.synchronized", "synchronization status", _REBUILT, synchronized)
    if context.moves():
        ready = partial(_ready, system)
        yield Check("database", "database.ready", "the writer can be moved", _REBUILT, ready, quick=True)
        fix = "wait until the replica has caught up, or find out what writes so much"
        yield Check("database", "database.lag", "replication lag", fix, partial(_lag, system))
    yield from _main_table(system)


def _members(system: System) -> str:
    name, clusters = system.topology.database.global_cluster, system.topology.database.clusters
    found = aurora.global_cluster(system)
    if absent := [arn for arn in clusters.values() if arn not in found.members.values()]:
        raise CannotSee(
            f"{', '.join(absent)} is no member of {name}; of the topology's are: {by_region(found.members)}",
            code="replica-unknown",
        )
    return f"{found.status}, writer {found.writer}, members {by_region(found.members)}"


def _synchronized(system: System) -> str:
    found = aurora.global_cluster(system)
    if behind := [region for region in found.members if not found.is_synchronized(region)]:
        raise CannotSee(
            f"{by_region(found.synchronization)}: the writer cannot be moved to {', '.join(behind)}; a transition "
            "that is started all the same stops half way, with every region closed",
            code="database-not-synchronized",
        )
    return by_region({region: found.synchronization.get(region, "not reported") for region in found.members})


def _ready(system: System) -> Reading:
    found = aurora.global_cluster(system)
    for region in system.topology.region_names:
        refuse_unready(system, found, region)
    return Reading(f"{found.status}, to {' and '.join(system.topology.region_names)}")


def _lag(system: System) -> Reading:
    """Compare the lag with its limit. A missing value in CloudWatch, or a missing permission, is a warning."""
    try:
        lag_s = replica_lag_s(system, None, RPO_LAG)
    except CannotSee as error:
        return Reading("unknown", "warning", str(error), error.code)
    limit_s = MOST_LAG_S * system.topology.time_scale
    if lag_s > limit_s:
        why = f"the replica is {lag_s:g} s behind the writer, more than {limit_s:g} s: a switchover waits for it"
        return Reading(f"{lag_s:g} s", "refuse", why, code="replica-lag-high")
    return Reading(f"{lag_s:g} s")


def _main_table(system: System) -> Iterator[Check]:
    name, fix = system.topology.main_table, "allow dynamodb:DescribeTable, or correct or remove `main_table:`"
    for region in system.topology.region_names if name is not None else ():
        replicas = read_text(partial(_replicas, system, region, str(name)))
        yield Check("main_table", "database.main-table", f"{name} in {region}", fix, replicas)


def _replicas(system: System, region: str, name: str) -> str:
    found, other = main_table.replica(system, region, name), system.topology.other_region(region)
    if other not in found.others:
        raise CannotSee(f"{name} in {region} is not replicated to {other}", code="main-table-not-global")
    return f"replicated to {', '.join(found.others)}{', strongly consistent' * found.strongly_consistent}"
