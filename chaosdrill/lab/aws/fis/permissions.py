"""Permissions that an experiment's role needs for each of the lab's actions.

:source: https://docs.aws.amazon.com/resilience-hub/latest/userguide/next-gen-resilience-testing-iam-sa-dependency-validation.html
    (the network documents: ec2:DescribeInstances and ec2:DescribeSubnets)
:source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#disrupt-connectivity
:source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#dynamodb-actions-reference
"""

SEND = ("ssm:SendCommand",)  # on the document and on each host
COMMANDS = ("ssm:ListCommands", "ssm:CancelCommand", "ec2:DescribeInstances", "ec2:DescribeSubnets")
ISOLATION = (
    "ec2:CreateNetworkAcl",
    "ec2:CreateNetworkAclEntry",
    "ec2:CreateTags",
    "ec2:DeleteNetworkAcl",
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:ReplaceNetworkAclAssociation",
)
PAUSE = (
    "dynamodb:DeleteResourcePolicy",
    "dynamodb:GetResourcePolicy",
    "dynamodb:PutResourcePolicy",
)  # on table and stream
TABLES = ("dynamodb:DescribeTable",)
TAGS = ("tag:GetResources",)
