"""FIS experiments: those that run on a resource, those of a run, and the state of each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chaosdrill import history
from chaosdrill.aws.responses import answered
from chaosdrill.aws.system import System

RUN_TAG = "chaosdrill-run"
PREVIEW = "rehearsal"  # value of the run tag of a preview, which skips all actions
CREATED_BY_US = {"created-by": "chaosdrill"}
"""The tag of templates and experiments, without which the policy of a drill allows neither starting nor stopping
them.
"""
STARTED = "fault-started"  # event in the run's history
FAULT_DOCUMENT = ":document/AWSFIS-Run-"
ISOLATION = "aws:network:disrupt-connectivity"
PAUSE = "aws:dynamodb:global-table-pause-replication"
SERVICE_ROLE = "AWSServiceRoleForFIS"
"""The service-linked role that the first experiment of an account creates."""
ACTIVE = ("pending", "initiating", "running", "stopping")


@dataclass(frozen=True)
class Experiment:
    """An experiment as FIS reports it.

    :param region: where it runs.
    :param faults_on: the hosts (ARN) on which it runs an AWSFIS-Run document, the subnets (ARN) that it cuts off, and
        the tables (ARN) whose replication it pauses.
    :param actions: the state of each of its actions; a summary has neither this nor ``faults_on``.
    """

    id: str
    state: str
    reason: str
    tags: Mapping[str, str]
    region: str = ""
    created: datetime | None = None
    faults_on: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    @property
    def in_force(self) -> bool:
        """Whether its actions run. FIS reports the experiment itself as running before they do."""
        return self.state == "running" and bool(self.actions) and set(self.actions) == {"running"}

    @property
    def active(self) -> bool:
        """Whether its fault is in force or still can be."""
        return self.state in ACTIVE


def summaries(system: System, region: str) -> list[Experiment]:
    """List every experiment of a region, without ``faults_on`` and ``actions``."""
    pages = system.client("fis", region).get_paginator("list_experiments").paginate()
    return [parsed(summary, region) for page in pages for summary in page.get("experiments", [])]


def experiment(system: System, experiment_id: str, region: str | None = None) -> Experiment:
    """Read an experiment, with ``faults_on`` and ``actions``.

    :param region: where it runs; default: where the client host is.
    """
    region = region or system.topology.client.region
    return parsed(system.client("fis", region).get_experiment(id=experiment_id)["experiment"], region)


def safety_lever(system: System, region: str) -> tuple[str, str]:
    """Read the region's safety lever: its state (``disengaged``, ``engaged``, ``engaging``) and its reason.

    :raises ClientError: when it cannot be read.
    :source: https://docs.aws.amazon.com/fis/latest/userguide/safety-lever.html
    """
    state = system.client("fis", region).get_safety_lever(id="default")["safetyLever"]["state"]
    return str(state["status"]), str(state.get("reason") or "")


def recorded(system: System, experiment_id: str, region: str) -> dict[str, Any]:
    """Read FIS's own record of an experiment and of the template that it was started from.

    :returns: the responses by call, ``GetExperiment`` and ``GetExperimentTemplate``, and the ``request_ids`` of both.
        For a template that no longer exists, ``without_template`` has the error: the experiment lists everything that
        it did.
    """
    client = system.client("fis", region)
    experiment = answered(client.get_experiment(id=experiment_id))
    found = {"GetExperiment": experiment.answer, "request_ids": [experiment.request_id]}
    try:
        template = answered(client.get_experiment_template(id=experiment.answer["experiment"]["experimentTemplateId"]))
    except client.exceptions.ResourceNotFoundException as error:
        return {**found, "without_template": str(error)}
    return {
        **found,
        "GetExperimentTemplate": template.answer,
        "request_ids": [experiment.request_id, template.request_id],
    }


def of_run(system: System, run_id: str, region: str | None = None) -> list[Experiment]:
    """List the experiments that a run has started, by tag, oldest first.

    :param region: where to search; default: where the client host is, and wherever the open drill has started one.
    """
    regions = [region] if region else _regions_of_run(system)
    own = [found for one in regions for found in summaries(system, one) if found.tags.get(RUN_TAG) == run_id]
    return sorted(own, key=lambda found: found.created.timestamp() if found.created else 0.0)


def _regions_of_run(system: System) -> list[str]:
    drill = history.current()
    told = [row.get("region") for row in drill.history.events(STARTED)] if drill else []
    return list(dict.fromkeys(region for region in (system.topology.client.region, *told) if region))


def with_fault_on(system: System, region: str, arns: Collection[str]) -> list[Experiment]:
    """List a region's active experiments with a fault on one of these resources, no matter who started them."""
    active = [experiment(system, found.id, region) for found in summaries(system, region) if found.active]
    return [found for found in active if found.active and not set(arns).isdisjoint(found.faults_on)]


def stop(system: System, one: Experiment) -> None:
    """Request that an experiment stops; it may still be stopping when this returns."""
    system.client("fis", one.region).stop_experiment(id=one.id)


def parsed(raw: Mapping[str, Any], region: str = "") -> Experiment:
    """Parse an experiment, or the summary of one, from a response of FIS in a region."""
    state = raw["state"]
    return Experiment(
        id=str(raw["id"]),
        state=str(state["status"]),
        reason=str(state.get("reason") or ""),
        tags=dict(raw.get("tags") or {}),
        region=region,
        created=raw.get("creationTime"),
        faults_on=tuple(_faults_on(raw)),
        actions=tuple(str(action["state"]["status"]) for action in (raw.get("actions") or {}).values()),
    )


def _faults_on(raw: Mapping[str, Any]) -> list[str]:
    targets = {
        str(name)
        for action in (raw.get("actions") or {}).values()
        if action.get("actionId") in (ISOLATION, PAUSE)
        or FAULT_DOCUMENT in str((action.get("parameters") or {}).get("documentArn", ""))
        for name in (action.get("targets") or {}).values()
    }
    described = raw.get("targets") or {}
    return [str(arn) for name in sorted(targets) for arn in described.get(name, {}).get("resourceArns") or []]
