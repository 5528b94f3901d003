"""Evaluation of IAM policies: statements, wildcards, and the usual condition operators. Pure.

See: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import fnmatch
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"  # SimulatePrincipalPolicy's words
Context = Mapping[str, Sequence[str]]
"""The values of a request's condition keys; keys that the request does not have are absent."""


def allows(policies: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context) -> bool:
    """Return whether a statement allows the action, and none denies it.

    :raises NotImplementedError: when a statement has an unsupported operator or element.
    """
    return decision(policies, action, resource, context) == ALLOWED


def decision(policies: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context) -> str:
    """Decide whether an action is allowed; a denial takes precedence.

    :returns: ``allowed``, ``explicitDeny`` or ``implicitDeny``.
    :raises NotImplementedError: when a statement has an unsupported operator or element.
    """
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in _listed(policy["Statement"])
        if _applies(statement, action, resource, context)
    }
    if "Deny" in effects:
        return EXPLICIT_DENY
    return ALLOWED if effects else IMPLICIT_DENY


def problems(document: Any) -> list[str]:
    """Check whether a policy can be evaluated here.

    :returns: its errors and its unsupported elements.
    """
    statements = _listed(document["Statement"]) if isinstance(document, Mapping) and "Statement" in document else []
    if not statements or not all(isinstance(one, Mapping) for one in statements):
        return ["the policy must be a JSON object with statements: write what `chaosdrill iam` prints"]
    return [problem for number, one in enumerate(statements, 1) for problem in _wrong(one, one.get("Sid") or number)]


def _wrong(statement: Mapping[str, Any], name: object) -> Iterable[str]:
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield f"statement {name}: Effect is {statement.get('Effect')!r}: write Allow or Deny"
    for element in ("Action", "Resource"):
        found = statement.get(element)
        if not found or not all(isinstance(one, str) for one in _listed(found)):
            yield f"statement {name}: {element} is {found!r}: write a string, or a list of strings"
    for element in sorted(set(statement) - _ELEMENTS):
        yield f"statement {name}: the lab does not evaluate {element}"
    conditions = statement.get("Condition") or {}
    if not isinstance(conditions, Mapping) or not all(isinstance(pairs, Mapping) for pairs in conditions.values()):
        yield f"statement {name}: Condition must be an object of objects"
        return
    for operator in conditions:
        if operator.rpartition(":")[2] not in (*_OPERATORS, "Null"):
            yield f"statement {name}: the lab does not evaluate the condition operator {operator}"
    if "${" in json.dumps([statement.get("Resource"), conditions]).replace("${$}", ""):
        yield f"statement {name}: the lab does not evaluate policy variables"


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    if {"NotAction", "NotResource"} & set(statement):
        raise NotImplementedError("NotAction, NotResource")
    return (
        any(_like(action.lower(), pattern.lower()) for pattern in _listed(statement["Action"]))
        and any(_like(resource, pattern) for pattern in _listed(statement["Resource"]))
        and all(
            _holds(operator, _of_key(context, key), [str(value) for value in _listed(values)])
            for operator, pairs in (statement.get("Condition") or {}).items()
            for key, values in pairs.items()
        )
    )


def _holds(operator: str, found: Sequence[str] | None, wanted: Sequence[str]) -> bool:
    """Evaluate a condition operator.

    :param found: the request's values; None when it has no such key.
    """
    quantifier, _, plain = operator.rpartition(":")
    if plain == "Null":
        return (not found) == (wanted == ["true"])
    matches = _OPERATORS.get(plain)
    if matches is None:
        raise NotImplementedError(f"condition operator {operator}")
    each = [any(matches(value, one) for one in wanted) for value in found or ()]
    if quantifier == "ForAllValues":
        return all(each)
    return any(each) if quantifier == "ForAnyValue" else bool(each) and all(each)


_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}


def _like(text: str, pattern: str) -> bool:
    """Match IAM's wildcards, which are * and ? only."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted.replace("${$}", "$"),
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
}


def _of_key(context: Context, key: str) -> Sequence[str] | None:
    """Return the values of a condition key, whose name is case-insensitive."""
    return next((values for name, values in context.items() if name.lower() == key.lower()), None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
