"""Previews of FIS experiments: FIS resolves every target and skips every action.

:source: https://docs.aws.amazon.com/fis/latest/userguide/generate-target-preview.html
"""

import inspect
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System, fis, main_table
from chaosdrill.aws.polling import poll_times
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import BadInput, DrillError, prefixed
from chaosdrill.packet_loss import actions, isolation, plan, replication_pause, role, sources
from chaosdrill.packet_loss.alarms import stop_alarms
from chaosdrill.packet_loss.experiments import template_like
from chaosdrill.packet_loss.host import at_host, host_of
from chaosdrill.packet_loss.preparation import (
    IsolationRequest,
    PacketLossRequest,
    Prepared,
    ReplicationPauseRequest,
    packet_loss,
    paused_replication,
    region_isolation,
)
from chaosdrill.rehearsal.steps import ExperimentActivity

ENDS_WITHIN_S = 120.0


@dataclass(frozen=True)
class Preview:
    """The preview of the experiment that one step would start.

    :param template: the name of its template.
    :param experiment_id: the id of the preview; empty when the template does not exist yet: the first drill creates it.
    :param targets: the resolved targets.
    :param trouble: why there are no targets, or why the preview failed; empty when all is well.
    :param codes: the codes of the error that made the preview fail; empty when it did not.
    :param made: the resources created for the preview, each with the command that removes it.
    """

    step: str
    template: str
    experiment_id: str = ""
    targets: tuple[str, ...] = ()
    trouble: str = ""
    codes: tuple[str, ...] = ()
    made: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Wanted:
    """The template that a step would use, and its region."""

    region: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class _Fault:
    """The handling of a step that starts a FIS experiment.

    :param action: its function, whose defaults apply to arguments that the step leaves out.
    :param kind: the type of its request.
    :param wanted: returns the template that it would use; creates nothing.
    :param prepared: creates that template, as far as it is missing.
    """

    action: Callable[..., Any]
    kind: type[Any]
    wanted: Callable[[System, Any], _Wanted]
    prepared: Callable[[System, Any], Prepared]

    def asked(self, step: ExperimentActivity) -> Any:
        """Return the request of a step."""
        defaults = {name: one.default for name, one in inspect.signature(self.action).parameters.items()}
        given = {**defaults, **step.arguments}
        return self.kind(**{one.name: given[one.name] for one in fields(self.kind)})


def previews(system: System, steps: Sequence[ExperimentActivity], make: bool = False) -> list[Preview]:
    """Start a preview of each step's experiment, if its template exists, found as a drill finds it.

    :param steps: the steps; those without a fault of FIS are skipped.
    :param make: create a missing template, as the drill would; otherwise nothing is created.
    :returns: a preview for each fault.
    """
    return [_preview(system, step, make) for step in steps if step.function in _FAULTS]


def refuse_to_make(system: System, steps: Sequence[ExperimentActivity]) -> None:
    """Check, before anything is created for previews of these steps, whether it may be.

    :raises BadInput: with every problem in the arguments of all faults.
    :raises Refused: when the topology does not allow the account.
    """
    faults = [step for step in steps if step.function in _FAULTS]
    problems = []
    for step in faults:
        try:
            _FAULTS[step.function].asked(step).checked()
        except BadInput as error:
            problems += [prefixed(step.name, one) for one in error.problems]
    if problems:
        raise BadInput(problems)
    if faults:
        system.refuse_other_accounts("CreateExperimentTemplate")


def _preview(system: System, step: ExperimentActivity, make: bool) -> Preview:
    fault = _FAULTS[step.function]
    asked = fault.asked(step)
    seen = Preview(step.name, str(asked.template))
    try:
        wanted = fault.wanted(system, asked)
        region, found = wanted.region, template_like(system, wanted.content, wanted.region)
        if found is None and make:
            there = fault.prepared(system, asked)
            region, found, seen = there.region, there.template_id, replace(seen, made=there.made)
        return _asked(system, seen, found, region) if found else seen
    except (DrillError, ClientError, BotoCoreError) as error:
        codes = error.codes if isinstance(error, DrillError) else ("aws-request-failed",)
        return replace(seen, trouble=f"FIS could not be called: {error}", codes=codes)


def _packet_loss(system: System, asked: PacketLossRequest) -> _Wanted:
    fault = asked.checked()
    system = at_host(system, asked.instance_id, asked.instance_tags, asked.region)
    host = host_of(system, plan.DOCUMENT)
    role_arn = asked.role_arn or role.find_role(system, role.for_packet_loss(host.document_arn, host.arn))
    if sources.written(asked.sources) is None:
        fault = replace(fault, sources=sources.resolved(system, asked.sources))
    alarms, _ = stop_alarms(system, asked.stop_condition_alarms or [], host.region)
    content = plan.template(fault, asked.template, host.document_arn, host.arn, role_arn, alarms)
    return _Wanted(host.region, content)


def _isolation(system: System, asked: IsolationRequest) -> _Wanted:
    asked.checked()
    region = region_named(system, asked.region)
    arns = isolation.subnets_of(system, region, asked.subnets)
    role_arn = asked.role_arn or role.find_role(system, role.for_isolation(system))
    return _Wanted(region, isolation.template(arns, int(asked.duration_s), asked.template, role_arn))


def _pause(system: System, asked: ReplicationPauseRequest) -> _Wanted:
    asked.checked()
    name, region = main_table.table_name(system, asked.table), region_named(system, asked.region)
    replica = replication_pause.pausable_replica(system, region, name)
    role_arn = asked.role_arn or role.find_role(system, role.for_pause(replica.arn))
    return _Wanted(region, replication_pause.template(replica.arn, int(asked.duration_s), asked.template, role_arn))


_FAULTS: Mapping[str, _Fault] = {
    "chaosdrill.packet_loss.actions.inject_packet_loss": _Fault(
        actions.inject_packet_loss, PacketLossRequest, _packet_loss, lambda *asked: packet_loss(*asked)[0]
    ),
    "chaosdrill.packet_loss.actions.isolate_region": _Fault(
        actions.isolate_region, IsolationRequest, _isolation, region_isolation
    ),
    "chaosdrill.packet_loss.actions.pause_replication": _Fault(
        actions.pause_replication, ReplicationPauseRequest, _pause, paused_replication
    ),
}


def _asked(system: System, seen: Preview, template_id: str, region: str) -> Preview:
    client = system.client("fis", region)
    started = client.start_experiment(
        clientToken=str(uuid.uuid4()),
        experimentTemplateId=template_id,
        experimentOptions={"actionsMode": "skip-all"},
        tags={fis.RUN_TAG: fis.PREVIEW, "Name": "chaosdrill", **fis.CREATED_BY_US},
    )
    preview = replace(seen, experiment_id=str(started["experiment"]["id"]))
    for _ in poll_times(ENDS_WITHIN_S):
        experiment = fis.experiment(system, preview.experiment_id, region)
        if not experiment.active:
            break
    if experiment.state != "completed":
        return replace(preview, trouble=f"the preview is {experiment.state}: {experiment.reason}")
    targets = tuple(_targets(client, preview.experiment_id))
    return replace(preview, targets=targets, trouble="" if targets else _NOTHING)


_NOTHING = "its targets resolve to nothing: the experiment would fail"


def _targets(client: Any, experiment_id: str) -> Iterator[str]:
    pages = client.get_paginator("list_experiment_resolved_targets").paginate(experimentId=experiment_id)
    for target in (target for page in pages for target in page["resolvedTargets"]):
        yield from map(str, (target.get("targetInformation") or {}).values())
