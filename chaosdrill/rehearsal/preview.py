"""Asking FIS itself what an experiment would hit: every target is resolved, every action skipped.

See: https://docs.aws.amazon.com/fis/latest/userguide/generate-target-preview.html
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from chaosdrill.aws import System, fis
from chaosdrill.aws.polling import looks
from chaosdrill.rehearsal.steps import Step

INJECT = "chaosdrill.packet_loss.actions.inject_packet_loss"
ENDS_WITHIN_S = 120.0


@dataclass(frozen=True)
class Preview:
    """What FIS says of one template.

    :param experiment_id: of the preview; empty when there is no template yet.
    :param targets: what it would hit.
    :param trouble: why it would hit nothing; empty when all is well.
    """

    template: str
    experiment_id: str = ""
    targets: tuple[str, ...] = ()
    trouble: str = ""


def previews(system: System, steps: Sequence[Step]) -> list[Preview]:
    """Start a preview of each experiment template that the steps would use and that is there already; nothing is made.

    :returns: what FIS says; a template that the drill would have to make has neither targets nor trouble.
    """
    names = dict.fromkeys(
        str(step.arguments.get("template", "exp-packetloss")) for step in steps if step.function == INJECT
    )
    return [_preview(system, name) for name in names]


def _preview(system: System, name: str) -> Preview:
    region = system.topology.client.region
    client = system.client("fis", region)
    pages = client.get_paginator("list_experiment_templates").paginate()
    found = [
        one["id"]
        for page in pages
        for one in page["experimentTemplates"]
        if (one.get("tags") or {}).get("Name") == name
    ]
    if not found:
        return Preview(name)
    started = client.start_experiment(
        clientToken=str(uuid.uuid4()),
        experimentTemplateId=found[-1],
        experimentOptions={"actionsMode": "skip-all"},
        tags={fis.RUN_TAG: "rehearsal", "Name": "chaosdrill"},
    )
    experiment_id = str(started["experiment"]["id"])
    for _ in looks(ENDS_WITHIN_S):
        experiment = fis.experiment(system, experiment_id, region)
        if not experiment.active:
            break
    if experiment.state != "completed":
        return Preview(name, experiment_id, (), f"the preview is {experiment.state}: {experiment.reason}")
    answer = client.list_experiment_resolved_targets(experimentId=experiment_id)
    targets = tuple(
        str(value) for target in answer["resolvedTargets"] for value in (target.get("targetInformation") or {}).values()
    )
    trouble = "" if targets else "its targets resolve to nothing: FIS would skip the fault"
    return Preview(name, experiment_id, targets, trouble)
