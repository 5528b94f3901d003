"""The lab authorises its user's calls by a policy, and preflight says which statement of the printed one is missing."""

import json
import re
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.errors import BadInput
from chaosdrill.experiment_files import configuration_of, functions_of
from chaosdrill.lab import endpoint_page
from chaosdrill.parts.interface import CheckContext
from chaosdrill.policies import filled, policy_of
from chaosdrill.preflight.run import CheckResult, checks_of, run
from chaosdrill.rehearsal.loading import load
from chaosdrill.stop_flag.actions import set_stop_flag
from chaosdrill.stop_flag.probes import stop_flag
from chaosdrill.topology import load_topology
from tests.contract.activities_rig import TOKYO, Rig
from tests.contract.lab_aws import DIRECTLY, KEYS, get
from tests.contract.test_lab_aws_fis import template
from tests.drills import EXPERIMENTS, FAILOVER
from tests.failing import fails_with

USER = "arn:aws:iam::123456789012:user/chaosdrill"
POLICY = "/chaosdrill/policy"
OF_THE_TOPOLOGY = ("MainTable", "Coordination")  # statements that stand in no file
Policy = dict[str, Any]


@pytest.fixture(autouse=True)
def _administrator(rig: Rig) -> Iterator[None]:
    yield
    get(f"{rig.lab.url}{POLICY}", method="DELETE")


@pytest.fixture(scope="module")
def topology(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lab's, with the drill's own Locust on this machine."""
    path = tmp_path_factory.mktemp("topology") / "topology.yaml"
    return Path(rig.other_topology(path, client=rig.client_host(run="local"))["topology"])


def put(rig: Rig, policy: Policy) -> None:
    endpoint_page.ask(rig.lab.plan, "PUT", POLICY, policy)


def allowing(action: Any, resource: Any = "*", **more: Any) -> Policy:
    one = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [one]}


def printed(topology: Path, experiment: Path = FAILOVER) -> Policy:
    text = policy_of(experiment.stem)
    named = str(experiment)
    policy: Policy = json.loads(
        filled(text, load_topology(topology), configuration_of(named), functions_of(named)),
    )
    return policy


def without(policy: Policy, sid: str) -> Policy:
    return {**policy, "Statement": [one for one in policy["Statement"] if one["Sid"] != sid]}


def refusal_of(call: Callable[..., Any], **arguments: Any) -> str:
    """:returns: the message of a call that is refused for lack of a permission."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    return str(refused.value.response["Error"]["Message"])


def action_and_resource(message: str) -> tuple[str, str]:
    """:returns: what a refusal names, in the form in which AWS writes it."""
    found = re.search(r"perform: (\S+) on resource: (\S+)", message)
    assert found, message
    return found[1], found[2]


# one call of each protocol: how it is refused, and the action and the resource that its message names
CALLS: dict[str, tuple[Callable[[Any], Any], int, str, str]] = {
    "dynamodb": (
        lambda client: client.describe_table(TableName="T"),
        400,
        "AccessDeniedException",
        "dynamodb:DescribeTable on resource: arn:aws:dynamodb:ap-northeast-1:123456789012:table/T",
    ),
    "stepfunctions": (
        lambda client: client.list_state_machines(),
        400,
        "AccessDeniedException",
        "states:ListStateMachines because",
    ),
    "ssm": (
        lambda client: client.send_command(DocumentName="D", InstanceIds=["i-1"]),
        400,
        "AccessDeniedException",
        "ssm:SendCommand on resource: arn:aws:ssm:ap-northeast-1:123456789012:document/D",
    ),
    "fis": (
        lambda client: client.stop_experiment(id="EXP1"),
        403,
        "AccessDeniedException",
        "fis:StopExperiment on resource: arn:aws:fis:ap-northeast-1:123456789012:experiment/EXP1",
    ),
    "rds": (
        lambda client: client.describe_global_clusters(),
        403,
        "AccessDenied",
        "rds:DescribeGlobalClusters on resource: arn:aws:rds::123456789012:global-cluster:*",
    ),
    "iam": (
        lambda client: client.get_role(RoleName="R"),
        403,
        "AccessDenied",
        "iam:GetRole on resource: arn:aws:iam::123456789012:role/R",
    ),
    "cloudwatch": (lambda client: client.list_metrics(), 403, "AccessDenied", "cloudwatch:ListMetrics because"),
    "ec2": (
        lambda client: client.describe_instances(),
        403,
        "UnauthorizedOperation",
        "ec2:DescribeInstances because",
    ),
    "route53": (lambda client: client.list_hosted_zones(), 403, "AccessDenied", "route53:ListHostedZones because"),
    "s3": (
        lambda client: client.get_object(Bucket="bucket", Key="a/b"),
        403,
        "AccessDenied",
        's3:GetObject on resource: "arn:aws:s3:::bucket/a/b"',
    ),
    "lambda": (lambda client: client.list_functions(), 403, "AccessDeniedException", "lambda:ListFunctions because"),
}


@pytest.mark.parametrize("service", CALLS)
def test_a_call_that_the_policy_does_not_allow_is_refused_in_the_words_of_its_protocol(rig: Rig, service: str) -> None:
    call, status, code, needed = CALLS[service]
    client = rig.lab.client(service, TOKYO)
    put(rig, allowing("tag:GetResources"))
    with pytest.raises(ClientError) as refused:
        call(client)
    error = refused.value.response
    assert (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]) == (status, code)
    message = error["Error"]["Message"]
    assert f"User: {USER} is not authorized to perform: {needed}" in message
    action = needed.split(" ")[0]
    assert message.endswith(f"because no identity-based policy allows the {action} action")
    assert message.startswith("You are not authorized to perform this operation. User: ") == (service == "ec2")
    assert rig.lab.client("sts", TOKYO).get_caller_identity()["Arn"] == USER, "which needs no permission"


