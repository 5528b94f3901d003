"""IAM as far as FIS and a conformance check need it: the service-linked role, role permissions, policy simulation.

Fixes: in moto 5.2.5 FIS needs no service-linked role, the experiment role may be any text, and SimulatePrincipalPolicy
is missing. Of an experiment role's policies only actions and resources are evaluated.
"""

import fnmatch
import json
import time
from typing import Any

import moto.iam.urls as iam_urls
from flask import request
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.models import Role, User, iam_backends
from moto.iam.responses import IamResponse

from chaosdrill.lab.aws import policies
from chaosdrill.lab.aws.authorization import FIS_ROLE, FIS_ROLE_PATH, policies_of, refusal_of
from chaosdrill.lab.aws.calls import CALLS, LoggedRequest, call_of
from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.faults import FAULTS
from chaosdrill.lab.aws.required_permissions import FIS_PRINCIPAL, Permission
from chaosdrill.lab.aws.runtime import plan, strict

FIS_PERMISSIONS = "fis-permissions"


def ensure_fis_role() -> None:
    """Create the service-linked role of FIS with the caller's permission, unless it exists.

    :raises AwsError: ``AccessDeniedException``, when the caller lacks the permission.
    :source: https://docs.aws.amazon.com/fis/latest/userguide/using-service-linked-roles.html
    """
    backend = _backend()
    if not strict(FIS_PERMISSIONS) or any(role.name == FIS_ROLE for role in backend.roles.values()):
        return
    caller = call_of(request.environ)
    assert caller is not None
    named = f"{FIS_ROLE_PATH}{FIS_ROLE}".lstrip("/")
    context = {"aws:RequestedRegion": ["us-east-1"], "iam:AWSServiceName": [FIS_PRINCIPAL]}
    needed = Permission("iam:CreateServiceLinkedRole", _arn(FIS_ROLE), context)
    asked = LoggedRequest(
        "iam", "us-east-1", "CreateServiceLinkedRole", named, caller.by, caller.key, permissions=(needed,)
    )
    fault = FAULTS.take(asked)
    text = refusal_of(needed) if caller.key == plan().access.user.id else ""
    if fault:
        text = f"User is not authorized to perform: {needed.action} on resource: {needed.resource}"
    CALLS.add(asked, time.time(), 403 if text else 200, fault.kind if fault else "")
    if text:
        raise AwsError("AccessDeniedException", text)
    make_fis_role(plan().account)


def make_fis_role(account: str) -> Role:
    """Create the service-linked role of FIS, under FIS's name instead of moto's."""
    trust = {"Effect": "Allow", "Principal": {"Service": "fis.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made: Role = iam_backends[account]["aws"].create_role(FIS_ROLE, document, FIS_ROLE_PATH, None, "", [], "3600")
    return made


def refused_to_role(role_arn: str, action: str, resources: tuple[str, ...] = ("*",)) -> str:
    """Return AWS's message about an action that a role may not do; empty when it may.

    :param resources: ARNs, each of which must be allowed.
    """
    if not strict(FIS_PERMISSIONS):
        return ""
    role = next((one for one in _backend().roles.values() if one.arn == role_arn), None)
    if role is None:
        return f"The role {role_arn} cannot be assumed."
    if missing := [one for one in resources if not _allows(role, action, one)]:
        return f"{role_arn} is not authorized to perform: {action} on resource: {missing[0]}"
    return ""


def _allows(role: Role, action: str, resource: str) -> bool:
    """Return whether a role may do an action; with the resource ``*``, whether it may do it on any resource."""
    return any(
        statement["Effect"] == "Allow"
        and any(fnmatch.fnmatchcase(action, pattern) for pattern in _listed(statement["Action"]))
        and (resource == "*" or any(fnmatch.fnmatchcase(resource, one) for one in _listed(statement["Resource"])))
        for policy in policies_of(role)
        for statement in _listed(policy["Statement"])
    )


def _boundary(role: Role) -> list[dict[str, Any]]:
    """Return the policy of the role's permissions boundary; empty when it has none."""
    if not role.permissions_boundary_arn:
        return []
    policy = _backend().get_policy(role.permissions_boundary_arn)
    return [json.loads(next(one.document for one in policy.versions if one.version_id == policy.default_version_id))]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _backend() -> Any:
    return iam_backends[plan().account]["aws"]


def _arn(name: str) -> str:
    return f"arn:aws:iam::{plan().account}:role{FIS_ROLE_PATH}{name}"


class LabIamResponse(IamResponse):
    """moto's, with the policy simulator."""

    def create_service_linked_role(self) -> ActionResult:
        """CreateServiceLinkedRole, with FIS's own name."""
        if self._get_param("AWSServiceName") != "fis.amazonaws.com":
            return super().create_service_linked_role()
        if any(role.name == FIS_ROLE for role in _backend().roles.values()):
            raise ServiceException("InvalidInput", f"Service role name {FIS_ROLE} has been taken in this account")
        return ActionResult({"Role": make_fis_role(plan().account)})

    def simulate_principal_policy(self) -> ActionResult:
        """SimulatePrincipalPolicy of a role or a user; for users also with the denials of faults."""
        source = str(self._get_param("PolicySourceArn"))
        actions = self._get_param("ActionNames") or []
        resources = self._get_param("ResourceArns") or ["*"]
        context = {
            str(one["ContextKeyName"]): list(map(str, one["ContextKeyValues"]))
            for one in self._get_param("ContextEntries") or []
        }
        backend = _backend()
        principals: list[Role | User] = [*backend.roles.values(), *backend.users.values()]
        principal = next((one for one in principals if one.arn == source), None)
        if principal is None:
            raise ServiceException("NoSuchEntity", f"The entity {source} cannot be found.")
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": _decision(principal, action, resource, context),
            }
            for action in actions
            for resource in resources
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _decision(principal: Role | User, action: str, resource: str, context: policies.Context) -> str:
    found = policies.decision(policies_of(principal), action, resource, context)
    if isinstance(principal, Role):
        bound = _boundary(principal)
        within = not bound or policies.allows(bound, action, resource, context)
        return found if within or found != policies.ALLOWED else policies.IMPLICIT_DENY
    return policies.IMPLICIT_DENY if _is_denied_by_fault(action) else found


def _is_denied_by_fault(action: str) -> bool:
    service, _, operation = action.partition(":")
    return any(
        fault["kind"] == "denied"
        and fault["service"] == service
        and fault["operation"] in ("", operation)
        and fault["calls"] != 0
        for fault in FAULTS.described()
    )


def install() -> None:
    """Use it for every request."""
    iam_urls.url_paths["{0}/$"] = LabIamResponse.dispatch
