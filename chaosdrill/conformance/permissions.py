"""What the caller and the experiment's role may do, as IAM's policy simulator says.

See: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html. Service control policies and
the policies of resources are not simulated.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from chaosdrill.aws import System
from chaosdrill.conformance.assumptions import Assumption, Observed
from chaosdrill.packet_loss import role, role_documents
from chaosdrill.packet_loss.host import host_of
from chaosdrill.packet_loss.plan import DOCUMENT

MOST_SHOWN = 8


def assumptions(system: System, policy: str) -> Iterator[Assumption]:
    """:param policy: the policy of the experiment, filled in, as JSON.
    :returns: what is assumed of permissions.
    """
    advice = (
        "attach the policy that `chaosdrill iam` prints; if it could not be read, allow "
        "iam:SimulatePrincipalPolicy and iam:GetRole"
    )
    yield Assumption(
        "permissions of these credentials",
        "every action of the printed policy is allowed",
        partial(_of_caller, system, json.loads(policy)),
        advice,
    )
    yield Assumption(
        f"permissions of the role {role_documents.NAME}",
        "if it exists, it allows what FIS needs",
        partial(_of_role, system),
        f"let an administrator run `{role.MAKES_IT}`, or allow what is denied",
    )


def _of_caller(system: System, policy: Mapping[str, Any]) -> Observed:
    return _simulated(system, _principal(system), policy)


def _principal(system: System) -> str:
    """The ARN that policies are attached to: of an assumed role's session, the role, whose path only IAM knows."""
    arn = str(system.client("sts", system.topology.client.region).get_caller_identity()["Arn"])
    if ":assumed-role/" not in arn:
        return arn
    name = arn.split(":assumed-role/")[1].split("/")[0]
    return str(_iam(system).get_role(RoleName=name)["Role"]["Arn"])


def _of_role(system: System) -> Observed:
    arn = role.there(system, role_documents.NAME)
    if arn is None:
        return Observed(f"does not exist yet: `{role.MAKES_IT}` creates it", True)
    host = host_of(system, DOCUMENT)
    return _simulated(system, arn, role.for_packet_loss(host.document_arn, host.arn).allows)


def _simulated(system: System, principal: str, policy: Mapping[str, Any]) -> Observed:
    count, denied = 0, []
    for statement in policy["Statement"]:
        for result in _results(system, principal, statement):
            count += 1
            if result["EvalDecision"] != "allowed":
                denied.append(f"{result['EvalActionName']} on {result.get('EvalResourceName', '*')}")
    if not denied:
        return Observed(f"{principal}: {count} allowed", True)
    more = f" and {len(denied) - MOST_SHOWN} more" if len(denied) > MOST_SHOWN else ""
    return Observed(f"{principal}: denied: {', '.join(denied[:MOST_SHOWN])}{more}", False)


def _results(system: System, principal: str, statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    pages = _iam(system).get_paginator("simulate_principal_policy")
    asked = {
        "PolicySourceArn": principal,
        "ActionNames": _listed(statement["Action"]),
        "ResourceArns": _listed(statement["Resource"]),
        "ContextEntries": [
            {"ContextKeyName": key, "ContextKeyValues": _listed(values)[:1], "ContextKeyType": _type(operator)}
            for operator, conditions in statement.get("Condition", {}).items()
            for key, values in conditions.items()
            if operator != "Null"  # which asks whether there is a value: another condition gives it
        ],
    }
    for page in pages.paginate(**asked):
        yield from page.get("EvaluationResults", ())


def _type(operator: str) -> str:
    return "stringList" if operator.startswith("ForA") else "string"


def _iam(system: System) -> Any:
    return system.client("iam", system.topology.client.region)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