def test_a_call_that_is_refused_has_no_effect_and_is_logged(rig: Rig) -> None:
    table = rig.lab.topology["stop_flag"]["tables"][TOKYO]
    rig.flag(TOKYO, "false")
    put(rig, allowing("dynamodb:GetItem"))
    with fails_with("change-not-made") as refused:
        set_stop_flag("home", True, configuration=rig.configuration)
    assert action_and_resource(str(refused.value))[0] == "dynamodb:UpdateItem"
    assert stop_flag("home", configuration=rig.configuration) is False
    made = [one for one in get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"] if one["resource"] == table]
    last = [one for one in made if one["operation"] == "UpdateItem" and one["by"] == "chaosdrill"][-1]
    assert (last["status"], last["permissions"][0]["action"]) == (400, "dynamodb:UpdateItem")


def test_a_presigned_url_may_do_what_its_signer_may(rig: Rig) -> None:
    make: Any = boto3.client
    s3 = make("s3", TOKYO, endpoint_url=rig.lab.url, config=Config(signature_version="s3v4"), **KEYS)
    s3.create_bucket(Bucket="presigned", CreateBucketConfiguration={"LocationConstraint": TOKYO})
    s3.put_object(Bucket="presigned", Key="a/b", Body=b"1")
    url = s3.generate_presigned_url("get_object", {"Bucket": "presigned", "Key": "a/b"})
    put(rig, allowing("s3:GetObject", "arn:aws:s3:::presigned/other/*"))
    with pytest.raises(urllib.error.HTTPError) as refused:
        DIRECTLY.open(url)
    assert (refused.value.code, b"<Code>AccessDenied</Code>" in refused.value.read()) == (403, True)
    put(rig, allowing("s3:GetObject", "arn:aws:s3:::presigned/a/*"))
    with DIRECTLY.open(url) as answer:
        assert answer.read() == b"1"
    s3.close()


def test_a_statement_that_denies_counts_more_than_one_that_allows(rig: Rig) -> None:
    policy = allowing("*")
    policy["Statement"].append({"Effect": "Deny", "Action": "states:List*", "Resource": "*"})
    put(rig, policy)
    message = refusal_of(rig.lab.client("stepfunctions").list_state_machines)
    assert "deny" in message
    assert "allows" not in message
    assert rig.lab.client("ec2", TOKYO).describe_instances()["Reservations"]


def test_a_transaction_needs_the_action_and_the_key_of_each_of_its_items(rig: Rig) -> None:
    table, dynamodb = rig.lab.topology["coordination"]["table"], rig.lab.client("dynamodb", "us-west-2")

    def transact() -> None:
        key = {"SK": {"S": "a"}}
        check = {"Key": {"PK": {"S": "one"}, **key}, "ConditionExpression": "attribute_not_exists(PK)"}
        items = [
            {"Put": {"TableName": table, "Item": {"PK": {"S": "two"}, **key}}},
            {"ConditionCheck": {"TableName": table, **check}},
        ]
        dynamodb.transact_write_items(TransactItems=items)

    def refused(policy: Policy) -> str:
        put(rig, policy)
        with pytest.raises(ClientError) as caught:
            transact()
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        return str(caught.value).partition("perform: ")[2].partition(" ")[0]

    both = ["dynamodb:PutItem", "dynamodb:ConditionCheckItem"]
    assert refused(allowing("dynamodb:TransactWriteItems")) == "dynamodb:PutItem"
    assert refused(allowing("dynamodb:PutItem")) == "dynamodb:ConditionCheckItem"
    keys = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["two"]}}
    assert refused(allowing(both, Condition=keys)) == "dynamodb:ConditionCheckItem"
    put(rig, allowing(both))
    transact()


