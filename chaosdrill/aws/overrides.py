"""Overrides: the same system, with the part of its topology replaced that an argument names."""

from collections.abc import Mapping
from dataclasses import replace

from chaosdrill.aws.regions import ROLES, region_named
from chaosdrill.aws.system import System
from chaosdrill.errors import BadInput, problem


def with_client_host(system: System, instance_id: str | None = None, region: str | None = None) -> System:
    """Return the system with another host for faults and commands, or with the same host in another region."""
    client = system.topology.client
    chosen = replace(client, instance_id=instance_id or client.instance_id, region=region or client.region)
    return replace(system, topology=replace(system.topology, client=chosen))


def with_flag_table(system: System, region: str, table: str | None) -> System:
    """Return the system with another table for that region's stop flag; unchanged for None."""
    if table is None:
        return system
    flag = system.topology.stop_flag
    chosen = replace(flag, tables={**flag.tables, region: table})
    return replace(system, topology=replace(system.topology, stop_flag=chosen))


def with_routing_controls(system: System, controls: Mapping[str, str] | None) -> System:
    """Return the system with other routing controls.

    :param controls: ARN by region, or by home and standby; other regions keep theirs. None: unchanged.
    :raises BadInput: with every key that is no region of the topology and every value that is no routing control.
    """
    if not controls:
        return system
    roles = {"home": system.topology.regions.home, "standby": system.topology.regions.standby}
    named = {roles.get(region, region): arn for region, arn in controls.items()}
    known = ", ".join((*system.topology.region_names, *roles))
    problems = [
        problem("region-unknown", f"routing control of {region}: not a region of the topology: write one of {known}")
        for region in named
        if region not in system.topology.region_names
    ]
    fix = "write arn:...:controlpanel/.../routingcontrol/..."
    problems += [
        problem("argument-invalid", f"routing control of {region}: {arn!r} is no ARN of one: {fix}")
        for region, arn in named.items()
        if "/routingcontrol/" not in str(arn)
    ]
    if problems:
        raise BadInput(problems)
    routing = system.topology.routing
    by_region = {region: named.get(region, arn) for region, arn in routing.controls.items()}
    return replace(system, topology=replace(system.topology, routing=replace(routing, controls=by_region)))


def with_cluster_endpoint(system: System, region: str | None) -> System:
    """Return the system with one endpoint of the ARC cluster only; unchanged for None.

    :param region: one that the cluster has an endpoint in, by name, or as home, standby, active.
    :raises BadInput: when it has none there.
    """
    if region is None:
        return system
    routing = system.topology.routing
    name = region_named(system, region) if region in ROLES else region
    chosen = tuple(one for one in routing.cluster_endpoints if one.region == name)
    if not chosen:
        known = ", ".join(one.region for one in routing.cluster_endpoints)
        why = f"region {region!r}: the ARC cluster has no endpoint there: write one of {known}"
        raise BadInput([problem("cluster-endpoint-missing", why)])
    return replace(system, topology=replace(system.topology, routing=replace(routing, cluster_endpoints=chosen)))


def with_global_cluster(system: System, name: str | None) -> System:
    """Return the system with another global cluster, whose members' ARNs give their regions; unchanged for None."""
    if name is None:
        return system
    database = replace(system.topology.database, global_cluster=name, clusters={})
    return replace(system, topology=replace(system.topology, database=database))


def with_failover_region(system: System, region: str | None) -> System:
    """Return the system with its state machines in another region; unchanged for None."""
    if region is None:
        return system
    return replace(system, topology=replace(system.topology, failover=replace(system.topology.failover, region=region)))
