"""Asking FIS itself what an experiment would hit: every target is resolved, every action skipped.

See: https://docs.aws.amazon.com/fis/latest/userguide/generate-target-preview.html
"""

import inspect
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System, fis
from chaosdrill.aws.polling import looks
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import DrillError
from chaosdrill.packet_loss import actions, isolation, plan, role, sources
from chaosdrill.packet_loss.alarms import stop_alarms
from chaosdrill.packet_loss.experiments import template_like
from chaosdrill.packet_loss.host import at_host, host_of
from chaosdrill.rehearsal.steps import Step

ENDS_WITHIN_S = 120.0


@dataclass(frozen=True)
class Preview:
    """What FIS says of the experiment that one step would start.

    :param template: the name of its template.
    :param experiment_id: of the preview; empty when there is no such template yet: the first drill makes it.
    :param targets: what it would hit.
    :param trouble: why it would hit nothing, or why FIS could not be asked; empty when all is well.
    """

    step: str
    template: str
    experiment_id: str = ""
    targets: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class _Wanted:
    """The template that a step would use, in which region; without a content while its role is not there."""

    region: str
    content: Mapping[str, Any] | None


def previews(system: System, steps: Sequence[Step]) -> list[Preview]:
    """Start a preview of each step's experiment, if its template is there, found as a drill finds it; nothing is made.

    :param steps: what else than a fault of FIS is passed over.
    :returns: what FIS says, one for each fault.
    """
    return [_preview(system, step) for step in steps if step.function in _FAULTS]


def _preview(system: System, step: Step) -> Preview:
    default, wanted_of = _FAULTS[step.function]
    given = {**_defaults(default), **step.arguments}
    nothing = Preview(step.name, str(given["template"]))
    try:
        wanted = wanted_of(system, given)
        found = template_like(system, wanted.content, wanted.region) if wanted.content else None
        return _asked(system, nothing, found, wanted.region) if found else nothing
    except (DrillError, ClientError, BotoCoreError) as error:
        return replace(nothing, trouble=f"FIS could not be asked: {error}")


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    return {name: one.default for name, one in inspect.signature(function).parameters.items()}


def _packet_loss(system: System, given: Mapping[str, Any]) -> _Wanted:
    addresses = sources.written(given["sources"])
    asked = ("traffic_type", "duration_s", "fis_duration_s", "interface", "flows_percent")
    fault = plan.asked_for(given["percent"], addresses, *(given[name] for name in asked))
    system = at_host(system, given["instance_id"], given["instance_tags"], given["region"])
    host = host_of(system, plan.DOCUMENT)
    role_arn = given["role_arn"] or role.there(system, role.NAME)
    if role_arn is None:
        return _Wanted(host.region, None)
    if addresses is None:
        fault = replace(fault, sources=sources.resolved(system, given["sources"]))
    alarms, _ = stop_alarms(system, given["stop_condition_alarms"] or [], host.region)
    content = plan.template(fault, given["template"], host.document_arn, host.arn, role_arn, alarms)
    return _Wanted(host.region, content)


def _isolation(system: System, given: Mapping[str, Any]) -> _Wanted:
    isolation.refuse_arguments(given["duration_s"], given["subnets"])
    region = region_named(system, given["region"])
    arns = isolation.subnets_of(system, region, given["subnets"])
    role_arn = given["role_arn"] or role.there(system, role.ISOLATION)
    if role_arn is None:
        return _Wanted(region, None)
    return _Wanted(region, isolation.template(arns, int(given["duration_s"]), given["template"], role_arn))


_FAULTS: Mapping[str, tuple[Callable[..., Any], Callable[[System, Mapping[str, Any]], _Wanted]]] = {
    "chaosdrill.packet_loss.actions.inject_packet_loss": (actions.inject_packet_loss, _packet_loss),
    "chaosdrill.packet_loss.actions.isolate_region": (actions.isolate_region, _isolation),
}


def _asked(system: System, nothing: Preview, template_id: str, region: str) -> Preview:
    client = system.client("fis", region)
    started = client.start_experiment(
        clientToken=str(uuid.uuid4()),
        experimentTemplateId=template_id,
        experimentOptions={"actionsMode": "skip-all"},
        tags={fis.RUN_TAG: "rehearsal", "Name": "chaosdrill"},
    )
    preview = replace(nothing, experiment_id=str(started["experiment"]["id"]))
    for _ in looks(ENDS_WITHIN_S):
        experiment = fis.experiment(system, preview.experiment_id, region)
        if not experiment.active:
            break
    if experiment.state != "completed":
        return replace(preview, trouble=f"the preview is {experiment.state}: {experiment.reason}")
    targets = tuple(_targets(client, preview.experiment_id))
    return replace(preview, targets=targets, trouble="" if targets else _NOTHING)


_NOTHING = "its targets resolve to nothing: FIS would skip the fault"


def _targets(client: Any, experiment_id: str) -> Iterator[str]:
    pages = client.get_paginator("list_experiment_resolved_targets").paginate(experimentId=experiment_id)
    for target in (target for page in pages for target in page["resolvedTargets"]):
        yield from map(str, (target.get("targetInformation") or {}).values())
