"""The IAM documents of the roles that FIS assumes: trust, permissions, their boundary, and who may create them. Pure.

The condition keys are those that AWS documents for each action.

See: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

FIS = "fis.amazonaws.com"
NAME = "chaosdrill-packet-loss"
POLICY = "packet-loss"
ISOLATION, ISOLATION_POLICY = "chaosdrill-region-isolation", "region-isolation"
PAUSE, PAUSE_POLICY = "chaosdrill-replication-pause", "replication-pause"
BOUNDARY = "chaosdrill-boundary"
SERVICE_ROLE_PATH = f"aws-service-role/{FIS}/AWSServiceRoleForFIS"
CREATED_BY, CHAOSDRILL = "created-by", "chaosdrill"
"""The tag of resources that chaosdrill creates, which the policies of a drill require."""
_VERSION = "2012-10-17"
_LIKE = frozenset({"ArnEquals", "ArnLike", "StringEquals", "StringLike"})

Document = dict[str, Any]


def trust(partition: str, account: str) -> Document:
    """Return the trust policy of the roles: FIS may assume them, for experiments of this account only.

    :source:
        https://docs.aws.amazon.com/resilience-hub/latest/userguide/next-gen-resilience-testing-iam-single-account.html
    :source: https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    condition = {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:{partition}:fis:*:{account}:experiment/*"},
    }
    statement = {"Effect": "Allow", "Principal": {"Service": FIS}, "Action": "sts:AssumeRole", "Condition": condition}
    return {"Version": _VERSION, "Statement": [statement]}


def is_wider_than_trust(found: Any, partition: str, account: str) -> bool:
    """Return whether a trust policy allows a principal to assume the role that :func:`trust` does not, or cannot be
    read.

    Further conditions and denials only narrow it.
    """
    pattern = f"arn:{partition}:fis:*:{account}:experiment/*"
    statements = _listed(found.get("Statement", [])) if isinstance(found, Mapping) else [None]
    return not all(isinstance(one, Mapping) and _is_narrow(one, account, pattern) for one in statements)


def _is_narrow(statement: Mapping[str, Any], account: str, pattern: str) -> bool:
    if statement.get("Effect") == "Deny":
        return True
    conditions: Mapping[str, Any] = statement.get("Condition") or {}
    accounts = _listed(_value(conditions.get("StringEquals") or {}, "aws:SourceAccount"))
    arns = [value for name in _LIKE for value in _listed(_value(conditions.get(name) or {}, "aws:SourceArn")) if value]
    return (
        not {"NotPrincipal", "NotAction"} & set(statement)
        and statement.get("Principal") in ({"Service": FIS}, {"Service": [FIS]})
        and _listed(statement.get("Action")) == ["sts:AssumeRole"]
        and accounts == [account]
        and bool(arns)
        and all(fnmatch.fnmatchcase(arn, pattern) for arn in arns)
    )


def _value(pairs: Mapping[str, Any], key: str) -> Any:
    """Return the value of a condition key, whose name is not case-sensitive."""
    return next((value for name, value in pairs.items() if name.lower() == key.lower()), None)


def permissions(*arns: str) -> Document:
    """Return the permissions of the packet-loss role: to run this document on these hosts, poll it, and cancel it.

    :param arns: of the document and of the hosts.
    :source:
        https://docs.aws.amazon.com/resilience-hub/latest/userguide/next-gen-resilience-testing-iam-sa-dependency-validation.html
    """
    return {
        "Version": _VERSION,
        "Statement": [
            {"Effect": "Allow", "Action": "ssm:SendCommand", "Resource": list(arns)},
            {
                "Effect": "Allow",  # these know no resource
                "Action": ["ssm:ListCommands", "ssm:CancelCommand", "ec2:DescribeInstances", "ec2:DescribeSubnets"],
                "Resource": "*",
            },
        ],
    }


def isolation_permissions(partition: str, account: str) -> Document:
    """Return the permissions of the isolation role: to replace subnets' network ACLs by its own, and restore the old
    ones.

    :source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#disrupt-connectivity
    """
    acls, vpcs, subnets = (f"arn:{partition}:ec2:*:{account}:{kind}/*" for kind in ("network-acl", "vpc", "subnet"))
    tagged = {"StringEquals": {"aws:RequestTag/managedByFIS": "true"}}
    own = {"StringEquals": {"ec2:ResourceTag/managedByFIS": "true"}}
    tagging = {"StringEquals": {**tagged["StringEquals"], "ec2:CreateAction": "CreateNetworkAcl"}}
    reads = ["ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeNetworkAcls", "ec2:DescribeManagedPrefixLists"]
    entries = ["ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAcl"]
    return {
        "Version": _VERSION,
        "Statement": [
            {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": acls, "Condition": tagging},
            {"Effect": "Allow", "Action": "ec2:CreateNetworkAcl", "Resource": acls, "Condition": tagged},
            {"Effect": "Allow", "Action": "ec2:CreateNetworkAcl", "Resource": vpcs},
            {"Effect": "Allow", "Action": entries, "Resource": [acls, vpcs], "Condition": own},
            {"Effect": "Allow", "Action": "ec2:ReplaceNetworkAclAssociation", "Resource": [subnets, acls]},
            {"Effect": "Allow", "Action": reads, "Resource": "*"},  # these know no resource
        ],
    }


def pause_permissions(*table_arns: str) -> Document:
    """Return the permissions of the pause role: to add statements to the resource policies of the tables and of their
    streams, and remove them.

    :source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#dynamodb-actions-reference
    """
    changes = ["dynamodb:DeleteResourcePolicy", "dynamodb:GetResourcePolicy", "dynamodb:PutResourcePolicy"]
    both = [*table_arns, *(f"{arn}/stream/*" for arn in table_arns)]
    return {
        "Version": _VERSION,
        "Statement": [
            {"Effect": "Allow", "Action": "dynamodb:DescribeTable", "Resource": list(table_arns)},
            {"Effect": "Allow", "Action": changes, "Resource": both},
            {"Effect": "Allow", "Action": "tag:GetResources", "Resource": "*"},  # this action has no resource level
        ],
    }


def boundary(partition: str, account: str, document: str, main_table: str | None = None) -> Document:
    """Return the permissions boundary of chaosdrill's roles, whoever writes their policies: lose packets on the
    account's hosts, cut its subnets off, and pause the replication of the main table.

    :param document: name of the packet loss's SSM document.
    :param main_table: the only table whose replication may be paused; None: of none.
    """
    arns = f"arn:{partition}:ssm:*::document/{document}", f"arn:{partition}:ec2:*:{account}:instance/*"
    both = [*permissions(*arns)["Statement"], *isolation_permissions(partition, account)["Statement"]]
    if main_table is not None:
        both += pause_permissions(f"arn:{partition}:dynamodb:*:{account}:table/{main_table}")["Statement"]
    return {"Version": _VERSION, "Statement": both}


def boundary_arn(partition: str, account: str) -> str:
    """Return the ARN of the managed policy that bounds the roles."""
    return f"arn:{partition}:iam::{account}:policy/{BOUNDARY}"


def setup(partition: str, account: str) -> Document:
    """Return the permissions of an administrator who creates the roles: these roles only, and none without the
    boundary, which the administrator may not change.

    :source: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    roles = [f"arn:{partition}:iam::{account}:role/{name}" for name in (NAME, ISOLATION, PAUSE)]
    service_role = f"arn:{partition}:iam::{account}:role/{SERVICE_ROLE_PATH}"
    limit = boundary_arn(partition, account)
    return {
        "Version": _VERSION,
        "Statement": [
            {
                "Sid": "RolesWithinTheBoundary",
                "Effect": "Allow",
                "Action": ["iam:CreateRole", "iam:PutRolePolicy"],
                "Resource": roles,
                "Condition": {"StringEquals": {"iam:PermissionsBoundary": limit}},
            },
            {
                "Sid": "TagsOfTheRoles",
                "Effect": "Allow",
                "Action": "iam:TagRole",
                "Resource": roles,
                "Condition": {"StringEquals": {f"aws:RequestTag/{CREATED_BY}": CHAOSDRILL}},
            },
            {
                "Sid": "ServiceLinkedRoleOfFis",
                "Effect": "Allow",
                "Action": "iam:CreateServiceLinkedRole",
                "Resource": service_role,
                "Condition": {"StringEquals": {"iam:AWSServiceName": FIS}},
            },
            {
                "Sid": "ReadsOfTheRoles",
                "Effect": "Allow",
                "Action": ["iam:GetRole", "iam:GetRolePolicy"],
                "Resource": [*roles, service_role],
            },
            {"Sid": "ReadsOfTheBoundary", "Effect": "Allow", "Action": "iam:GetPolicy", "Resource": limit},
            {"Sid": "HostsByTheirTags", "Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"},
        ],
    }


def missing_from(found: Any, wanted: Mapping[str, Any]) -> list[str]:
    """Return the permissions in ``wanted`` that are not in ``found``, compared as text: a wildcard allows itself
    only.
    """
    there = set(_allowed(found))
    return [
        f"{action} on {arn}" for action, arn, condition in _allowed(wanted) if (action, arn, condition) not in there
    ]


def _allowed(document: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the allowed permissions. A statement that cannot be read allows nothing."""
    statements = _listed(document.get("Statement", [])) if isinstance(document, Mapping) else []
    for statement in (one for one in statements if isinstance(one, Mapping)):
        for action in _listed(statement.get("Action")):
            for arn in _listed(statement.get("Resource")):
                if statement.get("Effect") == "Allow":
                    yield action, arn, repr(statement.get("Condition") or {})


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
