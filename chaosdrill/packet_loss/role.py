"""The role that FIS takes on to run the document on the client host; nothing else is allowed to it."""

import json
from typing import Any

from chaosdrill.aws import System

NAME = "chaosdrill-packet-loss"
POLICY = "packet-loss"


def ensure_role(system: System, document_arn: str, host_arn: str) -> str:
    """:returns: the ARN of the role, created if it is missing and given exactly what the fault needs.

    :source: https://docs.aws.amazon.com/fis/latest/userguide/getting-started-iam-service-role.html
    """
    iam = system.client("iam", system.topology.client.region)
    try:
        role = iam.get_role(RoleName=NAME)["Role"]
    except iam.exceptions.NoSuchEntityException:
        role = iam.create_role(
            RoleName=NAME,
            AssumeRolePolicyDocument=json.dumps(trust(system.account())),
            Description="Lets FIS run chaosdrill's packet loss on the client host",
            Tags=[{"Key": "created-by", "Value": "chaosdrill"}],
        )["Role"]
        iam.get_waiter("role_exists").wait(RoleName=NAME)
    _ensure_policy(iam, permissions(document_arn, host_arn))
    return str(role["Arn"])


def _ensure_policy(iam: Any, wanted: dict[str, Any]) -> None:
    try:
        if iam.get_role_policy(RoleName=NAME, PolicyName=POLICY)["PolicyDocument"] == wanted:
            return
    except iam.exceptions.NoSuchEntityException:
        pass  # the role is new
    iam.put_role_policy(RoleName=NAME, PolicyName=POLICY, PolicyDocument=json.dumps(wanted))


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
    """:returns: what the role may do: run this document on this host, follow it, cancel it."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "ssm:SendCommand", "Resource": [document_arn, host_arn]},
            {
                "Effect": "Allow",  # these know no resource
                "Action": ["ssm:ListCommands", "ssm:CancelCommand", "ec2:DescribeInstances"],
                "Resource": "*",
            },
        ],
    }
