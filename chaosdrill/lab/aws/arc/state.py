"""Routing controls and their states, which are global and the same at all five cluster endpoints."""

import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from chaosdrill.lab.aws.arc.rules import SafetyRule, new_rule
from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.runtime import plan

ENDPOINT_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2")
Record = dict[str, Any]


class ArcState:
    """The state of ARC: clusters, control panels, routing controls and safety rules."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.clusters: dict[str, Record] = {}
        self.panels: dict[str, Record] = {}
        self.controls: dict[str, Record] = {}
        self.rules: dict[str, SafetyRule] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.impaired: set[str] = set()
        self._states: dict[str, str] = {}

    def create_cluster(self, name: str) -> Record:
        """Create a cluster with its default control panel."""
        arn = f"{_prefix()}:cluster/{uuid.uuid4()}"
        with self._lock:
            self.clusters[arn] = _deployed(ClusterArn=arn, Name=name)
            self.create_panel("DefaultControlPanel", arn, default=True)
            return self.clusters[arn]

    def create_panel(self, name: str, cluster_arn: str, default: bool = False) -> Record:
        """Create a control panel of a cluster."""
        self.one(self.clusters, cluster_arn)
        arn = f"{_prefix()}:controlpanel/{uuid.uuid4().hex}"
        facts = {"ClusterArn": cluster_arn, "DefaultControlPanel": default, "RoutingControlCount": 0}
        self.panels[arn] = _deployed(ControlPanelArn=arn, Name=name, **facts)
        return self.panels[arn]

    def create_control(self, name: str, cluster_arn: str, panel_arn: str | None) -> Record:
        """Create a routing control, Off, in the given panel or the cluster's default one."""
        with self._lock:
            panel_arn = panel_arn or self._default_panel(cluster_arn)
            self.one(self.panels, panel_arn)["RoutingControlCount"] += 1
            arn = f"{panel_arn}/routingcontrol/{uuid.uuid4().hex[:16]}"
            self.controls[arn] = _deployed(RoutingControlArn=arn, ControlPanelArn=panel_arn, Name=name)
            self._states[arn] = "Off"
            return self.controls[arn]

    def create_rule(self, assertion: Record | None, gating: Record | None) -> SafetyRule:
        """Create a safety rule in a control panel."""
        panel_arn = (assertion or gating or {}).get("ControlPanelArn", "")
        self.one(self.panels, panel_arn)
        rule = new_rule(f"{panel_arn}/safetyrule/{uuid.uuid4().hex[:16]}", assertion, gating)
        self.rules[rule.arn] = rule
        return rule

    def one(self, table: Mapping[str, Any], arn: str) -> Any:
        """Return the record of an ARN.

        :raises AwsError: ``ResourceNotFoundException`` when ``table`` has no such ARN.
        """
        if arn not in table:
            raise AwsError("ResourceNotFoundException", f"{arn} not found", resourceId=arn, resourceType="resource")
        return table[arn]

    def state_of(self, control_arn: str) -> str:
        """Return the state of a control: ``On`` or ``Off``."""
        self.one(self.controls, control_arn)
        return self._states[control_arn]

    def is_on(self, control_arn: str) -> bool:
        """Return whether a control is On; an unknown one is not."""
        return self._states.get(control_arn) == "On"

    def update(self, wanted: Mapping[str, str], override: Sequence[str] = ()) -> None:
        """Change several routing controls atomically.

        :param wanted: ``On`` or ``Off`` by control ARN.
        :param override: ARNs of safety rules to override.
        :raises AwsError: when a control or state is unknown, or a safety rule refuses the change.
        """
        with self._lock:
            for arn, state in wanted.items():
                self.one(self.controls, arn)
                if state not in ("On", "Off"):
                    raise AwsError("ValidationException", f"invalid state {state!r}", reason="fieldValidationFailed")
            after = {**self._states, **wanted}
            for rule in self.rules.values():
                if rule.arn not in override and rule.refuses(set(wanted), self._states, after):
                    text = f"the change is refused by the safety rule {rule.arn}"  # the data plane has no rule names
                    raise AwsError("ConflictException", text, resourceId=rule.arn, resourceType="safety-rule")
            self._states = after

    def _default_panel(self, cluster_arn: str) -> str:
        self.one(self.clusters, cluster_arn)
        panels = self.panels.items()
        return next(arn for arn, p in panels if p["ClusterArn"] == cluster_arn and p["DefaultControlPanel"])


def _prefix() -> str:
    return f"arn:aws:route53-recovery-control::{plan().account}"


def _deployed(**facts: Any) -> Record:
    return {**facts, "Status": "DEPLOYED", "Owner": plan().account}


STATE = ArcState()
