"""The permissions of a principal, from IAM's policy simulator.

See: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html. Service control policies and
the policies of resources are not simulated.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chaosdrill.aws.system import System

ALLOWED_BY = "iam:SimulatePrincipalPolicy"


def principal(system: System) -> str:
    """Return the ARN that the caller's policies are attached to.

    For the session of an assumed role that is the role, whose path only IAM knows.
    """
    arn = str(system.client("sts", system.topology.client.region).get_caller_identity()["Arn"])
    if ":assumed-role/" not in arn:
        return arn
    name = arn.split(":assumed-role/")[1].split("/")[0]
    return str(_iam(system).get_role(RoleName=name)["Role"]["Arn"])


def simulated(system: System, principal_arn: str, statement: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Simulate every action of a policy statement on each of its resources, with the values of its conditions.

    :param statement: of a policy, filled in.
    :returns: how many are allowed, and those that are not, such as ``fis:StopExperiment on arn:…``.
    """
    results = list(_results(system, principal_arn, statement))
    denied = [
        f"{one['EvalActionName']} on {one.get('EvalResourceName', '*')}"
        for one in results
        if one["EvalDecision"] != "allowed"
    ]
    return len(results) - len(denied), denied


def is_statement_missing(error: Exception) -> bool:
    """Return whether AWS denied a call because no policy of the caller allows it, rather than because another policy
    denies it.

    See: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    return "no identity-based policy allows" in str(error)


def _results(system: System, principal_arn: str, statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    pages = _iam(system).get_paginator("simulate_principal_policy")
    asked = {
        "PolicySourceArn": principal_arn,
        "ActionNames": _listed(statement["Action"]),
        "ResourceArns": _listed(statement["Resource"]),
        "ContextEntries": [
            {"ContextKeyName": key, "ContextKeyValues": _listed(values)[:1], "ContextKeyType": _type(operator)}
            for operator, conditions in statement.get("Condition", {}).items()
            for key, values in conditions.items()
            if operator != "Null"  # it tests whether there is a value: another condition gives it
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
