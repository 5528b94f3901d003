"""What a request to the lab needs from IAM: actions, resources and condition keys, as AWS's reference lists them."""

from collections.abc import Mapping
from typing import Any

import pytest

from chaosdrill.lab.aws.required_permissions import Permission, SignedRequest, required_permissions

REGION, ID = "ap-northeast-1", "123456789012"
TABLE = f"arn:aws:dynamodb:{REGION}:{ID}:table/Flags"
FIS = f"arn:aws:fis:{REGION}:{ID}"
ROLE = f"arn:aws:iam::{ID}:role"
OURS, NEW = {"aws:ResourceTag/created-by": ["chaosdrill"]}, {"aws:RequestTag/created-by": ["chaosdrill"]}
TAGS = {"created-by": "chaosdrill"}


class Account:
    """One with a table, a template and a role within a boundary."""

    id = ID

    def role_arn(self, name: str) -> str:
        return f"{ROLE}/path/{name}"

    def boundary(self, role: str) -> str:
        return f"arn:aws:iam::{ID}:policy/limit" if role == "bounded" else ""

    def tags(self, arn: str) -> Mapping[str, str]:
        return TAGS if arn.endswith(("experiment-template/EXT1", "experiment/EXP1")) else {}

    def partition_key(self, region: str, table: str) -> str:
        return "PK" if (region, table) == (REGION, "Flags") else ""


