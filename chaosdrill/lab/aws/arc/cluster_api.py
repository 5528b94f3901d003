"""ARC's data plane (``route53-recovery-cluster``): five regional cluster endpoints, each of which can be impaired.

As on AWS, it can be reached only at a cluster endpoint, signed for that endpoint's region; the service's default URL is
refused.
"""

from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from chaosdrill.lab.aws.arc.state import STATE
from chaosdrill.lab.aws.errors import AwsError

PATH_PREFIX = "arc"
CONTROL_REGION = "us-west-2"  # signed for by AWS's documentation; its code samples sign for the endpoint's region


class RecoveryClusterResponse(BaseResponse):
    """Routing control states at one endpoint, to read and to change: ``/arc/<region>/<cluster>/v1``."""

    def __init__(self) -> None:
        super().__init__(service_name="route53-recovery-cluster")
        self.automated_parameter_parsing = True

    def call_action(self) -> TYPE_RESPONSE:
        """Respond, unless this is no endpoint, the region is wrong, or the endpoint is impaired."""
        problem = self._problem()
        return self.serialized(ActionResult(problem)) if problem else super().call_action()

    def _problem(self) -> AwsError | None:
        parts = self.parsed_url.path.strip("/").split("/")
        if parts[0] != PATH_PREFIX:
            text = "routing control states are reached at one of the cluster's five endpoints: give its --endpoint-url"
            return AwsError("AccessDeniedException", text)
        endpoint = parts[1]
        if endpoint in STATE.impaired:
            return AwsError("EndpointTemporarilyUnavailableException", f"the endpoint in {endpoint} is unavailable")
        if self.region not in (endpoint, CONTROL_REGION):
            text = f"Credential should be scoped to a valid region: {endpoint} or {CONTROL_REGION}, not {self.region}"
            return AwsError("AccessDeniedException", text)
        return None

    def get_routing_control_state(self) -> ActionResult:
        """GetRoutingControlState."""
        control = STATE.one(STATE.controls, self._get_param("RoutingControlArn"))
        return ActionResult(_state(control))

    def list_routing_controls(self) -> ActionResult:
        """ListRoutingControls."""
        panel = self._get_param("ControlPanelArn")
        controls = [control for control in STATE.controls.values() if panel in (None, control["ControlPanelArn"])]
        return ActionResult({"RoutingControls": [_described(control) for control in controls]})

    def update_routing_control_state(self) -> ActionResult:
        """UpdateRoutingControlState."""
        wanted = {self._get_param("RoutingControlArn"): self._get_param("RoutingControlState")}
        STATE.update(wanted, self._get_param("SafetyRulesToOverride") or ())
        return EmptyResult()

    def update_routing_control_states(self) -> ActionResult:
        """UpdateRoutingControlStates."""
        entries = self._get_param("UpdateRoutingControlStateEntries")
        wanted = {entry["RoutingControlArn"]: entry["RoutingControlState"] for entry in entries}
        STATE.update(wanted, self._get_param("SafetyRulesToOverride") or ())
        return EmptyResult()


def _state(control: dict[str, Any]) -> dict[str, Any]:
    arn = control["RoutingControlArn"]
    return {"RoutingControlArn": arn, "RoutingControlName": control["Name"], "RoutingControlState": STATE.state_of(arn)}


def _described(control: dict[str, Any]) -> dict[str, Any]:
    panel = STATE.panels[control["ControlPanelArn"]]
    named = {"ControlPanelArn": panel["ControlPanelArn"], "ControlPanelName": panel["Name"], "Owner": control["Owner"]}
    return {**named, **_state(control)}
