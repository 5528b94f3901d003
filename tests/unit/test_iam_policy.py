"""The judge of the policies: what it finds, and what it lets pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.experiment_files import configuration_of
from chaosdrill.packet_loss import role_documents
from chaosdrill.policies import filled, policy_of
from chaosdrill.topology import load_topology
from tests.iam_policy import not_allowed, not_done, wanted
from tests.unit.test_topology import ATTACHED, RIGHT, written

MACHINE = "arn:aws:states:ap-northeast-3:123456789012:stateMachine:"
TABLE = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/Flags"


def call(action: str, resource: str = "*", region: str = "ap-northeast-1") -> dict[str, Any]:
    """What stands of a call in the lab's log."""
    return {"region": region, "permissions": [{"action": action, "resource": resource, "context": {}}]}


def statement(action: Any, resource: Any = "*", **condition: Any) -> str:
    one = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Statement": [one | ({"Condition": {"StringEquals": condition}} if condition else {})]})


GET, UPDATE = call("dynamodb:GetItem", TABLE), call("dynamodb:UpdateItem", TABLE)


@pytest.mark.parametrize(
    ("policy", "calls", "found"),
    [
        (statement("dynamodb:GetItem", TABLE), [GET], []),
        (statement("dynamodb:GetItem", TABLE), [{"region": "ap-northeast-1", "permissions": []}], []),
        (
            statement("dynamodb:GetItem", TABLE),
            [UPDATE],
            [f"dynamodb:UpdateItem on {TABLE} in ap-northeast-1 is not allowed"],
        ),
        (
            statement("dynamodb:GetItem", f"{TABLE}2"),
            [GET],
            [f"dynamodb:GetItem on {TABLE} in ap-northeast-1 is not allowed"],
        ),
        (
            statement(["dynamodb:GetItem", "dynamodb:UpdateItem"], TABLE),
            [GET],
            ["dynamodb:UpdateItem is allowed, and no drill did it"],
        ),
        (
            statement(["ec2:DescribeInstances"], **{"aws:RequestedRegion": ["x"]}),
            [call("ec2:DescribeInstances")],
            ["ec2:DescribeInstances on * in ap-northeast-1 is not allowed"],
        ),
        (
            statement("dynamodb:*", TABLE),
            [],
            ["dynamodb:* is a wildcard", "dynamodb:* is allowed, and no drill did it"],
        ),
    ],
)
def test_what_is_missing_and_what_is_too_much_is_found(policy: str, calls: list[Any], found: list[str]) -> None:
    asked = wanted(calls)
    assert not_allowed(policy, asked) + not_done(policy, asked) == found


def test_only_a_topology_with_a_table_allows_to_coordinate(tmp_path: Path) -> None:
    def sids(text: str) -> list[str]:
        own = filled(policy_of("failover"), load_topology(written(tmp_path, text)), configuration_of("failover"))
        return [one["Sid"] for one in json.loads(own)["Statement"] if one["Sid"] == "Coordination"]

    assert sids(RIGHT) == []
    assert sids(RIGHT + "coordination: {table: leases, region: us-west-2}\n") == ["Coordination"]


EXPERIMENTS = ["failover", "failback", "packet-loss", "auto-failover", "region-loss"]


def test_whoever_makes_the_roles_may_make_the_role_of_fis_itself() -> None:
    """The first experiment of an account makes it with the caller's permission, which a drill has not."""
    statements = role_documents.setup("aws", "123456789012")["Statement"]
    (one,) = (one for one in statements if "iam:CreateServiceLinkedRole" in one["Action"])
    assert one["Resource"].endswith(":role/aws-service-role/fis.amazonaws.com/AWSServiceRoleForFIS")
    assert one["Condition"] == {"StringEquals": {"iam:AWSServiceName": "fis.amazonaws.com"}}
    assert [name for name in EXPERIMENTS if "iam:Create" in policy_of(name)] == []


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_state_machine_that_is_named_by_its_arn_stands_in_the_policy_once(experiment: str, tmp_path: Path) -> None:
    named = RIGHT
    for prefix in ("FailoverStateMachine", "FailbackStateMachine"):
        named = named.replace(f"_prefix: {prefix}", f'_prefix: "{MACHINE}{prefix}-1A2B"')
    configuration = {**configuration_of(experiment), "ecs_cluster": "c", "ecs_service": "s"}
    policy = json.loads(filled(policy_of(experiment), load_topology(written(tmp_path, named)), configuration))
    asked = [call("states:ListExecutions", f"{MACHINE}FailoverStateMachine-1A2B", "ap-northeast-3")]
    assert not_allowed(json.dumps(policy), wanted(asked)) == []
    assert [text for text in json.dumps(policy).split('"') if text.count("arn:") > 1] == []


def test_a_rehearsal_may_look_whether_the_bucket_is_there(tmp_path: Path) -> None:
    ours = RIGHT.replace(ATTACHED, "run: ssm, s3: bucket/drills")
    policy = filled(policy_of("failover"), load_topology(written(tmp_path, ours)), configuration_of("failover"))
    assert not_allowed(policy, wanted([call("s3:ListBucket", "arn:aws:s3:::bucket")])) == []
    elsewhere = wanted([call("s3:ListBucket", "arn:aws:s3:::bucket2")])
    assert not_allowed(policy, elsewhere) == ["s3:ListBucket on arn:aws:s3:::bucket2 in ap-northeast-1 is not allowed"]
