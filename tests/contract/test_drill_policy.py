"""The policies that `chaosdrill iam` prints: a drill is allowed its own calls and nothing that leads further; whoever
makes the roles cannot give them more than the boundary; a role that others could take on is not used.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from chaosdrill.aws import System, system_of
from chaosdrill.cli.iam import iam
from chaosdrill.conformance import permissions
from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.interface import LeaseRequest
from chaosdrill.errors import Refused
from chaosdrill.experiment_files import configuration_of, read_experiment
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.packet_loss import role
from chaosdrill.packet_loss import role_documents as documents
from chaosdrill.packet_loss.actions import heal_packet_loss, inject_packet_loss, isolate_region
from chaosdrill.policies import filled, policy_of
from chaosdrill.rehearsal.rehearse import rehearse
from chaosdrill.rehearsal.roles import make_roles
from chaosdrill.stop_flag.actions import set_stop_flag
from chaosdrill.stop_flag.probes import stop_flag
from chaosdrill.topology import load_topology
from tests.contract.activities_rig import OSAKA, TOKYO, Rig, calls_of
from tests.failing import fails_with
from tests.iam_policy import ACCOUNT, Wanted, allows, not_allowed, wanted

ADDRESSES = "10.100.5.165"
EXPERIMENTS = ["auto-failover", "failback", "failover", "packet-loss", "region-loss"]
OURS = {"created-by": "chaosdrill"}
ROLES = f"arn:aws:iam::{ACCOUNT}:role"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/chaosdrill-boundary"
TEMPLATE, RUNNING = (f"arn:aws:fis:{TOKYO}:{ACCOUNT}:{kind}/EX1" for kind in ("experiment-template", "experiment"))


def policy_for(rig: Rig, experiment: str) -> str:
    own = {**configuration_of(experiment), "ecs_cluster": "c", "ecs_service": "s", "rule": "r"}
    return filled(policy_of(experiment), load_topology(rig.lab.plan.topology_file), own)


def asks(action: str, resource: str, region: str = TOKYO, **keys: str) -> Wanted:
    """``LeadingKeys`` and the like; tags as ``requested_created_by`` and ``has_created_by``."""
    named = {
        "leading": "dynamodb:LeadingKeys",
        "requested": "aws:RequestTag/created-by",
        "tagged": "aws:ResourceTag/created-by",
        "boundary": "iam:PermissionsBoundary",
        "service": "iam:PassedToService",
    }
    return Wanted(action, resource, region).having({named[name]: [value] for name, value in keys.items()})


@pytest.mark.long
def test_the_policy_of_a_drill_allows_its_calls(rig: Rig, tmp_path: Path) -> None:
    rig.go_home()
    given = {"sources": ADDRESSES, "duration_s": 36_000}
    with calls_of(rig) as made:
        assert stop_flag("home", configuration=rig.configuration) is False
        set_stop_flag("standby", False, configuration=rig.configuration)
        set_stop_flag("standby", True, configuration=rig.configuration)
        inject_packet_loss(**given, template="exp-policy", configuration=rig.configuration)
        heal_packet_loss(configuration=rig.configuration)
        experiment = read_experiment("failover")
        (tmp_path / "e.yaml").write_text(yaml.safe_dump(dict(experiment)))
        rehearse(tmp_path / "e.yaml", {}, rig.lab.plan.topology_file)
    changed = {call["operation"] for call in made}
    assert {"UpdateItem", "CreateExperimentTemplate", "StartExperiment", "StopExperiment"} <= changed
    assert not {"CreateRole", "PutRolePolicy", "CreateServiceLinkedRole"} & changed
    assert not_allowed(policy_for(rig, "failover"), wanted(made)) == []


def test_the_policy_of_a_drill_allows_to_coordinate_and_no_more(rig: Rig) -> None:
    system = system_of(rig.configuration)
    coordination = coordination_of(system)
    undo = OwedUndo("step", "fail_over", "system", "fail_back", "", {})
    with calls_of(rig) as made:
        request = LeaseRequest("run-1", "drill", (f"{ACCOUNT}/domain/a",), 60_000, 7_000, this_process())
        lease = coordination.acquire(request)
        coordination.owe(lease, 1, undo)
        coordination.request_stop(lease.run, "alice", "")
        coordination.hand_over(lease.run, 1, "failback.yaml", "2027-01-31")
        coordination.pay(lease.run, 1, lease.run)
        coordination.put_note("approval", "run-1/step", {})
        coordination.note("approval", "run-1/step")
        coordination.release(coordination.renew(lease))
    policy = json.loads(policy_for(rig, "failover"))
    asked = wanted(made)
    assert not_allowed(json.dumps(policy), asked) == []
    (own,) = (one for one in policy["Statement"] if one["Sid"] == "Coordination")
    used = {one.action for one in asked if one.resource == own["Resource"]}
    assert used == set(own["Action"]), "each of its actions is needed"
    policy["Statement"].remove(own)
    assert len(not_allowed(json.dumps(policy), asked)) >= len(used)


def test_the_policy_of_an_isolation_allows_its_calls(rig: Rig) -> None:
    with calls_of(rig) as made:
        isolate_region("standby", 3600, template="exp-cut", configuration=rig.configuration)
        heal_packet_loss(region="standby", configuration=rig.configuration)
    policy = policy_for(rig, "region-loss").replace(f":fis:{TOKYO}:", f":fis:{OSAKA}:")  # drills cut off home
    assert not_allowed(policy, wanted(made)) == []


def dangerous(rig: Rig) -> list[Wanted]:
    tables = rig.lab.topology["stop_flag"]["tables"]
    table = f"arn:aws:dynamodb:{TOKYO}:{ACCOUNT}:table/{tables[TOKYO]}"
    packet_loss = f"{ROLES}/{documents.NAME}"
    key = next(iter(rig.lab.topology["stop_flag"]["key"].values()))
    changes_of_iam = [
        asks(f"iam:{action}", f"{ROLES}/{name}", boundary=BOUNDARY, requested="chaosdrill")
        for action in ("CreateRole", "PutRolePolicy", "AttachRolePolicy", "UpdateAssumeRolePolicy", "TagRole")
        for name in (documents.NAME, documents.ISOLATION, "admin", documents.SERVICE_ROLE_PATH)
    ]
    return [
        *changes_of_iam,
        asks("iam:CreateServiceLinkedRole", f"{ROLES}/{documents.SERVICE_ROLE_PATH}"),
        asks("iam:PassRole", packet_loss, service="ec2.amazonaws.com"),
        asks("iam:PassRole", f"{ROLES}/admin", service="fis.amazonaws.com"),
        asks("fis:StartExperiment", TEMPLATE),
        asks("fis:StartExperiment", TEMPLATE, tagged="somebody"),
        asks("fis:StartExperiment", TEMPLATE, requested="chaosdrill"),
        asks("fis:StartExperiment", RUNNING),
        asks("fis:CreateExperimentTemplate", TEMPLATE),
        asks("fis:UpdateExperimentTemplate", TEMPLATE, tagged="chaosdrill"),
        asks("fis:TagResource", TEMPLATE, requested="chaosdrill"),
        asks("fis:StopExperiment", RUNNING, tagged="somebody"),
        asks("fis:StopExperiment", RUNNING),
        asks("dynamodb:UpdateItem", table),
        asks("dynamodb:UpdateItem", table, leading="another-item"),
        asks("dynamodb:GetItem", table, leading="another-item"),
        asks("dynamodb:PutItem", table, leading=key),
        asks("dynamodb:Scan", table),
    ]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_policy_of_a_drill_leads_no_further(rig: Rig, experiment: str) -> None:
    policy = json.loads(policy_for(rig, experiment))
    assert [one for one in dangerous(rig) if allows(policy, one)] == []


def test_a_stop_flag_s_key_is_no_policy_variable(rig: Rig, tmp_path: Path) -> None:
    flag = {**rig.lab.topology["stop_flag"], "key": {"PK": "${aws:username}*"}}
    rig.other_topology(tmp_path / "topology.yaml", stop_flag=flag)
    filled_in = filled(policy_of("failover"), load_topology(tmp_path / "topology.yaml"), configuration_of("failover"))
    policy = json.loads(filled_in)
    table = f"arn:aws:dynamodb:{TOKYO}:{ACCOUNT}:table/{flag['tables'][TOKYO]}"
    assert "${aws" not in filled_in
    assert allows(policy, asks("dynamodb:UpdateItem", table, leading="${aws:username}*"))
    assert not allows(policy, asks("dynamodb:UpdateItem", table, leading="${aws:username}-and-more"))


@pytest.fixture
def system(rig: Rig) -> System:
    return system_of(rig.configuration)


@pytest.fixture
def without_roles(rig: Rig) -> Iterator[Any]:
    """An account in which the administrator has made nothing but the boundary."""
    client = rig.lab.client("iam")
    before = {name: client.get_role(RoleName=name)["Role"] for name in (documents.NAME, documents.ISOLATION)}
    policies = {documents.NAME: documents.POLICY, documents.ISOLATION: "region-isolation"}
    kept = {name: client.get_role_policy(RoleName=name, PolicyName=policies[name])["PolicyDocument"] for name in before}
    _remove(client, policies)
    client.delete_role(RoleName="AWSServiceRoleForFIS")
    yield client
    _remove(client, policies)
    for name, role_before in before.items():
        client.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(role_before["AssumeRolePolicyDocument"]),
            PermissionsBoundary=BOUNDARY,
        )
        client.put_role_policy(RoleName=name, PolicyName=policies[name], PolicyDocument=json.dumps(kept[name]))
    if not [one for one in client.list_roles()["Roles"] if one["RoleName"] == "AWSServiceRoleForFIS"]:
        client.create_service_linked_role(AWSServiceName="fis.amazonaws.com")


def _remove(client: Any, policies: dict[str, str]) -> None:
    there = {one["RoleName"] for one in client.list_roles()["Roles"]}
    for name in there & set(policies):
        for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
            client.delete_role_policy(RoleName=name, PolicyName=policy)
        client.delete_role(RoleName=name)


def inject(rig: Rig) -> Any:
    return inject_packet_loss(sources=ADDRESSES, duration_s=36_000, configuration=rig.configuration)


def test_a_drill_makes_no_role_and_says_what_makes_it(rig: Rig, without_roles: Any) -> None:
    with fails_with("role-missing") as failed:
        inject(rig)
    assert "--make-roles" in str(failed.value)
    with fails_with("role-missing"):
        isolate_region("standby", 3600, configuration=rig.configuration)
    assert documents.NAME not in {one["RoleName"] for one in without_roles.list_roles()["Roles"]}


@pytest.mark.long
def test_the_setup_policy_allows_what_makes_the_roles(rig: Rig, without_roles: Any, tmp_path: Path) -> None:
    topology = rig.lab.plan.topology_file
    with calls_of(rig) as made:
        for experiment in ("failover", "region-loss"):
            result = CliRunner().invoke(iam, [experiment, "--topology", str(topology), "--make-roles"])
            assert result.exit_code == 0, result.output
    again = CliRunner().invoke(iam, ["failover", "--topology", str(topology), "--make-roles"])
    assert (again.exit_code, re.findall(r"^made: ", again.output, re.MULTILINE)) == (0, [])
    printed = CliRunner().invoke(iam, ["failover", "--topology", str(topology), "--policy", "setup"]).output
    changed = [call for call in made if call["service"] == "iam"]
    assert {"CreateRole", "PutRolePolicy", "CreateServiceLinkedRole"} <= {call["operation"] for call in changed}
    assert not_allowed(printed, wanted(changed)) == []
    for name in (documents.NAME, documents.ISOLATION):
        one = without_roles.get_role(RoleName=name)["Role"]
        assert one["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
        assert one["AssumeRolePolicyDocument"] == documents.trust("aws", ACCOUNT)
    inject(rig)
    heal_packet_loss(configuration=rig.configuration)


@pytest.mark.parametrize(
    "one",
    [
        asks("iam:CreateRole", f"{ROLES}/{documents.NAME}"),
        asks("iam:CreateRole", f"{ROLES}/{documents.NAME}", boundary=f"arn:aws:iam::{ACCOUNT}:policy/another"),
        asks("iam:CreateRole", f"{ROLES}/admin", boundary=BOUNDARY),
        asks("iam:PutRolePolicy", f"{ROLES}/{documents.NAME}"),
        asks("iam:PutRolePolicy", f"{ROLES}/admin", boundary=BOUNDARY),
        *(
            asks(f"iam:{action}", f"{ROLES}/{documents.NAME}", boundary=BOUNDARY)
            for action in (
                "AttachRolePolicy",
                "DeleteRolePermissionsBoundary",
                "PutRolePermissionsBoundary",
                "UpdateAssumeRolePolicy",
                "PassRole",
            )
        ),
        *(
            asks(f"iam:{action}", BOUNDARY)
            for action in ("CreatePolicy", "CreatePolicyVersion", "SetDefaultPolicyVersion")
        ),
    ],
)
def test_the_setup_policy_gives_no_role_more_than_the_boundary(one: Wanted) -> None:
    assert not allows(documents.setup("aws", ACCOUNT), one)


def test_a_role_within_the_boundary_stays_in_it_whatever_its_policy_says(rig: Rig) -> None:
    client, named = rig.lab.client("iam"), {"RoleName": documents.NAME, "PolicyName": "everything"}
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    client.put_role_policy(**named, PolicyDocument=json.dumps(everything))
    try:
        results = client.simulate_principal_policy(
            PolicySourceArn=f"{ROLES}/{documents.NAME}",
            ActionNames=["iam:CreateUser", "sts:AssumeRole", "dynamodb:DeleteTable", "ec2:DescribeInstances"],
        )["EvaluationResults"]
    finally:
        client.delete_role_policy(**named)
    decisions = {one["EvalActionName"]: one["EvalDecision"] for one in results}
    assert {action for action, decision in decisions.items() if decision == "allowed"} == {"ec2:DescribeInstances"}


def test_without_the_boundary_no_role_is_made(rig: Rig, without_roles: Any) -> None:
    policy = json.dumps(documents.boundary("aws", ACCOUNT, "AWSFIS-Run-Network-Packet-Loss-Sources"))
    without_roles.delete_policy(PolicyArn=BOUNDARY)
    try:
        with pytest.raises(Refused) as refused:
            make_roles(load_topology(rig.lab.plan.topology_file), read_experiment("failover"))
    finally:
        without_roles.create_policy(PolicyName=documents.BOUNDARY, PolicyDocument=policy)
    assert refused.value.code == "role-boundary-missing"
    assert documents.NAME not in {one["RoleName"] for one in without_roles.list_roles()["Roles"]}


def test_a_role_that_is_there_without_the_boundary_gets_no_policy(rig: Rig, without_roles: Any) -> None:
    trust = json.dumps(documents.trust("aws", ACCOUNT))
    without_roles.create_role(RoleName=documents.NAME, AssumeRolePolicyDocument=trust)
    with pytest.raises(Refused) as refused:
        make_roles(load_topology(rig.lab.plan.topology_file), read_experiment("failover"))
    assert refused.value.code == "role-boundary-missing"
    assert without_roles.list_role_policies(RoleName=documents.NAME)["PolicyNames"] == []


def trust_with(**changes: Any) -> dict[str, Any]:
    """The right trust policy with some of its statement's elements replaced; None: left out."""
    found = copy.deepcopy(documents.trust("aws", ACCOUNT))
    statement = {**found["Statement"][0], **changes}
    return {**found, "Statement": [{key: value for key, value in statement.items() if value is not None}]}


