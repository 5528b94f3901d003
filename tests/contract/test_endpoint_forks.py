"""AWS endpoints that are forked off one process: each is as new as a process of its own."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.lab_aws import LabAws, get, running
from tests.waiting import wait_for

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
FLAG = {"PK": {"S": "stopFlag"}}


@pytest.fixture
def used(tmp_path: Path) -> Iterator[LabAws]:
    """An endpoint at which every kind of state was changed, and that still runs."""
    (tmp_path / "used").mkdir()
    with running(tmp_path / "used") as lab:
        change(lab)
        yield lab


def change(lab: LabAws) -> None:
    bucket = {"LocationConstraint": HOME}
    lab.client("s3", HOME).create_bucket(Bucket="left-over", CreateBucketConfiguration=bucket)
    lab.client("dynamodb", HOME).put_item(TableName=lab.plan.home.flag_table, Item={**FLAG, "value": {"S": "true"}})
    lab.client("rds").switchover_global_cluster(
        GlobalClusterIdentifier=lab.topology["database"]["global_cluster"],
        TargetDbClusterIdentifier=lab.topology["database"]["clusters"][STANDBY],
    )
    wait_for(lambda: state(lab)["writer"] == STANDBY)
    lab.client("ecs", HOME).update_service(cluster="tokyo-app", service="count", desiredCount=0)
    lab.client("events").enable_rule(Name="start-failover-on-alarm")
    lab.client("stepfunctions").start_execution(stateMachineArn=lab.machine("FailoverStateMachine"))
    get(f"{lab.url}/chaosdrill/arc-endpoints/us-east-1", {"impaired": True}, "PUT")
    get(f"{lab.url}/chaosdrill/faults", {"service": "sts", "kind": "throttling"}, "PUT")


def state(lab: LabAws) -> dict[str, Any]:
    """What :func:`change` changes."""
    machine = lab.machine("FailoverStateMachine")
    lab.become_consistent()
    (cluster,) = lab.client("rds").describe_global_clusters()["GlobalClusters"]
    item = lab.client("dynamodb", HOME).get_item(TableName=lab.plan.home.flag_table, Key=FLAG)["Item"]
    services = lab.client("ecs", HOME).describe_services(cluster="tokyo-app", services=["count"])["services"]
    return {
        "buckets": lab.client("s3", HOME).list_buckets()["Buckets"],
        "flag": item["value"]["S"],
        "writer": next(one["DBClusterArn"].split(":")[3] for one in cluster["GlobalClusterMembers"] if one["IsWriter"]),
        "tasks": services[0]["desiredCount"],
        "rule": lab.client("events").describe_rule(Name="start-failover-on-alarm")["State"],
        "executions": len(lab.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]),
        "faults": get(f"{lab.url}/chaosdrill/faults")[1]["faults"],
    }


def test_nothing_of_one_is_in_the_next(used: LabAws, tmp_path: Path) -> None:
    at_rest = {
        "buckets": [],
        "flag": "false",
        "writer": HOME,
        "tasks": 2,
        "rule": "DISABLED",
        "executions": 0,
        "faults": [],
    }
    changed = state(used)
    assert [name for name, value in changed.items() if value == at_rest[name]] == []
    (tmp_path / "new").mkdir()
    with running(tmp_path / "new") as new:
        assert state(new) == at_rest


def test_one_that_is_killed_leaves_the_next_alone(used: LabAws, tmp_path: Path) -> None:
    used.process.kill()
    assert used.process.wait() == -signal.SIGKILL
    assert used.process.poll() == -signal.SIGKILL
    (tmp_path / "new").mkdir()
    with running(tmp_path / "new") as new:
        assert new.process.poll() is None
