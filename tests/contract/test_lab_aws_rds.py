"""Aurora's global database: each behaviour of moto's that the lab mends."""

import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.lab_aws import LabAws, running
from tests.waiting import wait_for

pytestmark = pytest.mark.long

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
NAME = "chaosdrill-global"


def described(lab: LabAws) -> dict[str, Any]:
    found = lab.client("rds").describe_global_clusters(GlobalClusterIdentifier=NAME)["GlobalClusters"]
    assert len(found) == 1
    return dict(found[0])


def writer(lab: LabAws) -> str:
    return next(str(one["DBClusterArn"]) for one in described(lab)["GlobalClusterMembers"] if one["IsWriter"])


def cluster(lab: LabAws, region: str) -> str:
    return str(lab.topology["database"]["clusters"][region])


def move(lab: LabAws, operation: str, region: str, **options: Any) -> dict[str, Any]:
    asked = {"GlobalClusterIdentifier": NAME, "TargetDbClusterIdentifier": cluster(lab, region), **options}
    return dict(getattr(lab.client("rds"), operation)(**asked)["GlobalCluster"])


def synchronization(lab: LabAws) -> dict[str, str]:
    members = described(lab)["GlobalClusterMembers"]
    return {str(one["DBClusterArn"]).split(":")[3]: str(one["SynchronizationStatus"]) for one in members}


def available(lab: LabAws) -> dict[str, Any] | None:
    found = described(lab)
    return found if found["Status"] == "available" else None


def test_describe_honours_the_identifier(aws: LabAws) -> None:
    assert described(aws)["GlobalClusterIdentifier"] == NAME
    rds = aws.client("rds")
    assert len(rds.describe_global_clusters()["GlobalClusters"]) == 1
    with pytest.raises(rds.exceptions.GlobalClusterNotFoundFault):
        rds.describe_global_clusters(GlobalClusterIdentifier="other")


@pytest.mark.parametrize(
    ("operation", "options", "status", "op"),
    [
        ("switchover_global_cluster", {}, "switching-over", "database.switchover"),
        ("failover_global_cluster", {"AllowDataLoss": False}, "switching-over", "database.switchover"),
        ("failover_global_cluster", {"AllowDataLoss": True}, "failing-over", "database.failover"),
    ],
)
def test_the_writer_moves_when_the_swap_is_done(
    aws: LabAws, operation: str, options: dict[str, bool], status: str, op: str
) -> None:
    with aws.supervisor.writer_held():
        begun = move(aws, operation, STANDBY, **options)
        during = described(aws)
        assert (during["Status"], writer(aws)) == (status, cluster(aws, HOME))
    assert begun["Status"] == status
    assert begun["FailoverState"] == {
        "Status": status,
        "FromDbClusterArn": cluster(aws, HOME),
        "ToDbClusterArn": cluster(aws, STANDBY),
        "IsDataLossAllowed": options.get("AllowDataLoss", False),
    }
    after = wait_for(lambda: available(aws))
    assert "FailoverState" not in after
    assert writer(aws) == cluster(aws, STANDBY)
    assert aws.supervisor.calls == [(op, {"to_region": STANDBY})]

    wait_for(lambda: synchronization(aws) == {HOME: "connected", STANDBY: "connected"})
    move(aws, "switchover_global_cluster", HOME)
    wait_for(lambda: available(aws))
    assert writer(aws) == cluster(aws, HOME)


def test_after_a_swap_that_fails_the_old_writer_is_available_again(aws: LabAws) -> None:
    aws.supervisor.refuse["database.switchover"] = "the standby does not follow"
    assert move(aws, "switchover_global_cluster", STANDBY)["Status"] == "switching-over"
    wait_for(lambda: available(aws))
    assert writer(aws) == cluster(aws, HOME)


def test_what_cannot_be_moved_is_refused(aws: LabAws) -> None:
    def refused(code: str, region: str, **changed: str) -> None:
        asked = {"GlobalClusterIdentifier": NAME, "TargetDbClusterIdentifier": cluster(aws, region), **changed}
        with pytest.raises(ClientError) as error:
            aws.client("rds").switchover_global_cluster(**asked)
        assert error.value.response["Error"]["Code"] == code

    refused("InvalidDBClusterStateFault", HOME)
    refused("GlobalClusterNotFoundFault", STANDBY, GlobalClusterIdentifier="other")
    refused("DBClusterNotFoundFault", STANDBY, TargetDbClusterIdentifier="arn:aws:rds:x:1:cluster:other")
    with aws.supervisor.writer_held():
        move(aws, "switchover_global_cluster", STANDBY)
        refused("InvalidGlobalClusterStateFault", STANDBY)
    wait_for(lambda: available(aws))
    move(aws, "switchover_global_cluster", HOME)
    wait_for(lambda: available(aws))
    assert [call["to_region"] for call in aws.supervisor.asked("database.switchover")] == [STANDBY, HOME]


def test_after_an_unplanned_failover_nothing_moves_to_the_old_primary_until_it_is_rebuilt(aws: LabAws) -> None:
    connected = {HOME: "connected", STANDBY: "connected"}
    assert synchronization(aws) == connected
    with aws.supervisor.resync_held():
        move(aws, "failover_global_cluster", STANDBY, AllowDataLoss=True)
        wait_for(lambda: available(aws))
        assert writer(aws) == cluster(aws, STANDBY), "the new primary takes writes meanwhile"
        for operation, options in (
            ("switchover_global_cluster", {}),
            ("failover_global_cluster", {"AllowDataLoss": False}),
            ("failover_global_cluster", {"AllowDataLoss": True}),
        ):
            with pytest.raises(ClientError) as refused:
                move(aws, operation, HOME, **options)
            assert refused.value.response["Error"]["Code"] == "InvalidDBClusterStateFault"
        assert synchronization(aws) == {HOME: "pending-resync", STANDBY: "connected"}
    wait_for(lambda: synchronization(aws) == connected)
    move(aws, "switchover_global_cluster", HOME)
    wait_for(lambda: available(aws))
    assert writer(aws) == cluster(aws, HOME)


def test_the_rebuild_lasts_as_long_as_the_plan_says(aws: LabAws) -> None:
    began_s = time.monotonic()
    move(aws, "failover_global_cluster", STANDBY, AllowDataLoss=True)
    wait_for(lambda: synchronization(aws)[HOME] == "pending-resync")
    wait_for(lambda: synchronization(aws)[HOME] == "connected")
    assert time.monotonic() - began_s >= aws.plan.resync_reference_s * aws.plan.scale
    move(aws, "switchover_global_cluster", HOME)
    wait_for(lambda: available(aws))


def test_a_planned_switchover_rebuilds_nothing(aws: LabAws) -> None:
    with aws.supervisor.resync_held():
        for region in (STANDBY, HOME):
            move(aws, "switchover_global_cluster", region)
            wait_for(lambda: available(aws))
            assert set(synchronization(aws).values()) == {"connected"}


def test_a_lenient_lab_connects_the_old_primary_at_once(tmp_path: Path) -> None:
    with running(tmp_path, lenient=("database-resync",)) as lab, lab.supervisor.resync_held():
        for operation, region in (("failover_global_cluster", STANDBY), ("switchover_global_cluster", HOME)):
            move(lab, operation, region, **({"AllowDataLoss": True} if region == STANDBY else {}))
            wait_for(lambda: available(lab))
        assert writer(lab) == cluster(lab, HOME)
