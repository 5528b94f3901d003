"""The FIS experiment of a fault: template, start, waiting, stop."""

import functools
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill import history
from chaosdrill.aws import System, deadlines, fis
from chaosdrill.aws.ambiguous_result import change, describe_half_done
from chaosdrill.aws.polling import poll
from chaosdrill.errors import CannotSee, DrillError, TimedOut
from chaosdrill.packet_loss import in_force
from chaosdrill.packet_loss.plan import templates_equal

_CLOCKS_DIFFER = timedelta(minutes=1)  # greatest difference between this machine's clock and AWS's
TOKEN_TAG = "chaosdrill-token"
_STARTS = uuid.UUID("6b1f4e0a-6d0c-4f5e-9a52-2f7c1f0d3c11")  # namespace of the tokens of starts


def run_tag() -> str:
    """Return the tag of this run's experiments; outside a drill a fixed word."""
    return history.run_id()


def ensure_template(system: System, wanted: dict[str, Any], region: str) -> tuple[str, bool]:
    """Return the id of a template with the wanted name and content in a region, and whether it had to be created."""
    if found := template_like(system, wanted, region):
        return found, False
    half = "no fault was started; the template may have been made, and does nothing by itself"
    with describe_half_done(half):
        made = system.client("fis", region).create_experiment_template(**template_request(wanted, str(uuid.uuid4())))
    return str(made["experimentTemplate"]["id"]), True


def template_request(wanted: Mapping[str, Any], token: str) -> dict[str, Any]:
    """Return the parameters of the CreateExperimentTemplate that creates a template."""
    return {"clientToken": token, **wanted}


def template_like(system: System, wanted: Mapping[str, Any], region: str) -> str | None:
    """Find a template that chaosdrill has created: a drill's policy allows starting only templates with its tag.

    :returns: the id of one with the wanted tags and content in a region; None when there is none.
    """
    client = system.client("fis", region)
    pages = client.get_paginator("list_experiment_templates").paginate()
    named = [
        str(found["id"])
        for page in pages
        for found in page.get("experimentTemplates", [])
        if wanted["tags"].items() <= (found.get("tags") or {}).items()
    ]
    for template_id in named:
        if templates_equal(client.get_experiment_template(id=template_id)["experimentTemplate"], wanted):
            return template_id
    return None


def start(
    system: System, template_id: str, region: str, timeout_s: float, document: bool = False, kind: str = ""
) -> str:
    """Start an experiment of a region's template, tagged with the run.

    :param timeout_s: how long to wait until its fault is in force, in seconds.
    :param document: whether its fault is the document's on the client host, where its rules are then read: FIS reports
        the action as running while the document still installs its tools.
    :param kind: of the fault, for the history, if it does not affect clients.
    :returns: its id, when its fault is in force.
    :raises DrillError: when it ends instead, with FIS's reason and the output of the document's command.
    """
    with deadlines.within(timeout_s):  # a new deadline: preparations may have used up the first
        since = datetime.now(UTC) - _CLOCKS_DIFFER
        experiment_id = _started(system, template_id, region)
        of_kind = {"kind": kind} if kind else {}
        history.record(fis.STARTED, experiment=experiment_id, region=region, step=history.step(), **of_kind)
        printed = functools.partial(in_force.document_output, system, since) if document else str
        return _in_force(system, experiment_id, region, timeout_s, _has_rules if document else None, printed)


def _has_rules(system: System) -> bool:
    try:
        return bool(in_force.loss_rules(system))
    except CannotSee:
        return False  # the host may be busy installing


def _in_force(
    system: System,
    experiment_id: str,
    region: str,
    timeout_s: float,
    shows: Callable[[System], bool] | None,
    printed: Callable[[], str],
) -> str:
    """Wait until an experiment's fault is in force.

    :param shows: whether the host shows the fault; None: FIS's report is enough.
    """
    with describe_half_done(
        f"FIS experiment {experiment_id} was started, its fault may be in force: heal_packet_loss stops it"
    ):
        for experiment in poll(lambda: fis.experiment(system, experiment_id, region), timeout_s):
            if experiment.in_force and (shows is None or shows(system)):
                return experiment_id
            if not experiment.active:
                raise DrillError(
                    f"FIS experiment {experiment_id} is {experiment.state} and not running: "
                    f"{experiment.reason or 'no reason given'}: correct that, then inject again{_aside(printed())}",
                    code="fault-not-started",
                )
        said = _aside(printed())
    if experiment.in_force:
        raise TimedOut(
            f"FIS experiment {experiment_id} runs, and after {timeout_s:g} s the client host has no netem rule: no "
            "packets are lost yet: give inject_packet_loss more `timeout_s`, or fix the error that its command "
            f"printed{said}",
            code="fault-not-in-force",
        )
    raise TimedOut(
        f"FIS experiment {experiment_id} is still {experiment.state} after {timeout_s:g} s, not running{said}",
        code="fault-not-started",
    )


