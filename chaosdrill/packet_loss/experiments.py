"""The FIS side of the fault: template, start, waiting, stop."""

import uuid
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill import history
from chaosdrill.aws import System, fis
from chaosdrill.aws.polling import looks
from chaosdrill.errors import DrillError, TimedOut
from chaosdrill.packet_loss.host import Host
from chaosdrill.packet_loss.plan import does_the_same

STARTS_WITHIN_S = 120.0
OUTSIDE = "standalone"


def run_tag() -> str:
    """:returns: what this run's experiments are tagged with; outside a drill a word of its own."""
    drill = history.current()
    return drill.run_id if drill else OUTSIDE


def ensure_template(system: System, wanted: dict[str, Any]) -> str:
    """:returns: the id of a template with the wanted name and content; made when there is none."""
    client = system.client("fis", system.topology.client.region)
    pages = client.get_paginator("list_experiment_templates").paginate()
    named = [
        str(found["id"])
        for page in pages
        for found in page["experimentTemplates"]
        if (found.get("tags") or {}).get("Name") == wanted["tags"]["Name"]
    ]
    for template_id in named:
        if does_the_same(client.get_experiment_template(id=template_id)["experimentTemplate"], wanted):
            return template_id
    made = client.create_experiment_template(clientToken=str(uuid.uuid4()), **wanted)
    return str(made["experimentTemplate"]["id"])


def start(system: System, template_id: str, host: Host) -> str:
    """Start an experiment, tagged with the run.

    :returns: its id, when FIS says that its action runs.
    :raises DrillError: when it ends instead, with FIS's reason.
    """
    client = system.client("fis", host.region)
    answer = client.start_experiment(
        clientToken=str(uuid.uuid4()),
        experimentTemplateId=template_id,
        tags={fis.RUN_TAG: run_tag(), "Name": "chaosdrill"},
    )
    experiment_id = str(answer["experiment"]["id"])
    history.record("fault-started", experiment=experiment_id)
    for _ in looks(STARTS_WITHIN_S):
        experiment = fis.experiment(system, experiment_id)
        if experiment.in_force:
            return experiment_id
        if not experiment.active:
            raise DrillError(
                f"FIS experiment {experiment_id} is {experiment.state} and not running: "
                f"{experiment.reason or 'no reason given'}: correct that, then inject again"
            )
    raise TimedOut(
        f"FIS experiment {experiment_id} is still {experiment.state} after {STARTS_WITHIN_S:g} s, not running"
    )


def own(system: System) -> list[fis.Experiment]:
    """:returns: the experiments that this run has started; outside a drill those started outside any."""
    return fis.of_run(system, run_tag())


def stop_all(system: System, experiments: Sequence[fis.Experiment], timeout_s: float) -> list[fis.Experiment]:
    """Stop experiments, every one of them even if another cannot be, and wait until they are gone.

    :returns: how they ended.
    :raises DrillError: when one could not be stopped, with all that was seen.
    :raises TimedOut: when one is not gone after ``timeout_s`` seconds.
    """
    errors = [error for one in experiments if (error := _stop(system, one))]
    ended = _gone(system, experiments, timeout_s)
    left = [one for one in ended if one.active]
    if left and errors:
        raise DrillError("; ".join(errors))
    if left:
        shown = ", ".join(f"{one.id} ({one.state})" for one in left)
        raise TimedOut(f"after {timeout_s:g} s these FIS experiments are not gone: {shown}: packets may still be lost")
    return ended


def _stop(system: System, experiment: fis.Experiment) -> str:
    """:returns: why it could not be stopped, for the caller to raise; empty when it was."""
    try:
        if experiment.state != "stopping":
            fis.stop(system, experiment.id)
    except (ClientError, BotoCoreError) as error:
        return f"experiment {experiment.id} could not be stopped: {error}"
    return ""


def _gone(system: System, experiments: Sequence[fis.Experiment], timeout_s: float) -> list[fis.Experiment]:
    for _ in looks(timeout_s):
        now = [fis.experiment(system, one.id) for one in experiments]
        if not any(one.active for one in now):
            break
    return now