def test_a_resource_counts_by_its_tags_and_a_request_by_those_that_it_gives(rig: Rig, topology: Path) -> None:
    fis, ours = rig.lab.client("fis", TOKYO), {"created-by": "chaosdrill"}
    tagged, untagged = template(rig.lab), template(rig.lab)
    account = rig.lab.plan.account
    fis.tag_resource(resourceArn=f"arn:aws:fis:{TOKYO}:{account}:experiment-template/{tagged}", tags=ours)
    put(rig, printed(topology))

    def refused(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
        action, resource = action_and_resource(refusal_of(call, **arguments))
        return action, resource.rpartition(":")[2]

    start = fis.start_experiment
    assert refused(start, experimentTemplateId=tagged) == ("fis:StartExperiment", "experiment/*")
    assert refused(start, experimentTemplateId=untagged, tags=ours) == (
        "fis:StartExperiment",
        f"experiment-template/{untagged}",
    )
    started = fis.start_experiment(experimentTemplateId=tagged, tags=ours)["experiment"]["id"]
    assert fis.stop_experiment(id=started)["experiment"]["id"] == started
    assert refused(fis.delete_experiment_template, id=tagged) == (
        "fis:DeleteExperimentTemplate",
        f"experiment-template/{tagged}",
    )


def test_who_makes_the_first_experiment_needs_the_permission_to_make_the_role_of_fis(rig: Rig, topology: Path) -> None:
    iam, fis = rig.lab.client("iam"), rig.lab.client("fis", TOKYO)
    iam.delete_role(RoleName="AWSServiceRoleForFIS")
    put(rig, allowing("fis:*"))
    with pytest.raises(ClientError, match="iam:CreateServiceLinkedRole"):
        fis.start_experiment(experimentTemplateId="EXT1")
    get(f"{rig.lab.url}{POLICY}", method="DELETE")
    iam.create_service_linked_role(AWSServiceName="fis.amazonaws.com")


def test_the_parts_of_the_lab_are_not_restricted(rig: Rig) -> None:
    put(rig, allowing(["states:*"]))
    try:
        assert rig.lab.run_machine("FailoverStateMachine")["status"] == "SUCCEEDED"
    finally:
        get(f"{rig.lab.url}{POLICY}", method="DELETE")
        rig.go_home()


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({}, "statements"),
        (allowing([]), "Action"),
        (allowing("*", Principal="*"), "Principal"),
        (allowing("*", Condition={"IpAddress": {"aws:SourceIp": "::1"}}), "IpAddress"),
        (allowing("*", "arn:aws:iam::1:user/${aws:username}"), "variables"),
        ({"Statement": {"Effect": "Permit", "Action": "*", "Resource": "*"}}, "Permit"),
    ],
)
def test_a_policy_that_the_lab_cannot_evaluate_is_refused(rig: Rig, policy: Policy, problem: str) -> None:
    before = endpoint_page.ask(rig.lab.plan, "GET", POLICY)
    with pytest.raises(BadInput, match=problem):
        put(rig, policy)
    assert endpoint_page.ask(rig.lab.plan, "GET", POLICY) == before


