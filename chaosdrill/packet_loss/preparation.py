"""Preparation of a FIS fault: its role, which must exist, and its experiment template, which is created if it is
missing.

A drill prepares the fault when it injects it, a rehearsal with ``--make-template`` beforehand. A template has no effect
until an experiment starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chaosdrill import history
from chaosdrill.aws import System, main_table
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import Refused
from chaosdrill.packet_loss import experiments, isolation, plan, replication_pause, sources
from chaosdrill.packet_loss.alarms import problems_of_alarms, stop_alarms
from chaosdrill.packet_loss.host import at_host, engaged_lever, host_of, problems_of_host, refuse_traps
from chaosdrill.packet_loss.role import find_role, for_isolation, for_packet_loss, for_pause


@dataclass(frozen=True)
class PacketLossRequest:
    """The arguments of ``inject_packet_loss`` as they were written."""

    percent: Any
    sources: Any
    traffic_type: str
    duration_s: Any
    template: str
    instance_id: str | None
    role_arn: str | None
    interface: str
    fis_duration_s: Any
    flows_percent: Any
    instance_tags: dict[str, str] | None
    region: str | None
    stop_condition_alarms: list[str] | None

    def checked(self) -> plan.PacketLossFault:
        """Check the arguments.

        :returns: the fault; without sources where a region is named, which is resolved later.
        :raises BadInput: with every problem of the arguments.
        """
        return plan.requested_fault(
            self.percent,
            sources.written(self.sources),
            self.traffic_type,
            self.duration_s,
            self.fis_duration_s,
            self.interface,
            self.flows_percent,
            [*problems_of_host(self.instance_id, self.instance_tags), *problems_of_alarms(self.stop_condition_alarms)],
        )


@dataclass(frozen=True)
class IsolationRequest:
    """The arguments of ``isolate_region`` as they were written."""

    region: str
    duration_s: Any
    subnets: list[str] | None
    template: str
    role_arn: str | None

    def checked(self) -> None:
        """Check the arguments.

        :raises BadInput: with every problem of the arguments.
        """
        isolation.refuse_arguments(self.duration_s, self.subnets)


@dataclass(frozen=True)
class ReplicationPauseRequest:
    """The arguments of ``pause_replication`` as they were written."""

    region: str
    duration_s: Any
    table: str | None
    template: str
    role_arn: str | None

    def checked(self) -> None:
        """Check the arguments.

        :raises BadInput: with every problem of the arguments.
        """
        replication_pause.refuse_arguments(self.duration_s)


@dataclass(frozen=True)
class Prepared:
    """The resources of a prepared fault.

    :param region: where FIS runs it.
    :param targets: the host or the subnets, by id, or the table, by name.
    :param made: resources that were missing and were created, each with the command that removes it.
    """

    region: str
    role_arn: str
    template_id: str
    targets: tuple[str, ...]
    made: Mapping[str, str]


def packet_loss(system: System, asked: PacketLossRequest) -> tuple[Prepared, plan.PacketLossFault]:
    """Find the role of a packet loss, and create its template if it is missing.

    :returns: the resources, and the fault with its sources.
    :raises BadInput: with every problem of the arguments; no request was sent.
    :raises Refused: when FIS would fail the fault or leave it behind, or the role cannot be used; nothing was created.
    :raises DrillError: when AWS refuses or fails; the message says what may be half done.
    """
    fault = asked.checked()
    system = at_host(system, asked.instance_id, asked.instance_tags, asked.region)
    host = host_of(system, plan.DOCUMENT)
    alarms, alarm_problems = stop_alarms(system, asked.stop_condition_alarms or [], host.region)
    refuse_traps(system, host, alarm_problems)
    role_arn = asked.role_arn or find_role(system, for_packet_loss(host.document_arn, host.arn))
    if sources.written(asked.sources) is None:
        fault = replace(fault, sources=sources.resolved(system, asked.sources))
    _note_undo(host.region)
    wanted = plan.template(fault, asked.template, host.document_arn, host.arn, role_arn, alarms)
    return _prepared(system, host.region, role_arn, wanted, (host.instance_id,)), fault


def region_isolation(system: System, asked: IsolationRequest) -> Prepared:
    """Find the role that isolates a region, and create its template if it is missing.

    :returns: the resources.
    :raises BadInput: with every problem of the arguments; no request was sent.
    :raises Refused: when a subnet is cut off already, the client host would be, or the role cannot be used; nothing was
        created.
    :raises DrillError: when AWS refuses or fails; the message says what may be half done.
    """
    asked.checked()
    region = region_named(system, asked.region)
    arns = isolation.subnets_of(system, region, asked.subnets)
    isolation.refuse_cut_off(system, region, arns)
    if found := engaged_lever(system, region):
        raise Refused(f"the region was not cut off: {found[0]}", problems=found)
    role_arn = asked.role_arn or find_role(system, for_isolation(system))
    _note_undo(region)
    wanted = isolation.template(arns, int(asked.duration_s), asked.template, role_arn)
    return _prepared(system, region, role_arn, wanted, tuple(arn.rsplit("/", 1)[1] for arn in arns))


def paused_replication(system: System, asked: ReplicationPauseRequest) -> Prepared:
    """Find the role that pauses the replication of the main table, and create its template if it is missing.

    :returns: the resources.
    :raises BadInput: with every problem of the arguments; no request was sent.
    :raises Refused: when it is paused already, cannot be paused, or the role cannot be used; nothing was created.
    :raises DrillError: when AWS refuses or fails; the message says what may be half done.
    """
    asked.checked()
    name, region = main_table.table_name(system, asked.table), region_named(system, asked.region)
    replica = replication_pause.pausable_replica(system, region, name)
    replication_pause.refuse_paused(system, replica)
    if found := engaged_lever(system, region):
        raise Refused(f"the replication was not paused: {found[0]}", problems=found)
    role_arn = asked.role_arn or find_role(system, for_pause(replica.arn))
    _note_undo(region)
    wanted = replication_pause.template(replica.arn, int(asked.duration_s), asked.template, role_arn)
    return _prepared(system, region, role_arn, wanted, (name,))


def _note_undo(region: str) -> None:
    """Record the undo in the run's history, if a drill is open: a rollback may come at any moment from now on."""
    history.record("undo", undo="heal_packet_loss", run_tag=experiments.run_tag(), region=region)


def _prepared(system: System, region: str, role_arn: str, wanted: dict[str, Any], targets: tuple[str, ...]) -> Prepared:
    template_id, is_new = experiments.ensure_template(system, wanted, region)
    made = {}
    if is_new:
        removed_by = f"aws fis delete-experiment-template --region {region} --id {template_id}"
        made[f"template {wanted['tags']['Name']} ({template_id}, {region})"] = removed_by
    return Prepared(region, role_arn, template_id, targets, made)
