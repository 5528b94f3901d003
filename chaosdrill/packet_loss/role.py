"""The roles that FIS takes on, each allowed nothing but its own fault: to run the document on the client host, or to
cut subnets off.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.aws import System
from chaosdrill.aws.doubt import left_behind
from chaosdrill.aws.polling import pause

NAME = "chaosdrill-packet-loss"
POLICY = "packet-loss"
ISOLATION = "chaosdrill-region-isolation"
_MADE, _REPLACED = "made", "replaced"
SPREADS_S = 10.0  # IAM is eventually consistent, and FIS takes the role on at once


@dataclass(frozen=True)
class _Role:
    name: str
    policy: str
    description: str


_PACKET_LOSS = _Role(NAME, POLICY, "Lets FIS run chaosdrill's packet loss on the client host")
_ISOLATION = _Role(ISOLATION, "region-isolation", "Lets FIS cut subnets off for chaosdrill")


@dataclass(frozen=True)
class Ensured:
    """A role that is there, and what was made of it, with the command that removes that, or what to do instead."""

    arn: str
    made: Mapping[str, str] = field(default_factory=dict)


def ensure_role(system: System, document_arn: str, host_arn: str) -> Ensured:
    """:returns: the role, created if it is missing and given exactly what the fault needs.

    :source: https://docs.aws.amazon.com/fis/latest/userguide/getting-started-iam-service-role.html
    """
    return _ensure(system, _PACKET_LOSS, permissions(document_arn, host_arn))


def ensure_isolation_role(system: System) -> Ensured:
    """:returns: the role that may cut subnets off, created if it is missing."""
    partition = next(iter(system.topology.routing.controls.values())).split(":")[1]
    return _ensure(system, _ISOLATION, isolation_permissions(partition, system.account()))


def there(system: System, name: str) -> str | None:
    """:returns: the ARN of the role of that name, None when it was not made yet."""
    iam = system.client("iam", system.topology.client.region)
    try:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])
    except iam.exceptions.NoSuchEntityException:
        return None


def _ensure(system: System, wanted: _Role, policy: dict[str, Any]) -> Ensured:
    iam, is_new = system.client("iam", system.topology.client.region), False
    with left_behind(f"no fault was started; the role {wanted.name} may have been made without its policy: try again"):
        try:
            role = iam.get_role(RoleName=wanted.name)["Role"]
        except iam.exceptions.NoSuchEntityException:
            role, is_new = _made_role(iam, system.account(), wanted), True
        changed = _ensure_policy(iam, wanted, policy)
    if changed:
        pause(SPREADS_S * system.topology.time_scale)
    return Ensured(str(role["Arn"]), _made(wanted, is_new, changed))


def _made(role: _Role, is_new: bool, changed: str) -> dict[str, str]:
    no_policy = f"aws iam delete-role-policy --role-name {role.name} --policy-name {role.policy}"
    named = f"policy {role.policy} of the role {role.name}"
    if is_new:
        return {f"role {role.name}": f"{no_policy} && aws iam delete-role --role-name {role.name}"}
    if changed == _REPLACED:
        return {f"{named}, instead of one for another host": "leave it: whoever needs another one writes that"}
    return {named: no_policy} if changed else {}


def _made_role(iam: Any, account: str, wanted: _Role) -> Any:
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):  # the answer to a first try was lost
        iam.create_role(
            RoleName=wanted.name,
            AssumeRolePolicyDocument=json.dumps(trust(account)),
            Description=wanted.description,
            Tags=[{"Key": "created-by", "Value": "chaosdrill"}],
        )
    iam.get_waiter("role_exists").wait(RoleName=wanted.name)
    return iam.get_role(RoleName=wanted.name)["Role"]


def _ensure_policy(iam: Any, role: _Role, wanted: dict[str, Any]) -> str:
    """:returns: whether it had to be written: ``made``, ``replaced``, or empty."""
    done = _REPLACED
    try:
        if iam.get_role_policy(RoleName=role.name, PolicyName=role.policy)["PolicyDocument"] == wanted:
            return ""
    except iam.exceptions.NoSuchEntityException:
        done = _MADE  # the role is new
    iam.put_role_policy(RoleName=role.name, PolicyName=role.policy, PolicyDocument=json.dumps(wanted))
    return done


def trust(account: str) -> dict[str, Any]:
    """:returns: who may take the role: FIS, for experiments of this account only."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "fis.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            }
        ],
    }


def permissions(document_arn: str, host_arn: str) -> dict[str, Any]:
    """:returns: what the role may do: run this document on this host, follow it, cancel it.

    :source: https://docs.aws.amazon.com/resilience-hub/latest/userguide/next-gen-resilience-testing-iam-sa-dependency-validation.html
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "ssm:SendCommand", "Resource": [document_arn, host_arn]},
            {
                "Effect": "Allow",  # these know no resource
                "Action": ["ssm:ListCommands", "ssm:CancelCommand", "ec2:DescribeInstances", "ec2:DescribeSubnets"],
                "Resource": "*",
            },
        ],
    }


def isolation_permissions(partition: str, account: str) -> dict[str, Any]:
    """:returns: what the role may do: replace subnets' network ACLs by its own, and put the old ones back.

    :source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#disrupt-connectivity
    """
    acls, vpcs, subnets = (f"arn:{partition}:ec2:*:{account}:{kind}/*" for kind in ("network-acl", "vpc", "subnet"))
    tagged = {"StringEquals": {"aws:RequestTag/managedByFIS": "true"}}
    own = {"StringEquals": {"ec2:ResourceTag/managedByFIS": "true"}}
    tagging = {"StringEquals": {**tagged["StringEquals"], "ec2:CreateAction": "CreateNetworkAcl"}}
    reads = ["ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeNetworkAcls", "ec2:DescribeManagedPrefixLists"]
    entries = ["ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAcl"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": acls, "Condition": tagging},
            {"Effect": "Allow", "Action": "ec2:CreateNetworkAcl", "Resource": acls, "Condition": tagged},
            {"Effect": "Allow", "Action": "ec2:CreateNetworkAcl", "Resource": vpcs},
            {"Effect": "Allow", "Action": entries, "Resource": [acls, vpcs], "Condition": own},
            {"Effect": "Allow", "Action": "ec2:ReplaceNetworkAclAssociation", "Resource": [subnets, acls]},
            {"Effect": "Allow", "Action": reads, "Resource": "*"},  # these know no resource
        ],
    }