def test_the_command_gives_the_printed_policy_and_takes_it_away(
    rig: Rig, topology: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_page, "running_plan", lambda: rig.lab.plan)

    def typed(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(cli, ["lab", "policy", *arguments], input=given)

    text = CliRunner().invoke(cli, ["iam", "failover", "--topology", str(topology)]).stdout
    assert [line.split(":")[0] for line in typed("-", given=text).stdout.splitlines()[1:]] == [
        f"  Allow {sid}" for sid in sids_of(FAILOVER)
    ]
    assert json.loads(typed("--json").stdout) == {"user": USER, "policies": [json.loads(text)]}
    for wrong in (typed("-", given="no JSON"), typed("-", given="{}"), typed("-", "--remove", given=text)):
        assert wrong.exit_code in (1, 2)
    assert len(json.loads(typed("--json").stdout)["policies"][0]["Statement"]) == len(sids_of(FAILOVER))
    typed("--remove")
    (everything,) = json.loads(typed("--json").stdout)["policies"]
    assert everything["Statement"] == [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


def sids_of(experiment: Path) -> list[str]:
    statements = json.loads(policy_of(experiment.stem))["Statement"]
    return [*(str(one["Sid"]) for one in statements), *OF_THE_TOPOLOGY]


def context(topology: Path, experiment: Path) -> CheckContext:
    return load(experiment, {}, topology).context()


def permissions(given: CheckContext) -> dict[str, str]:
    """The outcome of the check of each statement, by its Sid."""
    prefix = "core.permissions."
    checks = [one for one in checks_of(given) if one.name.startswith(prefix)]
    return {one.name.removeprefix(prefix): one.outcome for one in run(checks)}


def refusals(outcomes: Mapping[str, str]) -> set[str]:
    return {name for name, outcome in outcomes.items() if outcome == "refuse"}


STATEMENTS = [
    pytest.param(one, sid, marks=() if one == FAILOVER else pytest.mark.long, id=f"{one.stem}-{sid}")
    for one in sorted(EXPERIMENTS.glob("*.*"))
    for sid in sids_of(one)
]


@pytest.mark.parametrize("experiment", sorted(EXPERIMENTS.glob("*.*")), ids=lambda path: path.stem)
def test_the_printed_policy_is_all_that_preflight_asks_for(rig: Rig, topology: Path, experiment: Path) -> None:
    put(rig, printed(topology, experiment))
    assert permissions(context(topology, experiment)) == dict.fromkeys(sids_of(experiment), "ok")


@pytest.mark.parametrize(("experiment", "sid"), STATEMENTS)
def test_a_statement_that_is_missing_is_named_and_no_other(
    rig: Rig, topology: Path, experiment: Path, sid: str
) -> None:
    put(rig, without(printed(topology, experiment), sid))
    assert refusals(permissions(context(topology, experiment))) == {sid}


def rows(given: CheckContext) -> list[CheckResult]:
    return [one for one in run(checks_of(given)) if one.outcome != "ok"]


def test_a_whole_preflight_finds_nothing_with_the_printed_policy(rig: Rig, topology: Path) -> None:
    put(rig, printed(topology))
    assert rows(context(topology, FAILOVER)) == []


@pytest.mark.parametrize("sid", sids_of(FAILOVER))
@pytest.mark.long
def test_a_whole_preflight_refuses_by_the_statement_and_by_what_could_not_be_read_without_it(
    rig: Rig, topology: Path, sid: str
) -> None:
    policy = printed(topology)
    (gone,) = [one for one in policy["Statement"] if one["Sid"] == sid]
    put(rig, without(policy, sid))
    found = {one.name: one for one in rows(context(topology, FAILOVER))}
    refused = {name for name, one in found.items() if one.outcome == "refuse"}
    assert {name for name in refused if name.startswith("core.permissions.")} == {f"core.permissions.{sid}"}
    unexplained = [
        one
        for name, one in found.items()
        if name not in (f"core.permissions.{sid}", "core.region-state")  # which is unknown when a part of it is
        and not any(f"is not authorized to perform: {action}" in str(one.why) for action in listed(gone["Action"]))
    ]
    assert unexplained == []


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