def _aside(text: str) -> str:
    return f"; {text}" if text else ""


def _started(system: System, template_id: str, region: str) -> str:
    """Start the experiment. The token makes a second attempt the same start; as a tag, it identifies the experiment
    when no attempt got a response.
    """
    token, ids = start_token(), list[str]()

    def ask() -> None:
        client = system.client("fis", region)
        answer = client.start_experiment(**start_request(template_id, token))
        ids.append(str(answer["experiment"]["id"]))

    def was_started() -> bool:
        ids.extend(one.id for one in own(system, region) if one.tags.get(TOKEN_TAG) == token)
        return bool(ids)

    change(f"the fault (FIS template {template_id})", ask, was_started)
    return ids[0]


def start_request(template_id: str, token: str) -> dict[str, Any]:
    """Return the parameters of the StartExperiment that starts a template's experiment in this run."""
    tags = {fis.RUN_TAG: run_tag(), TOKEN_TAG: token, "Name": "chaosdrill", **fis.CREATED_BY_US}
    return {"clientToken": token, "experimentTemplateId": template_id, "tags": tags}


def start_token() -> str:
    """Return the token of the next start: the same one until the start is known to have been carried out.

    It is derived from the run, the step, and the number of known starts of the step. FIS starts one experiment per
    token, so a step that is repeated after a lost response starts no second one. Outside a drill each token is
    different.
    """
    if (drill := history.current()) is None:
        return str(uuid.uuid4())
    step = history.step()
    known = [row for row in drill.history.events(fis.STARTED) if row.get("step") == step]
    return str(uuid.uuid5(_STARTS, json.dumps([drill.run_id, step, len(known) + 1])))


def own(system: System, region: str | None = None) -> list[fis.Experiment]:
    """Return the experiments that this run has started; outside a drill those started outside any.

    :param region: where; default: where this run has started them, and where the client host is.
    """
    return fis.of_run(system, run_tag(), region)


def stop_all(system: System, experiments: Sequence[fis.Experiment], timeout_s: float) -> list[fis.Experiment]:
    """Stop experiments, every one of them even if another cannot be stopped, and wait until they have ended.

    :returns: the experiments after their end.
    :raises DrillError: when one could not be stopped, with all errors.
    :raises TimedOut: when one has not ended after ``timeout_s`` seconds.
    """
    errors = [error for one in experiments if (error := _stop(system, one))]
    ended = _gone(system, experiments, timeout_s)
    left = [one for one in ended if one.active]
    if left and errors:
        raise DrillError("; ".join(errors), code="fault-not-stopped")
    if left:
        shown = ", ".join(f"{one.id} ({one.state})" for one in left)
        raise TimedOut(
            f"after {timeout_s:g} s these FIS experiments are not gone: {shown}: their faults may still be in force",
            code="fault-not-stopped",
        )
    return ended


def _stop(system: System, experiment: fis.Experiment) -> str:
    """Return why an experiment could not be stopped, for the caller to raise; empty when it was."""
    try:
        if experiment.state != "stopping":
            fis.stop(system, experiment)
    except (ClientError, BotoCoreError, CannotSee) as error:
        return f"experiment {experiment.id} could not be stopped: {error}"
    return ""


def _gone(system: System, experiments: Sequence[fis.Experiment], timeout_s: float) -> list[fis.Experiment]:
    with describe_half_done(f"still in force may be {', '.join(one.id for one in experiments)}"):
        for now in poll(lambda: [fis.experiment(system, one.id, one.region) for one in experiments], timeout_s):
            if not any(one.active for one in now):
                break
    return now