def needs(service: str, operation: str, path: str = "/", /, **parameters: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """What a request needs, without the region, which each has among its condition keys."""
    found = required_permissions(SignedRequest(service, REGION, operation, parameters, path), Account())
    assert all(one.context["aws:RequestedRegion"] == [REGION] for one in found)
    return [(one.action, one.resource, _without_region(one)) for one in found]


def _without_region(one: Permission) -> dict[str, Any]:
    return {name: list(values) for name, values in one.context.items() if name != "aws:RequestedRegion"}


def item(key: str, **more: Any) -> dict[str, Any]:
    return {"TableName": "Flags", "Key": {"SK": {"S": "a"}, "PK": {"S": key}}, **more}


def test_an_item_is_known_by_its_partition_key_also_when_that_is_not_the_first_attribute() -> None:
    expected = ("dynamodb:GetItem", TABLE, {"dynamodb:LeadingKeys": ["flag"]})
    assert needs("dynamodb", "GetItem", **item("flag")) == [expected]
    new = {"TableName": "Flags", "Item": {"PK": {"S": "flag"}}}
    assert needs("dynamodb", "PutItem", **new) == [("dynamodb:PutItem", *expected[1:])]
    assert needs("dynamodb", "Query", TableName="Flags", IndexName="i") == [("dynamodb:Query", f"{TABLE}/index/i", {})]
    assert needs("dynamodb", "ListTables") == [("dynamodb:ListTables", "*", {})]


@pytest.mark.parametrize(("operation", "kind"), [("TransactWriteItems", "ConditionCheck"), ("TransactGetItems", "Get")])
def test_a_transaction_needs_the_action_of_each_of_its_items(operation: str, kind: str) -> None:
    items = [{"Update": item("a")}, {kind: item("b")}, {"Put": {"TableName": "Others", "Item": {"PK": {"S": "c"}}}}]
    within = {"dynamodb:EnclosingOperation": [operation]}
    assert needs("dynamodb", operation, TransactItems=items) == [
        ("dynamodb:UpdateItem", TABLE, {"dynamodb:LeadingKeys": ["a"], **within}),
        (f"dynamodb:{kind}Item", TABLE, {"dynamodb:LeadingKeys": ["b"], **within}),
        ("dynamodb:PutItem", TABLE.replace("Flags", "Others"), within),
    ]


def test_a_template_of_fis_needs_its_actions_its_tags_and_its_role() -> None:
    actions = {"one": {"actionId": "aws:ssm:send-command"}}
    found = needs("fis", "CreateExperimentTemplate", actions=actions, roleArn=f"{ROLE}/fis", tags=TAGS)
    assert found == [
        ("fis:CreateExperimentTemplate", f"{FIS}:experiment-template/*", NEW),
        ("fis:CreateExperimentTemplate", f"{FIS}:action/aws:ssm:send-command", NEW),
        ("fis:TagResource", f"{FIS}:experiment-template/*", NEW | OURS),
        ("iam:PassRole", f"{ROLE}/fis", {"iam:PassedToService": ["fis.amazonaws.com"]}),
    ]


def test_an_experiment_of_fis_needs_a_template_that_is_tagged_and_tags_of_its_own() -> None:
    assert needs("fis", "StartExperiment", experimentTemplateId="EXT1", tags=TAGS) == [
        ("fis:StartExperiment", f"{FIS}:experiment-template/EXT1", NEW | OURS),
        ("fis:StartExperiment", f"{FIS}:experiment/*", NEW),
        ("fis:TagResource", f"{FIS}:experiment/*", NEW | OURS),
    ]
    assert needs("fis", "StartExperiment", experimentTemplateId="EXT2") == [
        ("fis:StartExperiment", f"{FIS}:experiment-template/EXT2", {}),
        ("fis:StartExperiment", f"{FIS}:experiment/*", {}),
    ]


@pytest.mark.parametrize(
    ("operation", "path", "resource", "tags"),
    [
        ("GetExperiment", "/experiments/EXP1", f"{FIS}:experiment/EXP1", OURS),
        ("StopExperiment", "/experiments/EXP2", f"{FIS}:experiment/EXP2", {}),
        ("ListExperimentResolvedTargets", "/experiments/EXP1/resolvedTargets", f"{FIS}:experiment/EXP1", OURS),
        ("GetExperimentTemplate", "/experimentTemplates/EXT1", f"{FIS}:experiment-template/EXT1", OURS),
        ("GetSafetyLever", "/safetyLevers/default", f"{FIS}:safety-lever/default", {}),
        ("UntagResource", f"/tags/{FIS}:experiment-template/EXT1", f"{FIS}:experiment-template/EXT1", OURS),
        ("ListExperiments", "/experiments", "*", {}),
    ],
)
def test_a_resource_of_fis_stands_in_the_path(operation: str, path: str, resource: str, tags: dict[str, Any]) -> None:
    assert needs("fis", operation, path) == [(f"fis:{operation}", resource, tags)]


MACHINE, CONTROL = (
    "arn:aws:states:ap-northeast-3:1:stateMachine:m",
    "arn:aws:route53-recovery-control::1:controlpanel/p",
)
GLOBAL = f"arn:aws:rds::{ID}:global-cluster:g"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        ("sts", "GetCallerIdentity", {}, []),
        ("states", "StartExecution", {"stateMachineArn": MACHINE}, [("states:StartExecution", MACHINE)]),
        ("states", "DescribeExecution", {"executionArn": "arn:e"}, [("states:DescribeExecution", "arn:e")]),
        ("states", "ListStateMachines", {}, [("states:ListStateMachines", "*")]),
        (
            "route53-recovery-cluster",
            "UpdateRoutingControlStates",
            {
                "UpdateRoutingControlStateEntries": [
                    {"RoutingControlArn": CONTROL},
                    {"RoutingControlArn": f"{CONTROL}2"},
                ]
            },
            [("route53-recovery-cluster:UpdateRoutingControlStates", one) for one in (CONTROL, f"{CONTROL}2")],
        ),
        ("rds", "DescribeGlobalClusters", {"GlobalClusterIdentifier": "g"}, [("rds:DescribeGlobalClusters", GLOBAL)]),
        ("rds", "DescribeGlobalClusters", {}, [("rds:DescribeGlobalClusters", f"{GLOBAL[:-1]}*")]),
        (
            "rds",
            "FailoverGlobalCluster",
            {"GlobalClusterIdentifier": "g", "TargetDbClusterIdentifier": "arn:c"},
            [("rds:FailoverGlobalCluster", GLOBAL), ("rds:FailoverGlobalCluster", "arn:c")],
        ),
        ("ec2", "DescribeInstances", {}, [("ec2:DescribeInstances", "*")]),
        ("monitoring", "GetMetricData", {}, [("cloudwatch:GetMetricData", "*")]),
        (
            "ssm",
            "SendCommand",
            {"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1"]},
            [
                ("ssm:SendCommand", f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript"),
                ("ssm:SendCommand", f"arn:aws:ec2:{REGION}:{ID}:instance/i-1"),
            ],
        ),
        ("ssm", "GetCommandInvocation", {"InstanceId": "i-1"}, [("ssm:GetCommandInvocation", "*")]),
        (
            "ecs",
            "UpdateService",
            {"cluster": "c", "service": "s"},
            [("ecs:UpdateService", f"arn:aws:ecs:{REGION}:{ID}:service/c/s")],
        ),
        ("events", "DisableRule", {"Name": "r"}, [("events:DisableRule", f"arn:aws:events:{REGION}:{ID}:rule/r")]),
        ("iam", "GetRole", {"RoleName": "a"}, [("iam:GetRole", f"{ROLE}/path/a")]),
        (
            "iam",
            "SimulatePrincipalPolicy",
            {"PolicySourceArn": f"arn:aws:iam::{ID}:user/a"},
            [("iam:SimulatePrincipalPolicy", f"arn:aws:iam::{ID}:user/a")],
        ),
    ],
)
def test_a_request_needs_its_own_action_on_what_it_names(
    service: str, operation: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert [one[:2] for one in needs(service, operation, **parameters)] == expected


@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        ("HeadObject", "/bucket/a/b", ("s3:GetObject", "arn:aws:s3:::bucket/a/b")),
        ("PutObject", "/bucket/a", ("s3:PutObject", "arn:aws:s3:::bucket/a")),
        ("HeadBucket", "/bucket", ("s3:ListBucket", "arn:aws:s3:::bucket")),
    ],
)
def test_an_object_of_s3_stands_in_the_path(operation: str, path: str, expected: tuple[str, str]) -> None:
    assert [one[:2] for one in needs("s3", operation, path)] == [expected]


def test_the_boundary_of_a_role_and_the_tags_of_a_form_are_condition_keys() -> None:
    limit = {"iam:PermissionsBoundary": [f"arn:aws:iam::{ID}:policy/limit"]}
    assert needs("iam", "PutRolePolicy", RoleName="bounded") == [("iam:PutRolePolicy", f"{ROLE}/path/bounded", limit)]
    form = {"Tags.member.1.Key": "created-by", "Tags.member.1.Value": "chaosdrill"}
    assert needs("iam", "CreateRole", RoleName="a", **form) == [
        ("iam:CreateRole", f"{ROLE}/path/a", NEW),
        ("iam:TagRole", f"{ROLE}/path/a", NEW),
    ]
    (linked,) = needs("iam", "CreateServiceLinkedRole", AWSServiceName="fis.amazonaws.com")
    assert linked[1] == f"{ROLE}/aws-service-role/fis.amazonaws.com/AWSServiceRoleForFIS"
    assert linked[2] == {"iam:AWSServiceName": ["fis.amazonaws.com"]}
