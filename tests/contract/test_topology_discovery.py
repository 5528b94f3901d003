"""`chaosdrill topology discover` against the lab's endpoint: what it finds, and what it says of what it does not."""

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.discovery.account import Account
from chaosdrill.errors import BadInput, DrillError
from chaosdrill.topology import Topology, load_topology
from tests.contract import lab_aws
from tests.contract.accounts import DENIED_JSON, DENIED_XML, EXPIRED_XML, answering, profile
from tests.contract.activities_rig import OSAKA, TOKYO
from tests.contract.lab_aws import LabAws
from tests.failing import fails_with

Discover = Callable[..., Result]


@pytest.fixture
def discover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Discover:
    """Runs the command with a profile that leads to a lab, apart from services that lead elsewhere."""

    with socket.create_server(("127.0.0.1", 0)) as unused:
        monkeypatch.setattr("chaosdrill.discovery.client_side.LOCUST_PORT", unused.getsockname()[1])

    def run(lab: LabAws, *options: str, **others: str) -> Result:
        config = tmp_path / "config"
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        name = profile(config, lab.url, others)
        return CliRunner().invoke(
            cli, ["topology", "discover", "--profile", name, "--home", TOKYO, "--standby", OSAKA, *options]
        )

    return run


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabAws]:
    """An account with more than the reference system in it."""
    with lab_aws.running(tmp_path_factory.mktemp("crowded")) as lab:
        _table(lab, TOKYO, "another-apptable", flag=True)
        for number in range(60):
            _table(lab, OSAKA, f"other-{number}")
        lab.client("dynamodb", OSAKA).delete_table(TableName=lab.plan.standby.flag_table)
        _table(lab, OSAKA, lab.plan.standby.flag_table, flag=True)  # the last one: it is found by its name
        sfn = lab.client("stepfunctions", OSAKA)
        there = sfn.describe_state_machine(stateMachineArn=lab.machine("FailoverStateMachine"))
        sfn.create_state_machine(
            name="FailoverStateMachine-OLD", definition=there["definition"], roleArn=there["roleArn"]
        )
        ec2 = lab.client("ec2", TOKYO)
        ec2.run_instances(
            ImageId="ami-0cb1c8cab7f5249b6",
            MinCount=1,
            MaxCount=1,
            InstanceType="t3.large",
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "old-bastion"}]}],
        )
        subnets = lab.client("ec2", OSAKA).describe_subnets()["Subnets"]
        lab.client("elbv2", OSAKA).create_load_balancer(
            Name="of-nobody", Subnets=[one["SubnetId"] for one in subnets[:2]], Scheme="internal", Type="application"
        )
        arc = lab.client("route53-recovery-control-config", "us-west-2")
        arc.create_cluster(ClusterName="of-somebody-else")
        panel = lab.topology["routing"]["controls"][TOKYO].split("/routingcontrol/")[0]
        cluster = arc.describe_control_panel(ControlPanelArn=panel)["ControlPanel"]["ClusterArn"]
        arc.create_routing_control(ClusterArn=cluster, ControlPanelArn=panel, RoutingControlName="rc-tokyo-old")
        yield lab


