"""Cutting a region off: the action, the FIS template it makes, and what the lab's FIS does with it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chaosdrill.history import OpenDrill
from chaosdrill.packet_loss.actions import heal_packet_loss, isolate_region
from chaosdrill.packet_loss.isolation import template
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.failing import fails_with
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NETWORKS = {"10.100.1.0/24", "10.100.2.0/24", "10.100.4.0/22", "10.100.8.0/22"}


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()
    rig.lab.supervisor.calls.clear()


def test_every_subnet_of_the_application_is_cut_off_until_it_is_healed(rig: Rig, one_drill: OpenDrill) -> None:
    done = isolate_region(duration_s=600, configuration=rig.configuration)
    assert (done["done"], done["region"], len(done["subnets"])) == (True, TOKYO, 4)
    (asked,) = rig.lab.supervisor.asked("network.isolate")
    assert set(asked["networks"]) == NETWORKS
    assert asked["duration_s"] == pytest.approx(600 * rig.lab.plan.scale)
    assert [row["undo"] for row in one_drill.history.events("undo")] == ["heal_packet_loss"]
    healed = heal_packet_loss(configuration=rig.configuration)
    assert [one["state"] for one in healed["experiments"]] == ["stopped"]
    assert rig.lab.supervisor.asked("network.reconnect") == [{"id": asked["id"]}]


def test_some_subnets_by_id_and_another_region(rig: Rig, one_drill: OpenDrill) -> None:
    subnets = rig.lab.client("ec2", OSAKA).describe_subnets()["Subnets"]
    named = next(one["SubnetId"] for one in subnets if one["CidrBlock"] == "10.101.1.0/24")
    done = isolate_region(region="standby", subnets=[named], configuration=rig.configuration)
    assert (done["region"], done["subnets"]) == (OSAKA, [named])
    assert [call["networks"] for call in rig.lab.supervisor.asked("network.isolate")] == [["10.101.1.0/24"]]
    assert heal_packet_loss(configuration=rig.configuration)["done"]


def test_what_is_wrong_is_told_before_anything_starts(rig: Rig) -> None:
    with fails_with("argument-invalid"):
        isolate_region(duration_s=5, configuration=rig.configuration)
    with fails_with("argument-invalid"):
        isolate_region(subnets="subnet-1", configuration=rig.configuration)  # type: ignore[arg-type]
    with fails_with("subnet-missing"):
        isolate_region(subnets=["subnet-0123"], configuration=rig.configuration)
    client = rig.lab.client("ec2", TOKYO).describe_instances()["Reservations"][0]["Instances"][0]
    with fails_with("client-host-in-subnet"):
        isolate_region(subnets=[client["SubnetId"]], configuration=rig.configuration)
    assert rig.lab.supervisor.calls == []


def test_an_engaged_safety_lever_is_told_before_anything_starts(rig: Rig, one_drill: OpenDrill) -> None:
    """That of the region that would be cut off: each region has its own."""
    fis = rig.lab.client("fis", OSAKA)
    fis.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    try:
        with fails_with("safety-lever-engaged"):
            isolate_region(region="standby", duration_s=600, configuration=rig.configuration)
        assert rig.lab.supervisor.calls == []
        assert one_drill.history.events("undo") == []
        assert isolate_region(region="home", duration_s=600, configuration=rig.configuration)["done"]
        heal_packet_loss(configuration=rig.configuration)
    finally:
        fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})


def test_what_is_cut_off_already_is_not_cut_off_again(rig: Rig, one_drill: OpenDrill) -> None:
    done = isolate_region(duration_s=600, configuration=rig.configuration)
    with fails_with("fault-in-force"):
        isolate_region(subnets=done["subnets"][:1], duration_s=60, configuration=rig.configuration)
    assert [row["region"] for row in one_drill.history.events("undo")] == [TOKYO], "of the one that runs"
    assert isolate_region(region="standby", duration_s=600, configuration=rig.configuration)["done"]
    heal_packet_loss(configuration=rig.configuration)
    assert isolate_region(duration_s=600, configuration=rig.configuration)["done"], "the way is free again"
    heal_packet_loss(configuration=rig.configuration)


def test_a_target_names_at_most_five_subnets() -> None:
    arns = [f"arn:aws:ec2:{TOKYO}:1:subnet/subnet-{number}" for number in range(12)]
    made = template(arns, 600, "cut", "arn:role")
    assert [len(target["resourceArns"]) for target in made["targets"].values()] == [5, 5, 2]
    used = [action["targets"]["Subnets"] for action in made["actions"].values()]
    assert used == list(made["targets"])


def fis_template(rig: Rig, **changed: Any) -> str:
    action = {"actionId": "aws:network:disrupt-connectivity", "targets": {"Subnets": "all"}}
    parameters = {"scope": "all", "duration": "PT1M"}
    made = rig.lab.client("fis", TOKYO).create_experiment_template(
        description="x",
        stopConditions=[{"source": "none"}],
        roleArn="arn:aws:iam::123456789012:role/fis-experiments",
        targets={
            "all": {"resourceType": "aws:ec2:subnet", "resourceTags": {"Name": "database"}, "selectionMode": "ALL"}
        },
        actions={"cut": {**action, "parameters": parameters, **changed}},
    )["experimentTemplate"]
    return str(made["id"])


def ended(rig: Rig, template_id: str) -> dict[str, Any]:
    fis = rig.lab.client("fis", TOKYO)
    started = fis.start_experiment(experimentTemplateId=template_id)["experiment"]["id"]

    def look() -> Any:
        found = fis.get_experiment(id=started)["experiment"]
        return found if found["state"]["status"] in ("completed", "failed") else None

    found: dict[str, Any] = wait_for(look)
    return found


def test_fis_finds_subnets_by_tag_and_ends_after_the_duration(rig: Rig) -> None:
    assert ended(rig, fis_template(rig))["state"]["status"] == "completed"
    assert [call["networks"] for call in rig.lab.supervisor.asked("network.isolate")] == [["10.100.1.0/24"]]


def test_fis_says_what_it_cannot(rig: Rig) -> None:
    failed = ended(rig, fis_template(rig, parameters={"scope": "s3", "duration": "PT1M"}))
    assert "'s3'" in failed["state"]["reason"]
    with pytest.raises(ClientError, match=r"\(ValidationException\).*\bSubnets\b"):
        fis_template(rig, targets={})
    with pytest.raises(ClientError, match=r"\(ValidationException\).*\bscope\b"):
        fis_template(rig, parameters={"duration": "PT1M"})
