"""The roles that FIS assumes, each allowed nothing but its own fault: to run the document on the client host, to cut
subnets off, or to pause the replication of a table.

An administrator creates them (``chaosdrill iam EXPERIMENT --make-roles``). A drill only finds them: it needs no
permission to change IAM, and uses no role that others could assume, too.
"""

import contextlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws import System
from chaosdrill.aws.ambiguous_result import describe_half_done
from chaosdrill.aws.fis import SERVICE_ROLE
from chaosdrill.aws.polling import pause
from chaosdrill.errors import DrillError, Refused
from chaosdrill.packet_loss import role_documents as documents
from chaosdrill.packet_loss.role_documents import Document

MAKES_IT = "chaosdrill iam EXPERIMENT --topology FILE --make-roles"
SPREADS_S = 10.0  # IAM is eventually consistent, and FIS assumes the role at once
_POLICIES: Mapping[str, str] = {  # the inline policy of each role
    documents.NAME: documents.POLICY,
    documents.ISOLATION: documents.ISOLATION_POLICY,
    documents.PAUSE: documents.PAUSE_POLICY,
}
_REMOVES_POLICY = "aws iam delete-role-policy --role-name {} --policy-name {}"


@dataclass(frozen=True)
class RoleNeeded:
    """A role as a fault needs it.

    :param policy: name of its inline policy.
    :param allows: the permissions that the fault needs, as that policy.
    """

    name: str
    policy: str
    description: str
    allows: Document


def for_packet_loss(*arns: str) -> RoleNeeded:
    """Return the role that loses packets on hosts.

    :param arns: of the document, and of the hosts.
    """
    allows = documents.permissions(*arns)
    return RoleNeeded(
        documents.NAME, documents.POLICY, "Lets FIS run chaosdrill's packet loss on the client host", allows
    )


def for_isolation(system: System) -> RoleNeeded:
    """Return the role that cuts subnets off."""
    allows = documents.isolation_permissions(partition(system), system.account())
    return RoleNeeded(
        documents.ISOLATION, documents.ISOLATION_POLICY, "Lets FIS cut subnets off for chaosdrill", allows
    )


def for_pause(*table_arns: str) -> RoleNeeded:
    """Return the role that pauses the replication of global tables."""
    allows = documents.pause_permissions(*table_arns)
    description = "Lets FIS pause the replication of a global table for chaosdrill"
    return RoleNeeded(documents.PAUSE, documents.PAUSE_POLICY, description, allows)


def partition(system: System) -> str:
    """Return the AWS partition of the system, such as aws."""
    return next(iter(system.topology.routing.controls.values())).split(":")[1]


def role_arn(system: System, name: str) -> str | None:
    """Return the ARN of the role of that name, None when it does not exist."""
    role = _read(system, name)
    return str(role["Arn"]) if role else None


def chaosdrill_roles(system: System) -> list[str]:
    """List the existing roles of faults that chaosdrill has created, by name. Their tag shows that."""
    tag = {"Key": documents.CREATED_BY, "Value": documents.CHAOSDRILL}
    found = {name: _read(system, name) for name in _POLICIES}
    return [name for name, role in found.items() if role and tag in (role.get("Tags") or [])]


def removal_by_hand(name: str) -> str:
    """Return the commands that remove a role of faults."""
    return f"{_REMOVES_POLICY.format(name, _POLICIES[name])} && aws iam delete-role --role-name {name}"


def remove_role(system: System, name: str) -> None:
    """Remove a role of faults with its inline policies. Does no harm when it is gone, or not chaosdrill's."""
    if name not in chaosdrill_roles(system):
        return
    iam = _iam(system)
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


def find_role(system: System, needed: RoleNeeded) -> str:
    """Find a role that was created beforehand; nothing is changed.

    :returns: its ARN.
    :raises Refused: when it does not exist, others than FIS for this account could assume it, or its policy does not
        allow the fault.
    """
    if (role := _read(system, needed.name)) is None:
        raise Refused(
            f"the role {needed.name} is not there: let an administrator run `{MAKES_IT}`, or give a `role_arn` of "
            "your own",
            code="role-missing",
        )
    _refuse_wider_trust(system, role)
    if lacks := documents.missing_from(_policy(system, needed), needed.allows):
        more = f" and {len(lacks) - 1} more" if len(lacks) > 1 else ""
        raise Refused(
            f"the role {needed.name} does not allow the fault: its policy {needed.policy} lacks {lacks[0]}{more}: let "
            f"an administrator run `{MAKES_IT}` for this experiment, or give a `role_arn` of your own",
            code="role-policy-differs",
        )
    return str(role["Arn"])