def _table(lab: LabAws, region: str, name: str, flag: bool = False) -> None:
    tables = lab.client("dynamodb", region)
    key = {"AttributeName": "PK" if flag else "id"}
    tables.create_table(
        TableName=name,
        AttributeDefinitions=[{**key, "AttributeType": "S"}],
        KeySchema=[{**key, "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    if flag:
        tables.put_item(TableName=name, Item={"PK": {"S": "stopFlag"}, "value": {"S": "true"}})


def found(result: Result, tmp_path: Path) -> Topology:
    assert (result.exit_code, todo(result)) == (1, []), result.output
    path = tmp_path / "found.yaml"
    return load_topology(with_locust(result.stdout, path))


def with_locust(text: str, path: Path) -> Path:
    facts = yaml.safe_load(text)
    facts["client"]["url"] = "http://127.0.0.1:8089"
    path.write_text(yaml.safe_dump(facts))
    return path


def as_found(own: Topology, other: Topology) -> Topology:
    """The lab's own topology with what differs from a discovered one, and why."""
    return replace(
        own,
        path=other.path,
        target="aws",  # discovery knows accounts, not the lab
        aws=other.aws,  # the profile that was given; the lab's own file also says where the lab's config file lies
        dns=None,  # a name server belongs to the machine that asks, not to the account
        client=replace(own.client, url=other.client.url),  # no account knows where Locust is
        packet_loss=other.packet_loss,  # the command that counts drops is a program of the lab's
        heartbeat=None,  # nor which requests do no harm
        coordination=None,  # that drills coordinate there is the user's decision, and there may be several tables
        time_scale=1.0,  # only a lab is scaled
    )


CLIENT_SIDE = ["dns", "url", "heartbeat"]  # no account knows them, and here nothing else does, either


def todo(result: Result) -> list[str]:
    """What is left to fill in beside what no account knows."""
    keys = re.findall(r"^ *# TODO (\S+): ", result.stdout, re.MULTILINE)
    assert [key for key in keys if key in CLIENT_SIDE] in (CLIENT_SIDE, CLIENT_SIDE[1:]), "without a domain no dns"
    return [key for key in keys if key not in CLIENT_SIDE]


def test_the_lab_is_found_as_it_describes_itself(aws: LabAws, discover: Discover, tmp_path: Path) -> None:
    topology = found(discover(aws), tmp_path)
    assert topology == as_found(load_topology(aws.plan.topology_file), topology)
    assert len(topology.routing.cluster_endpoints) == 5


def test_it_says_how_to_have_a_table_of_leases(aws: LabAws, discover: Discover) -> None:
    (command,) = (line for line in discover(aws).stdout.splitlines() if "init --coordination" in line)
    assert command.startswith("# chaosdrill ")
    assert CliRunner().invoke(cli, command.split(">")[0].split()[2:]).exit_code == 0


def test_with_the_domain_given_it_finds_the_same(aws: LabAws, discover: Discover, tmp_path: Path) -> None:
    topology = found(discover(aws, "--domain", "API.example.com."), tmp_path)
    assert topology == as_found(load_topology(aws.plan.topology_file), topology)


@pytest.mark.long
def test_several_candidates_are_listed_for_the_user_to_choose(crowded: LabAws, discover: Discover) -> None:
    result = discover(crowded)
    assert result.exit_code == 1
    assert todo(result) == [TOKYO, "failover_prefix"]
    for line in (f"# {TOKYO}: another-apptable", f"# {TOKYO}: Tokyo-ParamTable-chaosdrill"):
        assert f"    {line}\n" in result.stdout
    assert re.search(r"^ *# failover_prefix: FailoverStateMachine-OLD$", result.stdout, re.MULTILINE)
    assert re.search(r"\b5\b", result.stderr), "how many are left"


@pytest.mark.long
def test_what_the_user_uncomments_makes_the_file_whole(crowded: LabAws, discover: Discover, tmp_path: Path) -> None:
    own = load_topology(crowded.plan.topology_file)
    text = discover(crowded).stdout
    for choice in (f"{TOKYO}: Tokyo-ParamTable-chaosdrill", "failover_prefix: FailoverStateMachine-1A2B3C4D"):
        text = text.replace(f"# {choice}", choice)
    topology = load_topology(with_locust(text, tmp_path / "chosen.yaml"))
    exact = replace(own.failover, failover_prefix="FailoverStateMachine-1A2B3C4D")
    assert topology == replace(as_found(own, topology), failover=exact)


@pytest.mark.parametrize("options", [(), ("--domain", "api.example.com")])
def test_the_domain_tells_which_load_balancer_and_cluster_are_meant(
    crowded: LabAws, discover: Discover, options: tuple[str, ...]
) -> None:
    facts, own = yaml.safe_load(discover(crowded, *options).stdout), crowded.topology
    assert facts["load_balancers"][OSAKA] == own["load_balancers"][OSAKA], "there are two"
    assert facts["routing"] == own["routing"], "there are two clusters, and two controls named after Tokyo"
    assert facts["client"]["instance_id"] == own["client"]["instance_id"], "of two bastions one is online"


@pytest.mark.long
def test_the_search_for_flags_is_bounded_and_says_so(
    crowded: LabAws, discover: Discover, monkeypatch: pytest.MonkeyPatch
) -> None:
    osaka = crowded.client("dynamodb", OSAKA)
    name, key = "Osaka-ParamTable-chaosdrill", {"PK": {"S": "stopFlag"}}
    item = osaka.get_item(TableName=name, Key=key)["Item"]
    osaka.delete_item(TableName=name, Key=key)
    try:
        result = discover(crowded)
    finally:
        osaka.put_item(TableName=name, Item=item)
    assert re.search(rf"\b50 of 62\b.* {OSAKA}\b", result.stderr)
    assert OSAKA in todo(result)
    assert not re.search(r"\bother-\d", result.stdout), "a table with another key has no flag; that is no trouble"


@pytest.mark.long
def test_a_missing_permission_is_told_and_spoils_no_other_part(aws: LabAws, discover: Discover) -> None:
    with answering(*DENIED_JSON) as denied:
        result = discover(aws, dynamodb=denied)
    assert result.exit_code == 1
    assert re.search(rf"stop_flag\.tables\.{OSAKA}: dynamodb:ListTables .*\b{OSAKA}\b", result.stderr)
    assert todo(result) == [TOKYO, OSAKA, "attribute"]
    facts, own = yaml.safe_load(result.stdout), aws.topology
    del own["client"]["url"]  # no account tells where Locust is
    others = ("accounts", "domain", "client", "load_balancers", "routing", "database", "failover")
    assert {key: facts[key] for key in others} == {key: own[key] for key in others}


@pytest.mark.long
def test_without_route_53_the_names_tell(aws: LabAws, discover: Discover) -> None:
    with answering(*DENIED_XML) as denied:
        result = discover(aws, route_53=denied)
    assert todo(result) == ["domain"]
    facts = yaml.safe_load(result.stdout)
    assert facts["routing"] == aws.topology["routing"], "rc-tokyo and rc-osaka"
    assert facts["load_balancers"] == aws.topology["load_balancers"], "there is only one in each region"


def test_with_everything_denied_the_file_is_still_yaml(aws: LabAws, discover: Discover) -> None:
    with answering(*DENIED_JSON) as json_one, answering(*DENIED_XML) as xml_one:
        services = {"dynamodb": json_one, "sfn": json_one, "ssm": json_one, "route53_recovery_control_config": json_one}
        services |= dict.fromkeys(("ec2", "rds", "route_53", "elastic_load_balancing_v2"), xml_one)
        result = discover(aws, **services)
    facts: dict[str, Any] = yaml.safe_load(result.stdout)
    assert result.exit_code == 1
    assert facts["accounts"] == aws.topology["accounts"]
    assert facts["routing"] == {"controls": None}
    told = set(re.findall(r"([a-z0-9-]+:\w+) is not permitted", result.stderr))
    assert told >= {
        "states:ListStateMachines",
        "dynamodb:ListTables",
        "route53:ListHostedZones",
        "rds:DescribeGlobalClusters",
        "ec2:DescribeInstances",
        "elasticloadbalancing:DescribeLoadBalancers",
        "route53-recovery-control-config:ListClusters",
    }


def test_expired_credentials_stop_it_before_anything_is_written(aws: LabAws, discover: Discover) -> None:
    with answering(*EXPIRED_XML) as expired:
        result = discover(aws, sts=expired)
    assert result.stdout == ""
    assert isinstance(result.exception, DrillError)
    assert result.exception.codes == ("credentials-unusable",)
    assert re.search(r"\btest-\d+\b.*\bExpiredToken\b.*\baws sso login\b", str(result.exception))


def test_bad_input_is_told_all_at_once(tmp_path: Path) -> None:
    there = tmp_path / "there.yaml"
    there.write_text("mine")
    options = ["--home", "tokyo", "--standby", "tokyo", "--domain", "a b", "--output", str(there)]
    result = CliRunner().invoke(cli, ["topology", "discover", *options])
    assert isinstance(result.exception, BadInput)
    assert [problem.split(":")[0] for problem in result.exception.problems] == [
        "--home tokyo",
        "--standby tokyo",
        "--domain a b",
        "--standby tokyo",
        f"--output {there}",
    ]
    assert there.read_text() == "mine"


def test_a_profile_that_is_not_there_is_told_with_those_that_are(aws: LabAws, discover: Discover) -> None:
    result = discover(aws, "--profile", "nobody")
    assert isinstance(result.exception, BadInput)
    assert result.exception.codes == ("profile-missing",)
    assert re.search(r"\bnobody\b.*\btest-\d+$", str(result.exception))


def test_it_writes_a_file_when_told_to(aws: LabAws, discover: Discover, tmp_path: Path) -> None:
    path = tmp_path / "aws.yaml"
    result = discover(aws, "--output", str(path))
    assert result.stdout == ""
    assert load_topology(with_locust(path.read_text(), path)).domain == "api.example.com"


def test_what_no_account_knows_is_counted_and_left_to_fill_in(aws: LabAws, discover: Discover) -> None:
    result = discover(aws)
    assert result.exit_code == 1
    assert re.findall(r"^  (\S+): ", result.stderr, re.MULTILINE) == ["dns", "client.url", "heartbeat"]
    assert "complete" not in result.stderr


def test_the_survey_cannot_change_anything(aws: LabAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    account = Account(profile(tmp_path / "config", aws.url))
    with fails_with("account-not-allowed"):
        account.ask("dynamodb", TOKYO, "delete_table", TableName="Tokyo-ParamTable-chaosdrill")