ACCOUNT_ONLY = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
ARN = {"aws:SourceArn": f"arn:aws:fis:*:{ACCOUNT}:experiment/*"}
WIDER = {
    "as before, without aws:SourceArn": trust_with(Condition=ACCOUNT_ONLY),
    "without conditions": trust_with(Condition=None),
    "a user beside FIS": trust_with(Principal={"Service": documents.FIS, "AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
    "another service beside FIS": trust_with(Principal={"Service": [documents.FIS, "ec2.amazonaws.com"]}),
    "everybody": trust_with(Principal="*"),
    "everybody but": trust_with(Principal=None, NotPrincipal={"AWS": "arn:aws:iam::1:root"}),
    "another action": trust_with(Action=["sts:AssumeRole", "sts:TagSession"]),
    "another account": trust_with(Condition={"StringEquals": {"aws:SourceAccount": "210987654321"}, "ArnLike": ARN}),
    "two accounts": trust_with(
        Condition={"StringEquals": {"aws:SourceAccount": [ACCOUNT, "210987654321"]}, "ArnLike": ARN}
    ),
    "experiments of any account": trust_with(
        Condition={**ACCOUNT_ONLY, "ArnLike": {"aws:SourceArn": "arn:aws:fis:*:*:experiment/*"}}
    ),
    "only if the key is there": trust_with(
        Condition={"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}, "ArnLikeIfExists": ARN}
    ),
    "a second statement": {
        "Version": "2012-10-17",
        "Statement": [
            *documents.trust("aws", ACCOUNT)["Statement"],
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
        ],
    },
}


@pytest.mark.parametrize("document", [None, "text", {"Statement": ["text"]}])
def test_a_trust_that_cannot_be_read_counts_as_wider(document: Any) -> None:
    assert documents.is_wider_than_trust(document, "aws", ACCOUNT)


@pytest.mark.parametrize("name", WIDER)
def test_a_trust_that_is_wider_is_known(name: str) -> None:
    assert documents.is_wider_than_trust(WIDER[name], "aws", ACCOUNT)


NARROWER = {
    "the same": documents.trust("aws", ACCOUNT),
    "one region": trust_with(
        Condition={**ACCOUNT_ONLY, "ArnLike": {"aws:SourceArn": f"arn:aws:fis:{TOKYO}:{ACCOUNT}:experiment/*"}}
    ),
    "a denial more": {
        "Version": "2012-10-17",
        "Statement": [
            *documents.trust("aws", ACCOUNT)["Statement"],
            {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"},
        ],
    },
}


@pytest.mark.parametrize("name", NARROWER)
def test_a_trust_that_is_narrower_may_be(name: str) -> None:
    assert not documents.is_wider_than_trust(NARROWER[name], "aws", ACCOUNT)


def test_a_role_that_others_could_take_on_is_not_used(rig: Rig, without_roles: Any) -> None:
    document = json.dumps(WIDER["a user beside FIS"])
    without_roles.create_role(RoleName=documents.NAME, AssumeRolePolicyDocument=document, PermissionsBoundary=BOUNDARY)
    with fails_with("role-trust-wider") as failed:
        inject(rig)
    assert "update-assume-role-policy" in str(failed.value)
    with pytest.raises(Refused) as refused:
        make_roles(load_topology(rig.lab.plan.topology_file), read_experiment("failover"))
    assert refused.value.code == "role-trust-wider"


@pytest.mark.long
def test_a_role_for_another_host_is_told_before_a_fault_is_started(rig: Rig, system: System) -> None:
    client, named = rig.lab.client("iam"), {"RoleName": documents.NAME, "PolicyName": documents.POLICY}
    before = json.dumps(client.get_role_policy(**named)["PolicyDocument"])
    another = documents.permissions("arn:aws:ssm:us-east-1::document/D", "arn:aws:ec2:us-east-1:1:instance/i-1")
    client.put_role_policy(**named, PolicyDocument=json.dumps(another))
    try:
        with fails_with("role-policy-differs"):
            inject(rig)
        made = make_roles(load_topology(rig.lab.plan.topology_file), read_experiment("failover"))
        assert list(made) == [f"policy {documents.POLICY} of the role {documents.NAME}"]
        assert role.find_role(system, role.for_packet_loss()) == f"{ROLES}/{documents.NAME}"
        inject(rig)
        heal_packet_loss(configuration=rig.configuration)
    finally:
        client.put_role_policy(**named, PolicyDocument=before)


@pytest.mark.long
def test_a_template_that_others_made_is_not_started(rig: Rig) -> None:
    """The policy of a drill would not allow it, whatever is in it."""
    first = inject(rig)
    heal_packet_loss(configuration=rig.configuration)
    fis = rig.lab.client("fis", TOKYO)
    arn = fis.get_experiment_template(id=first["template_id"])["experimentTemplate"]["arn"]
    fis.untag_resource(resourceArn=arn, tagKeys=["created-by"])
    second = inject(rig)
    heal_packet_loss(configuration=rig.configuration)
    assert second["template_id"] != first["template_id"]


def test_the_conformance_check_simulates_the_printed_policy_with_its_conditions(rig: Rig) -> None:
    client, policy, name = rig.lab.client("iam"), policy_for(rig, "failover"), "driller"
    client.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(documents.trust("aws", ACCOUNT)))
    client.put_role_policy(RoleName=name, PolicyName="drill", PolicyDocument=policy)
    named = {"aws_assume_role_arn": f"{ROLES}/{name}"}
    try:
        row = next(permissions.assumptions(system_of({**rig.configuration, **named}), policy))
        allowed = row.read()
        lacking = json.loads(policy)
        (flag,) = (one for one in lacking["Statement"] if one["Sid"] == "StopFlag")
        flag["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"] = ["another-item"]
        client.put_role_policy(RoleName=name, PolicyName="drill", PolicyDocument=json.dumps(lacking))
        denied = row.read()
    finally:
        client.delete_role_policy(RoleName=name, PolicyName="drill")
        client.delete_role(RoleName=name)
    assert allowed.as_assumed, allowed
    assert not denied.as_assumed
    assert "dynamodb:UpdateItem" in denied.text
