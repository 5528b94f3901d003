"""``chaosdrill iam``: what the topology names, as the policy writes it."""

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaosdrill.cli import cli
from chaosdrill.experiment_files import configuration_of
from chaosdrill.policies import filled, policy_of
from chaosdrill.topology import load_topology
from tests.failing import fails_with
from tests.unit.test_topology import RIGHT, written

MACHINES = "arn:aws:states:ap-northeast-3:123456789012"


def resources(path: Path, sid: str, **more: str) -> list[str]:
    """Of the statement ``sid`` in the policy of ``auto-failover`` for a topology."""
    configuration = {**configuration_of("auto-failover"), **more}
    policy = json.loads(filled(policy_of("auto-failover"), load_topology(path), configuration))
    (found,) = (one["Resource"] for one in policy["Statement"] if one["Sid"] == sid)
    return found if isinstance(found, list) else [found]


def test_a_machine_that_is_given_by_its_arn_stands_in_the_policy_by_its_name(tmp_path: Path) -> None:
    by_arn = RIGHT.replace(
        "failover_prefix: FailoverStateMachine", f'failover_prefix: "{MACHINES}:stateMachine:FailoverStateMachine-4711"'
    )
    path = written(tmp_path, by_arn)
    assert resources(path, "FailoverStateMachines") == [
        f"{MACHINES}:stateMachine:FailoverStateMachine-4711",
        f"{MACHINES}:stateMachine:FailbackStateMachine*",
    ]
    assert resources(path, "FailoverExecutions") == [
        f"{MACHINES}:execution:FailoverStateMachine-4711:*",
        f"{MACHINES}:execution:FailbackStateMachine*",
    ]


def test_so_does_a_cluster_that_the_experiment_gives_by_its_arn(tmp_path: Path) -> None:
    arn = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/tokyo-app"
    named = resources(written(tmp_path, RIGHT), "ServiceThatIsTakenAway", ecs_cluster=arn)
    assert named == ["arn:aws:ecs:ap-northeast-1:123456789012:service/tokyo-app/transaction"]


@pytest.mark.parametrize(
    "prefix",
    [
        'x"], "Effect": "Allow", "Action": "*", "Resource": ["*',
        "x*",
        "*",
        "FailoverStateMachine:3",
        "x${aws:username}",
        "<account>",
        f"{MACHINES}:stateMachine:Failover*",
        f"{MACHINES}:stateMachine:Failover?",
        f"{MACHINES}:stateMachine:Failover:3",
        f"{MACHINES}:stateMachine:Failover:LIVE",
    ],
)
def test_a_topology_names_no_machine_that_is_more_than_one(prefix: str, tmp_path: Path) -> None:
    hostile = RIGHT.replace("failover_prefix: FailoverStateMachine", f"failover_prefix: {json.dumps(prefix)}")
    with fails_with("topology-invalid"):
        load_topology(written(tmp_path, hostile))


@pytest.mark.parametrize(
    ("right", "hostile"),
    [
        ("controlpanel/a/routingcontrol/1", "controlpanel/a/routingcontrol/*"),
        ("controlpanel/a/routingcontrol/1", "controlpanel/a"),
        ("controlpanel/a/routingcontrol/1", 'x","*'),
        (":cluster:tokyo", ":cluster:*"),
        (":cluster:tokyo", ":db:tokyo"),
        ("123456789012:cluster:tokyo", "*:cluster:tokyo"),
        ("loadbalancer/app/osaka/1", "loadbalancer/*"),
    ],
)
def test_the_arns_of_a_topology_name_one_resource(right: str, hostile: str, tmp_path: Path) -> None:
    assert right in RIGHT
    with fails_with("topology-invalid"):
        load_topology(written(tmp_path, RIGHT.replace(right, hostile.replace('"', '\\"'), 1)))


@pytest.mark.parametrize(
    "name",
    ["tokyo*", 'x"], "Effect": "Allow", "Action": "*", "Resource": ["*', "a/b", "arn:aws:ecs:x:1:cluster/a", "<rule>"],
)
def test_what_a_configuration_names_is_one_resource(name: str, tmp_path: Path) -> None:
    with fails_with("policy-name-invalid"):
        resources(written(tmp_path, RIGHT), "ServiceThatIsTakenAway", ecs_cluster=name)


def test_what_is_filled_in_stays_within_its_string(tmp_path: Path) -> None:
    topology, injected = load_topology(written(tmp_path, RIGHT)), 'x"}, {"Effect": "Allow'
    renamed = dataclasses.replace(topology, database=dataclasses.replace(topology.database, global_cluster=injected))
    policy = json.loads(filled(policy_of("failover"), renamed, configuration_of("failover")))
    assert len(policy["Statement"]) == len(json.loads(policy_of("failover"))["Statement"])
    assert any(injected in str(one["Resource"]) for one in policy["Statement"])


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "- a list",
        "configuration: [a]",
        "",
        "\x00",
        "\udc80",
        pytest.param("[" * 5000, marks=pytest.mark.long),
        "just text",
    ],
)
def test_a_file_that_is_no_experiment_is_an_error_of_the_user(text: str, tmp_path: Path) -> None:
    path = tmp_path / "failover.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with fails_with("experiment-invalid"):
        configuration_of(str(path))


TOPIC = "arn:aws:sns:us-west-2:123456789012:gamedays"
CALENDAR = """\
version: 1
channels:
  topic: {{kind: sns, topic: "{topic}"}}
  mail: {{kind: smtp, host: smtp.example.com, from: a@example.com, to: [b@example.com]}}
game_days:
  monthly:
    owner: sre
    experiment: failover.yaml
    topology: {topology}
    schedule: {{zone: UTC, times: [2027-01-10T02:00]}}
    window: {{earliest: 01:00, latest_end: 05:00}}
    worst_case_min: 60
"""


@pytest.mark.parametrize(
    ("planned", "kind", "topics"),
    [
        ("topology.yaml", "drill", [[TOPIC]]),
        ("topology.yaml", "rescue", []),
        ("other.yaml", "drill", []),
        ("", "drill", []),
    ],
)
def test_the_policy_of_a_drill_allows_to_publish_to_the_topics_of_its_calendar(
    planned: str, kind: str, topics: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHAOSDRILL_GAMEDAYS", raising=False)
    path = written(tmp_path, RIGHT)
    (tmp_path / "other.yaml").write_text(RIGHT)
    (tmp_path / "failover.yaml").write_text("title: failover\n")
    if planned:
        (tmp_path / "gamedays.yaml").write_text(CALENDAR.format(topic=TOPIC, topology=planned))
    done = CliRunner().invoke(cli, ["iam", "failover", "--topology", path.name, "--policy", kind])
    assert done.exit_code == 0, done.output
    statements = [one for one in json.loads(done.stdout)["Statement"] if "sns:Publish" in one["Action"]]
    assert [one["Resource"] for one in statements] == topics
