"""`chaosdrill topology check` against the lab's endpoint: it reads every part, changes nothing, says what is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.database.actions import fail_over_database
from chaosdrill.errors import BadInput
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import LabAws
from tests.failing import fails_with

Row = dict[str, Any]


@pytest.fixture
def rig(aws: LabAws) -> Iterator[Rig]:
    one = Rig(aws)
    yield one
    one.go_home()


def check(topology: str, *options: str) -> Result:
    return CliRunner().invoke(cli, ["topology", "check", topology, *options])


def rows(topology: str) -> list[Row]:
    seen: list[Row] = json.loads(check(topology, "--json").stdout)
    return seen


def troubles(seen: list[Row]) -> list[Row]:
    """What is wrong, but for the load generator: there is none in this rig."""
    return [row for row in seen if not row["ok"] and not row["what"].startswith("Locust")]


def values(seen: list[Row], part: str) -> list[str]:
    return [row["value"] for row in seen if row["part"] == part]


def test_it_reads_every_part_as_it_is(rig: Rig) -> None:
    seen = rows(rig.configuration["topology"])
    assert troubles(seen) == []
    assert values(seen, "accounts") == ["123456789012, allowed"]
    assert values(seen, "stop_flag") == ["FALSE: open", "TRUE: closed"]
    assert values(seen, "routing") == [f"{TOKYO} On, {OSAKA} Off"] * 6, "as the drill asks, and each of five endpoints"
    cluster, synchronization = values(seen, "database")
    told = ("available", f"writer {TOKYO}", f"{TOKYO} tokyo-app", f"{OSAKA} osaka-app")
    assert [part for part in told if part not in cluster] == []
    assert synchronization == f"{TOKYO} connected, {OSAKA} connected"
    assert values(seen, "failover") == ["FailoverStateMachine-1A2B3C4D", "FailbackStateMachine-1A2B3C4D"]
    assert values(seen, "load_balancers") == [
        "10.100.5.165, 10.100.9.84 in 10.100.0.0/16",
        "10.101.4.37, 10.101.11.178 in 10.101.0.0/16",
    ]
    assert values(seen, "domain") == [f"10.100.5.165, 10.100.9.84: {TOKYO}"]
    assert values(seen, "client") == ["running", "Online", ""], "no Locust is part of this rig"


def test_after_a_failover_it_sees_the_other_region(rig: Rig) -> None:
    rig.lab.run_machine("FailoverStateMachine")
    seen = rows(rig.configuration["topology"])
    assert troubles(seen) == []
    assert values(seen, "stop_flag") == ["TRUE: closed", "FALSE: open"]
    assert values(seen, "domain") == [f"10.101.4.37, 10.101.11.178: {OSAKA}"]


def test_a_load_generator_that_does_not_answer_makes_it_fail(rig: Rig) -> None:
    (silent,) = [row for row in rows(rig.configuration["topology"]) if not row["ok"]]
    assert (silent["part"], silent["code"]) == ("client", "locust-unreachable")
    assert "http://127.0.0.1:9/chaosdrill/window" in silent["trouble"]
    result = check(rig.configuration["topology"])
    assert result.exit_code == 1
    assert all(word in result.stdout for word in (*silent["trouble"].split(), *silent["advice"].split()))


def test_a_local_load_generator_is_not_asked(rig: Rig, tmp_path: Path) -> None:
    topology = rig.other_topology(tmp_path / "t.yaml", client=rig.client_host(run="local"))["topology"]
    assert check(topology).exit_code == 0
    assert {row["ok"] for row in rows(topology)} == {True}


def test_an_endpoint_that_is_down_is_told_beside_those_that_are_not(rig: Rig) -> None:
    rig.impair("eu-west-1", True)
    wrong = troubles(rows(rig.configuration["topology"]))
    assert [(row["part"], row["what"].split()[-1]) for row in wrong] == [("routing", "eu-west-1")]
    assert "EndpointTemporarilyUnavailable" in wrong[0]["trouble"]
    assert wrong[0]["advice"]


def test_every_part_that_is_wrong_is_told_and_spoils_no_other(rig: Rig, tmp_path: Path) -> None:
    own = rig.lab.topology
    topology = rig.other_topology(
        tmp_path / "t.yaml",
        domain="nobody.example.com",
        client={**own["client"], "instance_id": "i-0123456789abcdef0"},
        load_balancers={
            TOKYO: {"arn": own["load_balancers"][TOKYO]["arn"][:-4] + "0000"},
            OSAKA: {"cidr": "10.101.0.0/16"},
        },
        stop_flag={**own["stop_flag"], "tables": {TOKYO: "nowhere", OSAKA: own["stop_flag"]["tables"][OSAKA]}},
        database={**own["database"], "global_cluster": "nowhere"},
        failover={**own["failover"], "failback_prefix": "Nothing"},
    )["topology"]
    seen = rows(topology)
    assert [(row["part"], row["what"].split(" ")[0]) for row in troubles(seen)] == [
        ("stop_flag", "nowhere"),
        ("database", "global"),
        ("database", "synchronization"),
        ("failover", "state"),
        ("load_balancers", TOKYO),
        ("domain", "nobody.example.com"),
        ("client", "i-0123456789abcdef0"),
        ("client", "SSM"),
    ]
    assert all(row["advice"] for row in troubles(seen))
    assert values(seen, "routing") == [f"{TOKYO} On, {OSAKA} Off"] * 6


def test_a_cluster_that_is_no_member_is_told(rig: Rig, tmp_path: Path) -> None:
    database = rig.lab.topology["database"]
    stranger = database["clusters"][OSAKA].replace("osaka-app", "osaka-old")
    changed = {**database, "clusters": {**database["clusters"], OSAKA: stranger}}
    (wrong,) = troubles(rows(rig.other_topology(tmp_path / "t.yaml", database=changed)["topology"]))
    assert wrong["code"] == "replica-unknown"
    assert all(named in wrong["trouble"] for named in (stranger, "chaosdrill-global", f"{TOKYO} tokyo-app"))


def test_without_usable_credentials_there_is_one_row_and_not_one_for_each_part(rig: Rig, tmp_path: Path) -> None:
    aws = {**rig.lab.topology["aws"], "profile": "nobody"}
    (only,) = rows(rig.other_topology(tmp_path / "t.yaml", aws=aws)["topology"])
    assert (only["part"], only["ok"]) == ("aws", False)
    assert "'nobody'" in only["trouble"]


def test_an_account_that_is_not_allowed_is_told(rig: Rig, tmp_path: Path) -> None:
    path = rig.other_topology(tmp_path / "t.yaml", accounts=["999999999999"])["topology"]
    row = rows(path)[0]
    assert row["code"] == "account-not-allowed"
    assert all(account in row["trouble"] for account in ("123456789012", "999999999999"))


def test_a_file_that_is_wrong_is_told_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("version: 2\n")
    error = check(str(path)).exception
    assert isinstance(error, BadInput)
    assert len(error.problems) == 11, "all at once"


@pytest.mark.parametrize(
    ("s3", "told"),
    [({}, "SSM"), ({"s3": "not-there/drills"}, "s3:ListBucket")],
)
def test_a_load_generator_on_the_client_host_is_looked_at_without_a_command(
    rig: Rig, tmp_path: Path, s3: dict[str, str], told: str
) -> None:
    rig.lab.supervisor.calls.clear()
    changed = rig.other_topology(tmp_path / "topology.json", client=rig.client_host(run="ssm", **s3))
    (row,) = [row for row in rows(changed["topology"]) if row["what"].startswith("Locust")]
    assert row["ok"] is not bool(s3)
    assert told in json.dumps(row)
    assert rig.lab.supervisor.asked("client.run") == []


def test_the_file_may_be_named_by_the_environment(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSDRILL_TOPOLOGY", rig.configuration["topology"])
    result = CliRunner().invoke(cli, ["topology", "check", "--json"])
    assert troubles(json.loads(result.stdout)) == []
    monkeypatch.delenv("CHAOSDRILL_TOPOLOGY")
    with fails_with("topology-missing") as missing:
        CliRunner().invoke(cli, ["topology", "check"], catch_exceptions=False)
    assert "CHAOSDRILL_TOPOLOGY" in str(missing.value)


def test_it_changes_nothing(rig: Rig) -> None:
    before = rig.lab.supervisor.calls.copy()
    rows(rig.configuration["topology"])
    assert rig.lab.supervisor.calls == before, "no command on the client host, no switchover, no fault"


def test_a_cluster_that_is_rebuilt_is_told(rig: Rig) -> None:
    with rig.lab.supervisor.resync_held():
        fail_over_database("standby", data_loss="allowed", configuration=rig.configuration)
        (row,) = troubles(rows(rig.configuration["topology"]))
        assert (row["part"], row["code"]) == ("database", "database-not-synchronized")
        assert f"{TOKYO} pending-resync, {OSAKA} connected" in row["trouble"]
