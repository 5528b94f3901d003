"""ARC's safety rules by name. Only the control plane knows names. It is in one region, and a recovery must not depend
on it: when it does not respond, a rule is named by its ARN.

See: https://docs.aws.amazon.com/r53recovery/latest/dg/route53-arc-best-practices.regional.html
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.system import System
from chaosdrill.errors import BadInput, Refused, problem

CONTROL_PLANE_REGION = "us-west-2"
_RULE = re.compile(r"arn:[a-z-]+:route53-recovery-control::[0-9]*:controlpanel/[\w-]+/safetyrule/[\w-]+")


def forbidden(system: System, states: Mapping[str, str], error: ClientError) -> Refused:
    """Return an error that names the safety rule that forbids these routing control states."""
    details: Mapping[str, Any] = dict(error.response)
    message = str(details["Error"]["Message"])
    rules = sorted(set(_RULE.findall(f"{details.get('resourceId', '')} {message}")))
    shown = ", ".join(_shown(system, rule) for rule in rules) or "one that ARC does not name"
    wanted = ", ".join(f"{region} {state}" for region, state in states.items())
    return Refused(
        f"a safety rule forbids {wanted}: {shown} (ARC says: {message}): nothing was changed; change the rule or the "
        "order of the steps, or name the rule under `override_safety_rules:` to override it",
        code="safety-rule-forbids",
    )


def arns_of(system: System, rules: Sequence[str]) -> list[str]:
    """Return the ARNs of the safety rules to override.

    :param rules: ARNs, which are used as they are, or names, which are looked up in the control plane.
    :raises BadInput: when a name is unknown or ambiguous, or the control plane does not respond.
    """
    if isinstance(rules, str):
        raise BadInput([f"override_safety_rules is {rules!r}: write a list of ARNs or names"])
    names = [rule for rule in rules if not rule.startswith("arn:")]
    fix = "write arn:...:controlpanel/.../safetyrule/..."
    problems = [
        problem("safety-rule-unknown", f"override_safety_rules: {rule!r} is no ARN of a safety rule: {fix}")
        for rule in rules
        if rule.startswith("arn:") and not _RULE.fullmatch(rule)
    ]
    known = _by_name(system) if names else {}
    for name in names:
        if len(known.get(name, ())) != 1:
            there = ", ".join(sorted(known)) or "none"
            why = (
                f"override_safety_rules: {len(known.get(name, ()))} safety rules are called {name!r}; there are: "
                f"{there}: correct the name, or write the rule's ARN"
            )
            problems.append(problem("safety-rule-unknown", why))
    if problems:
        raise BadInput(problems)
    return [rule if rule.startswith("arn:") else known[rule][0] for rule in rules]


def _by_name(system: System) -> dict[str, list[str]]:
    panels = sorted({arn.split("/routingcontrol/")[0] for arn in system.topology.routing.controls.values()})
    found: dict[str, list[str]] = {}
    try:
        for panel in panels:
            for page in _control_plane(system).get_paginator("list_safety_rules").paginate(ControlPanelArn=panel):
                for rule in map(_facts, page.get("SafetyRules", [])):
                    found.setdefault(str(rule["Name"]), []).append(str(rule["SafetyRuleArn"]))
    except (ClientError, BotoCoreError) as error:
        why = (
            "override_safety_rules: names are known to ARC's control plane only, which does not respond "
            f"({error}): write the rules' ARNs, which need no control plane"
        )
        raise BadInput([problem("safety-rules-unreadable", why)]) from error
    return found


def _shown(system: System, rule: str) -> str:
    try:
        described = _control_plane(system).describe_safety_rule(SafetyRuleArn=rule)
    except (ClientError, BotoCoreError):
        return rule
    return f"{_facts(described)['Name']} ({rule})"


def _facts(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """Extract the description of a rule, which is under a key named after its kind; lists write the kinds in
    capitals.
    """
    kinds = ("AssertionRule", "GatingRule", "ASSERTION", "GATING")
    return next(described[kind] for kind in kinds if kind in described)


def _control_plane(system: System) -> Any:
    return system.client("route53-recovery-control-config", CONTROL_PLANE_REGION)
