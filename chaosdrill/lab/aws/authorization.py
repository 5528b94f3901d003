"""Authorization of the lab user's calls by that user's IAM policies, including conditions.

The user's keys are those of the profile ``chaosdrill-lab``. Initially the user is an administrator; ``PUT
/chaosdrill/policy`` (``chaosdrill lab policy``) replaces that by one policy. Calls of the lab's own parts and of role
sessions are not authorized here.

:source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
:source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html (messages)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from moto.dynamodb.models import dynamodb_backends
from moto.fis.models import fis_backends
from moto.iam.models import Role, User, iam_backends

from chaosdrill.lab.aws import errors, policies
from chaosdrill.lab.aws.calls import LoggedRequest, parameters_of, s3_path
from chaosdrill.lab.aws.required_permissions import ANY, Permission, SignedRequest, required_permissions
from chaosdrill.lab.aws.runtime import plan

USER = "chaosdrill"
ADMINISTRATOR, DRILL = "administrator", "drill"  # names of the user's inline policy
EVERYTHING: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
FIS_ROLE = "AWSServiceRoleForFIS"
FIS_ROLE_PATH = "/aws-service-role/fis.amazonaws.com/"


def make_user() -> None:
    """Create the user with the keys of the lab's profile, as an administrator."""
    iam = _iam()
    user = iam.create_user("us-east-1", USER)
    key = user.create_access_key(prefix="AKIA")
    key.access_key_id, key.secret_access_key = plan().access.user.id, plan().access.user.secret
    restore_administrator()


def set_policy(document: Mapping[str, Any]) -> None:
    """Replace the user's policies by one."""
    lab_user().policies = {DRILL: json.dumps(document)}


def restore_administrator() -> None:
    """Make the user an administrator again."""
    lab_user().policies = {ADMINISTRATOR: json.dumps(EVERYTHING)}


def lab_user() -> User:
    """Return the user with the keys of the lab's profile."""
    found: User = _iam().users[USER]
    return found


def policies_of(principal: Role | User) -> list[Mapping[str, Any]]:
    """Return the documents of a principal's inline and attached policies."""
    attached = [
        version.document
        for policy in principal.managed_policies.values()
        for version in policy.versions
        if version.version_id == policy.default_version_id
    ]
    documents = (*principal.policies.values(), *attached)
    return [json.loads(unquote(one) if one.startswith("%") else one) for one in documents]


def permissions_of(call: LoggedRequest, environ: Mapping[str, Any]) -> tuple[Permission, ...]:
    """Return the permissions that a call needs; empty for the lab's own parts."""
    if call.by == "lab":
        return ()
    account, named = _AccountOfLab(plan().account), (call.service, call.region, call.operation)
    path = s3_path(environ) if call.service == "s3" else str(environ["PATH_INFO"])
    try:
        return required_permissions(SignedRequest(*named, parameters_of(dict(environ)), path), account)
    except (AttributeError, TypeError):  # malformed parameters, which the operation will refuse
        return required_permissions(SignedRequest(*named, {}), account)


def refused(call: LoggedRequest, environ: Mapping[str, Any]) -> errors.Answer | None:
    """Return the response to a call that the user's policies do not allow; None when they allow it."""
    if call.key != plan().access.user.id:
        return None
    try:
        text = refusal_of(*call.permissions)
    except NotImplementedError as error:
        text = f"the lab cannot evaluate the policy of the user {USER}: {error}"
        return errors.answer(call.service, dict(environ), "501 Not Implemented", errors.NOT_EMULATED, text)
    return errors.answer(call.service, dict(environ), *errors.access_denied(call.service), text) if text else None


def refusal_of(*permissions: Permission) -> str:
    """Return AWS's message about the first missing permission of the user; empty when all are allowed."""
    documents = policies_of(lab_user())
    for one in permissions:
        decision = policies.decision(documents, one.action, one.resource, one.context)
        if decision != policies.ALLOWED:
            return _words(one, decision)
    return ""


def _words(missing: Permission, decision: str) -> str:
    service, action = missing.action.partition(":")[0], missing.action
    resource = {"s3": f'"{missing.resource}"'}.get(service, missing.resource)
    on = "" if missing.resource == ANY else f" on resource: {resource}"
    why = f"because no identity-based policy allows the {action} action"
    if decision == policies.EXPLICIT_DENY:
        why = "with an explicit deny in an identity-based policy"
    text = f"User: {lab_user().arn} is not authorized to perform: {action}{on} {why}"
    return f"You are not authorized to perform this operation. {text}" if service == "ec2" else text


@dataclass(frozen=True)
class _AccountOfLab:
    """The account's resources in moto."""

    id: str

    def role_arn(self, name: str) -> str:
        role = self._role(name)
        path = FIS_ROLE_PATH if name == FIS_ROLE else "/"
        return str(role.arn) if role else f"arn:aws:iam::{self.id}:role{path}{name}"

    def boundary(self, role: str) -> str:
        found = self._role(role)
        return str(found.permissions_boundary_arn or "") if found else ""

    def _role(self, name: str) -> Role | None:
        return next((role for role in list(_iam().roles.values()) if role.name == name), None)

    def tags(self, arn: str) -> Mapping[str, str]:
        region = arn.split(":")[3] if arn.count(":") > 3 else ""
        if not region:
            return {}
        found: Mapping[str, str] = fis_backends[self.id][region].tagger.get_tag_dict_for_resource(arn)
        return found

    def partition_key(self, region: str, table: str) -> str:
        found = dynamodb_backends[self.id][region].tables.get(table.rpartition("/")[2])
        return str(found.hash_key_attr) if found else ""


def _iam() -> Any:
    return iam_backends[plan().account]["aws"]
