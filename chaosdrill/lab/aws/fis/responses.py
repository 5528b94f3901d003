"""FIS operations that moto lacks: the catalogue of actions, resolved targets and the safety lever."""

import json
from typing import Any

from moto.fis.models import fis_backends
from moto.fis.responses import FISResponse

from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.fis import lever
from chaosdrill.lab.aws.fis.catalogue import actions


class LabFISResponse(FISResponse):
    """moto's, with ListActions, GetAction, ListExperimentResolvedTargets and the safety lever."""

    def list_actions(self) -> str:
        """ListActions."""
        shown = ("id", "arn", "description", "targets", "tags")
        found = actions(self.region).values()
        return json.dumps({"actions": [{key: action[key] for key in shown} for action in found]})

    def get_action(self) -> str:
        """GetAction."""
        wanted = self._get_param("id")
        found = actions(self.region)
        if wanted not in found:
            raise AwsError("ResourceNotFoundException", f"no action {wanted}")
        return json.dumps({"action": found[wanted]})

    def get_safety_lever(self) -> str:
        """GetSafetyLever."""
        return json.dumps(lever.lever_response(self.region, self._get_param("id")))

    def update_safety_lever_state(self) -> str:
        """UpdateSafetyLeverState."""
        wanted = self._get_param("state")
        backend: Any = fis_backends[self.current_account][self.region]
        return json.dumps(backend.move_lever(self._get_param("id"), wanted["status"], wanted["reason"]))

    def list_experiment_resolved_targets(self) -> str:
        """ListExperimentResolvedTargets."""
        # the URL of GetExperiment matches, too, with the whole rest of the path as the ID
        wanted = self._get_param("id").partition("/")[0]
        backend: Any = fis_backends[self.current_account][self.region]
        experiment = backend.started(wanted)
        found = [
            {
                "resourceType": target["resourceType"],
                "targetName": name,
                "targetInformation": {"arn": arn},
            }
            for name, target in experiment.targets.items()
            for arn in target.get("resourceArns") or []
        ]
        return json.dumps({"resolvedTargets": found})
