"""The requests that the actions of this package would send to FIS."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chaosdrill.aws import System, main_table
from chaosdrill.aws.regions import client_region, region_named
from chaosdrill.packet_loss import experiments, isolation, plan, replication_pause, sources
from chaosdrill.packet_loss.alarms import stop_alarms
from chaosdrill.packet_loss.host import at_host, host_of
from chaosdrill.packet_loss.preparation import IsolationRequest, PacketLossRequest, ReplicationPauseRequest
from chaosdrill.packet_loss.role import find_role, for_isolation, for_packet_loss, for_pause
from chaosdrill.parts.interface import PlannedCall, PlannedStep

TEMPLATE, TOKEN, EXPERIMENT = "<id of the template>", "<token of the request>", "<id of the experiment>"
_CREATE, _START, _STOP = "CreateExperimentTemplate", "StartExperiment", "StopExperiment"


def planned_calls(system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
    """List the requests of an action; only reads.

    Sources that are named by a role are resolved on the client host when the step runs: they are not known before.
    """
    if step.action == "heal_packet_loss":
        return _stops(client_region(system, step.arguments["region"]), earlier)
    region, wanted = _WANTED[step.action](system, step.arguments)
    start = PlannedCall("fis", _START, region, experiments.start_request(TEMPLATE, TOKEN))
    if found := experiments.template_like(system, wanted, region):
        return (replace(start, parameters=experiments.start_request(found, TOKEN)),)
    create = PlannedCall("fis", _CREATE, region, experiments.template_request(wanted, TOKEN))
    return (start,) if create in earlier else (create, start)


def _stops(region: str | None, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
    """Stop each experiment that earlier steps start and do not stop."""
    going_on: list[str] = []
    for call in earlier:
        if call.operation == _START:
            going_on.append(call.region)
        elif call.operation == _STOP and call.region in going_on:
            going_on.remove(call.region)
    return [PlannedCall("fis", _STOP, one, {"id": EXPERIMENT}) for one in going_on if region in (None, one)]


def _packet_loss(system: System, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    asked = PacketLossRequest(**_of(PacketLossRequest, given))
    fault = asked.checked()
    host = host_of(at_host(system, asked.instance_id, asked.instance_tags, asked.region), plan.DOCUMENT)
    alarms, _ = stop_alarms(system, asked.stop_condition_alarms or [], host.region)
    role_arn = asked.role_arn or find_role(system, for_packet_loss(host.document_arn, host.arn))
    if sources.written(asked.sources) is None:
        fault = replace(fault, sources=(f"<addresses of {asked.sources}>",))
    return host.region, plan.template(fault, asked.template, host.document_arn, host.arn, role_arn, alarms)


def _isolation(system: System, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    asked = IsolationRequest(**_of(IsolationRequest, given))
    asked.checked()
    region = region_named(system, asked.region)
    arns = isolation.subnets_of(system, region, asked.subnets)
    role_arn = asked.role_arn or find_role(system, for_isolation(system))
    return region, isolation.template(arns, int(asked.duration_s), asked.template, role_arn)


def _pause(system: System, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    asked = ReplicationPauseRequest(**_of(ReplicationPauseRequest, given))
    asked.checked()
    name, region = main_table.table_name(system, asked.table), region_named(system, asked.region)
    replica = replication_pause.pausable_replica(system, region, name)
    role_arn = asked.role_arn or find_role(system, for_pause(replica.arn))
    return region, replication_pause.template(replica.arn, int(asked.duration_s), asked.template, role_arn)


def _of(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in inspect.signature(kind).parameters}


_WANTED: Mapping[str, Callable[[System, Mapping[str, Any]], tuple[str, dict[str, Any]]]] = {
    "inject_packet_loss": _packet_loss,
    "isolate_region": _isolation,
    "pause_replication": _pause,
}
