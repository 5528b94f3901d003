"""ARC's safety rules for changes of routing controls.

:source: https://docs.aws.amazon.com/r53recovery/latest/dg/routing-control.safety-rules.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SafetyRule:
    """A safety rule.

    :param kind: ``ASSERTION`` (must hold after a change) or ``GATING`` (must hold before its targets may change).
    :param watched: the controls that are counted.
    :param targets: the controls whose change the rule may refuse.
    :param described: the rule as the API describes it.
    """

    arn: str
    kind: str
    watched: tuple[str, ...]
    targets: tuple[str, ...]
    described: Mapping[str, Any]

    def refuses(self, changed: set[str], before: Mapping[str, str], after: Mapping[str, str]) -> bool:
        """Return whether a change of ``changed`` violates the rule."""
        if not changed & set(self.targets):
            return False
        return not self._holds(after if self.kind == "ASSERTION" else before)

    def _holds(self, states: Mapping[str, str]) -> bool:
        config = self.described["RuleConfig"]
        on = sum(states.get(arn) == "On" for arn in self.watched)
        needed = {"ATLEAST": int(config["Threshold"]), "AND": len(self.watched), "OR": 1}[config["Type"]]
        return (on >= needed) != bool(config["Inverted"])


def new_rule(arn: str, assertion: Mapping[str, Any] | None, gating: Mapping[str, Any] | None) -> SafetyRule:
    """Create a rule from the API's request, which has either an assertion rule or a gating rule."""
    written: Mapping[str, Any] = assertion or gating or {}
    described = {**written, "SafetyRuleArn": arn, "Status": "DEPLOYED"}
    if assertion:
        watched: Sequence[str] = written["AssertedControls"]
        return SafetyRule(arn, "ASSERTION", tuple(watched), tuple(watched), described)
    return SafetyRule(arn, "GATING", tuple(written["GatingControls"]), tuple(written["TargetControls"]), described)