def make_roles(system: System, needed: Sequence[RoleNeeded]) -> dict[str, str]:
    """Create the missing roles within the permissions boundary, and the service-linked role of FIS if it is missing.

    :returns: the created resources, each with the command that removes it.
    :raises Refused: when the boundary does not exist, or a role of that name is not within it or can be assumed by
        others; nothing was created for that role.
    :raises DrillError: when AWS refuses or fails; the message says what may be half done.
    """
    system.refuse_other_accounts("CreateRole")
    made = _service_role(system)
    if needed:
        _require_boundary(system)
    for one in needed:
        made |= _ensured(system, one)
    if made:
        pause(SPREADS_S * system.topology.time_scale)
    return made


def _read(system: System, name: str) -> Mapping[str, Any] | None:
    iam = _iam(system)
    try:
        found: Mapping[str, Any] = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None
    return found


def _policy(system: System, needed: RoleNeeded) -> Any:
    iam = _iam(system)
    try:
        return iam.get_role_policy(RoleName=needed.name, PolicyName=needed.policy)["PolicyDocument"]
    except iam.exceptions.NoSuchEntityException:
        return None


def _refuse_wider_trust(system: System, role: Mapping[str, Any]) -> None:
    wanted = documents.trust(partition(system), system.account())
    if documents.is_wider_than_trust(role.get("AssumeRolePolicyDocument"), partition(system), system.account()):
        fix = f"aws iam update-assume-role-policy --role-name {role['RoleName']} --policy-document"
        raise Refused(
            f"the role {role['RoleName']} can be taken on by others than FIS for experiments of this account, so it is "
            f"not used: let an administrator run `{fix} {shlex.quote(json.dumps(wanted))}`",
            code="role-trust-wider",
        )


def _require_boundary(system: System) -> None:
    iam, arn = _iam(system), documents.boundary_arn(partition(system), system.account())
    try:
        iam.get_policy(PolicyArn=arn)
    except iam.exceptions.NoSuchEntityException as error:
        raise Refused(
            f"no role was made: the permissions boundary {arn} is not there: `chaosdrill iam EXPERIMENT --topology "
            f"FILE --policy boundary` prints it, `aws iam create-policy --policy-name {documents.BOUNDARY} "
            "--policy-document file://boundary.json` makes it",
            code="role-boundary-missing",
        ) from error


def _ensured(system: System, needed: RoleNeeded) -> dict[str, str]:
    role, iam = _read(system, needed.name), _iam(system)
    removes = _REMOVES_POLICY.format(needed.name, needed.policy)
    if role is not None:
        _refuse_wider_trust(system, role)
        _refuse_unbounded(system, role)
        if not documents.missing_from(_policy(system, needed), needed.allows):
            return {}
    document = json.dumps(needed.allows)
    with describe_half_done(f"the role {needed.name} may have been made without its policy: try again"):
        if role is None:
            _create(system, needed)
        iam.put_role_policy(RoleName=needed.name, PolicyName=needed.policy, PolicyDocument=document)
    if role is None:
        return {f"role {needed.name}": f"{removes} && aws iam delete-role --role-name {needed.name}"}
    return {f"policy {needed.policy} of the role {needed.name}": removes}


def _create(system: System, needed: RoleNeeded) -> None:
    iam, account = _iam(system), system.account()
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):  # the response to a first attempt was lost
        iam.create_role(
            RoleName=needed.name,
            AssumeRolePolicyDocument=json.dumps(documents.trust(partition(system), account)),
            Description=needed.description,
            PermissionsBoundary=documents.boundary_arn(partition(system), account),
            Tags=[{"Key": documents.CREATED_BY, "Value": documents.CHAOSDRILL}],
        )
    iam.get_waiter("role_exists").wait(RoleName=needed.name)


def _refuse_unbounded(system: System, role: Mapping[str, Any]) -> None:
    limit = documents.boundary_arn(partition(system), system.account())
    if (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn") != limit:
        raise Refused(
            f"the role {role['RoleName']} is there without the boundary {limit}, so its policy is not written: let an "
            f"administrator run `aws iam put-role-permissions-boundary --role-name {role['RoleName']} "
            f"--permissions-boundary {limit}`, or delete the role",
            code="role-boundary-missing",
        )


def _service_role(system: System) -> dict[str, str]:
    if role_arn(system, SERVICE_ROLE):
        return {}
    iam = _iam(system)
    try:
        iam.create_service_linked_role(AWSServiceName=documents.FIS)
    except iam.exceptions.InvalidInputException as error:
        if role_arn(system, SERVICE_ROLE) is None:  # otherwise another caller was faster
            raise DrillError(f"the role {SERVICE_ROLE} was not made: {error}", code="change-not-made") from error
    removes = f"aws iam delete-service-linked-role --role-name {SERVICE_ROLE}"
    return {f"role {SERVICE_ROLE}": removes}


def _iam(system: System) -> Any:
    return system.client("iam", system.topology.client.region)
