"""FIS backend that validates templates and runs experiments."""

from typing import Any

import moto.fis.urls as fis_urls
from moto.fis.models import FISBackend

from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.fis import lever
from chaosdrill.lab.aws.fis.catalogue import actions
from chaosdrill.lab.aws.fis.durations import seconds
from chaosdrill.lab.aws.iam import ensure_fis_role


class LabFISBackend(FISBackend):
    """moto's backend, with experiments that begin when they are started."""

    _url_module = fis_urls

    def create_experiment_template(self, **facts: Any) -> dict[str, Any]:  # type: ignore[override]
        """CreateExperimentTemplate, which refuses a template that the lab cannot run."""
        _check(self.region_name, facts.get("targets") or {}, facts.get("actions") or {})
        return super().create_experiment_template(**facts)

    def start_experiment(self, *arguments: Any, **facts: Any) -> dict[str, Any]:
        """StartExperiment."""
        ensure_fis_role()
        before = set(self.experiments)
        started = super().start_experiment(*arguments, **facts)
        if started["id"] not in before:
            experiment: Any = self.experiments[started["id"]]
            experiment.begin()
        return started

    def get_experiment(self, id: str) -> dict[str, Any]:
        """GetExperiment, which does not change the experiment."""
        experiment: Any = self.started(id)
        shown: dict[str, Any] = experiment.to_dict(tags=self.tagger.get_tag_dict_for_resource(experiment.arn))
        return shown

    def stop_experiment(self, id: str) -> dict[str, Any]:
        """StopExperiment; repeating it has no effect."""
        self.started(id).end()
        return self.get_experiment(id)

    def move_lever(self, lever_id: str, status: str, reason: str) -> dict[str, Any]:
        """UpdateSafetyLeverState; engaging it stops every experiment of the region."""
        before = lever.lever_response(self.region_name, lever_id)["safetyLever"]["state"]["status"]
        if before == status:
            raise AwsError("ConflictException", f"The safety lever is {status} already")
        lever.move(self.region_name, status, reason)
        if status == lever.ENGAGED:
            for one in self.experiments.values():
                ending: Any = one
                ending.end()
        return lever.lever_response(self.region_name, lever_id)

    def started(self, id: str) -> Any:
        """Return the experiment itself.

        :raises AwsError: when there is none with that ID.
        """
        if id not in self.experiments:
            raise AwsError("ResourceNotFoundException", f"Experiment {id} does not exist")
        return self.experiments[id]


def _check(region: str, targets: dict[str, Any], chosen: dict[str, Any]) -> None:
    known = actions(region)
    for name, action in chosen.items():
        if action["actionId"] not in known:
            _refuse(f"action {name}: the lab cannot carry out {action['actionId']}, only {', '.join(known)}")
        given = action.get("parameters") or {}
        for parameter, described in known[action["actionId"]]["parameters"].items():
            if described["required"] and parameter not in given:
                _refuse(f"action {name}: the parameter {parameter} is required")
        seconds(given["duration"])
        wanted = action.get("targets") or {}
        for target in known[action["actionId"]]["targets"]:
            if target not in wanted:
                _refuse(f"action {name}: the target {target} is required")
        for target in wanted.values():
            if target not in targets:
                _refuse(f"action {name}: the template has no target {target}")


def _refuse(message: str) -> None:
    raise AwsError("ValidationException", message)
