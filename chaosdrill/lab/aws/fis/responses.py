"""What FIS answers beyond moto: the catalogue of actions."""

import json

from moto.fis.responses import FISResponse

from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.fis.catalogue import actions


class LabFISResponse(FISResponse):
    """moto's, with ListActions and GetAction."""

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
