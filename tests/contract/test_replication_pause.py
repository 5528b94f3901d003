"""Pausing the main table's replication: the action, the FIS template it makes, what the lab's FIS does, and the lag."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.database.probes import main_table_lag_s
from chaosdrill.experiment_files import configuration_of
from chaosdrill.history import OpenDrill
from chaosdrill.lab.plan import MAIN_TABLE, PAUSE_BEGINS_REFERENCE_S
from chaosdrill.packet_loss.actions import heal_packet_loss, isolate_region, pause_replication
from chaosdrill.packet_loss.replication_pause import PAUSED_WITHIN_S
from chaosdrill.policies import filled, policy_of
from chaosdrill.rehearsal.rehearse import rehearse
from chaosdrill.topology import load_topology
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.drills import EXPERIMENTS, with_its_option
from tests.failing import fails_with
from tests.iam_policy import not_allowed, wanted
from tests.waiting import wait_for

pytestmark = pytest.mark.long

ROLE = "chaosdrill-replication-pause"


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> Iterator[None]:
    rig.go_home()
    rig.lab.supervisor.calls.clear()
    yield
    rig.go_home()


def test_the_main_table_is_paused_until_it_is_healed(rig: Rig, one_drill: OpenDrill) -> None:
    done = pause_replication(duration_s=600, configuration=rig.configuration)
    assert (done["done"], done["region"], done["table"]) == (True, TOKYO, MAIN_TABLE)
    (asked,) = rig.lab.supervisor.asked("main_table.pause")
    scale = rig.lab.plan.scale
    assert asked["duration_s"] == pytest.approx(600 * scale)
    assert 0 < asked["after_s"] < PAUSED_WITHIN_S * scale, "DynamoDB goes on replicating, but not as long as is waited"
    assert [row["undo"] for row in one_drill.history.events("undo")] == ["heal_packet_loss"]
    assert [row.get("kind") for row in one_drill.history.events("fault-started")] == ["replication-pause"]
    healed = heal_packet_loss(configuration=rig.configuration)
    assert [one["state"] for one in healed["experiments"]] == ["stopped"]
    assert rig.lab.supervisor.asked("main_table.resume") == [{"id": asked["id"]}]


def test_it_returns_only_when_the_replication_is_surely_paused(rig: Rig, one_drill: OpenDrill) -> None:
    """FIS says running at once; DynamoDB may go on for five minutes."""
    began = time.monotonic()
    pause_replication(duration_s=600, configuration=rig.configuration)
    assert time.monotonic() - began >= PAUSED_WITHIN_S * rig.lab.plan.scale


def test_an_experiment_that_ends_meanwhile_has_not_paused_it(rig: Rig, one_drill: OpenDrill, tmp_path: Path) -> None:
    fis, failures = rig.lab.client("fis", TOKYO), []
    patient = rig.other_topology(tmp_path / "topology.yaml", time_scale=1)

    def pause() -> None:
        with fails_with("fault-not-started"):
            pause_replication(duration_s=43200, configuration=patient)
        failures.append("refused")

    caller = threading.Thread(target=pause)
    caller.start()

    def running() -> list[str]:
        found = fis.list_experiments()["experiments"]
        return [str(one["id"]) for one in found if one["state"]["status"] == "running"]

    for experiment in wait_for(running):
        fis.stop_experiment(id=experiment)
    caller.join()
    assert failures == ["refused"]


def test_what_is_wrong_is_found_before_anything_starts(rig: Rig, tmp_path: Path) -> None:
    with fails_with("argument-invalid"):
        pause_replication(duration_s=300, configuration=rig.configuration)
    with fails_with("main-table-missing"):
        pause_replication(table="Nothing", configuration=rig.configuration)
    with fails_with("main-table-not-global"):
        pause_replication(table=rig.lab.topology["stop_flag"]["tables"][TOKYO], configuration=rig.configuration)
    unnamed = rig.other_topology(tmp_path / "topology.yaml", main_table=MAIN_TABLE)
    facts = json.loads(Path(unnamed["topology"]).read_text())
    del facts["main_table"]
    Path(unnamed["topology"]).write_text(json.dumps(facts))
    with fails_with("main-table-unnamed"):
        pause_replication(configuration=unnamed)
    assert rig.lab.supervisor.calls == []


def test_a_strongly_consistent_table_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would refuse writes in the region whose replica is cut off: an outage that nobody meant."""
    described: Any = rig.lab.client("dynamodb", TOKYO).describe_table(TableName=MAIN_TABLE)
    described["Table"]["MultiRegionConsistency"] = "STRONG"
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", _answering("DescribeTable", described))
    with fails_with("main-table-strongly-consistent"):
        pause_replication(configuration=rig.configuration)
    assert rig.lab.supervisor.calls == []


def _answering(operation: str, answer: Any) -> Any:
    from botocore.client import BaseClient

    ask = BaseClient._make_api_call

    def call(self: Any, name: str, arguments: Any) -> Any:
        return answer if name == operation else ask(self, name, arguments)

    return call


def test_what_is_paused_already_is_not_paused_again(rig: Rig, one_drill: OpenDrill) -> None:
    pause_replication(duration_s=600, configuration=rig.configuration)
    with fails_with("fault-in-force"):
        pause_replication(duration_s=360, configuration=rig.configuration)
    heal_packet_loss(configuration=rig.configuration)


def test_the_role_must_be_allowed_to_change_the_policies_of_table_and_stream(rig: Rig, one_drill: OpenDrill) -> None:
    pause_replication(duration_s=600, configuration=rig.configuration)
    heal_packet_loss(configuration=rig.configuration)
    iam = rig.lab.client("iam")
    name = {"RoleName": ROLE, "PolicyName": "replication-pause"}
    policy = iam.get_role_policy(**name)["PolicyDocument"]
    narrow = {**policy, "Statement": [{**one, "Resource": _first(one["Resource"])} for one in policy["Statement"]]}
    given = rig.lab.client("iam").get_role(RoleName=ROLE)["Role"]["Arn"]
    iam.put_role_policy(**name, PolicyDocument=json.dumps(narrow))
    try:
        with fails_with("fault-not-started") as failed:
            pause_replication(duration_s=600, role_arn=given, configuration=rig.configuration)
    finally:
        iam.put_role_policy(**name, PolicyDocument=json.dumps(policy))
    assert f"table/{MAIN_TABLE}/stream/" in str(failed.value)


def _first(resource: Any) -> Any:
    return resource[0] if isinstance(resource, list) else resource


def test_the_printed_policy_allows_what_it_asks_for(rig: Rig, one_drill: OpenDrill) -> None:
    before = get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"][-1]["number"]
    pause_replication(duration_s=600, template="exp-of-the-policy", configuration=rig.configuration)
    heal_packet_loss(configuration=rig.configuration)
    calls = get(f"{rig.lab.url}/chaosdrill/calls?since={before}")[1]["calls"]
    asked = wanted(call for call in calls if call["by"] == "chaosdrill")
    topology, configuration = load_topology(rig.lab.plan.topology_file), configuration_of("region-loss")
    with_pause = filled(policy_of("region-loss"), topology, configuration, {"pause_replication"})
    assert not_allowed(with_pause, asked) == []
    assert not_allowed(filled(policy_of("region-loss"), topology, configuration), asked) != []


def test_a_rehearsal_says_what_the_option_does_and_may_make_its_template(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "region-loss.yaml"
    path.write_text(with_its_option((EXPERIMENTS / "region-loss.yaml").read_text()))
    seen = rehearse(path, {}, rig.lab.plan.topology_file, make_templates=True)
    (step,) = [one for one in seen.steps if one.step.name == "pause-replication"]
    assert step.step.undone_by == ("resume-replication",)
    assert step.effect is not None
    assert MAIN_TABLE in step.effect.touches
    (preview,) = [one for one in seen.previews if one.step == "pause-replication"]
    assert (preview.trouble, len(preview.targets)) == ("", 1)
    assert preview.targets[0].endswith(f":{TOKYO}:{rig.lab.plan.account}:table/{MAIN_TABLE}")
    assert rig.lab.supervisor.asked("main_table.pause") == [], "nothing was paused"


def test_the_lag_is_what_cloudwatch_has_of_the_table_and_the_region_that_receives(rig: Rig) -> None:
    waits: dict[str, Any] = {"within_s": 60, "configuration": rig.configuration}
    assert main_table_lag_s(**waits) == 0.5
    with fails_with("metric-missing"):
        main_table_lag_s("home", configuration=rig.configuration)  # nothing is written in Osaka


def test_the_lag_is_recorded_before_an_isolation_and_before_a_pause(rig: Rig, one_drill: OpenDrill) -> None:
    main_table_lag_s(within_s=60, configuration=rig.configuration)
    isolate_region(duration_s=600, configuration=rig.configuration)
    isolate_region(region="standby", duration_s=600, configuration=rig.configuration)
    heal_packet_loss(configuration=rig.configuration)
    events = one_drill.history.events("main-table-lag")
    shown = [(row["table"], row["region"], row["receiving"], row["lag_s"]) for row in events]
    assert shown == [(MAIN_TABLE, TOKYO, OSAKA, 0.5), (MAIN_TABLE, OSAKA, TOKYO, None)]
    assert [bool(row["why"]) for row in events] == [False, True], "what cannot be read says why, and stops no fault"


def resource_policies(rig: Rig) -> list[list[dict[str, Any]]]:
    """The statements of the policies of home's replica and of its stream; none without a policy."""
    client = rig.lab.client("dynamodb", TOKYO)
    table = client.describe_table(TableName=MAIN_TABLE)["Table"]
    found = []
    for arn in (table["TableArn"], table["LatestStreamArn"]):
        try:
            policy = client.get_resource_policy(ResourceArn=arn)["Policy"]
        except client.exceptions.PolicyNotFoundException:
            policy = '{"Statement": []}'
        found.append(json.loads(policy)["Statement"])
    return found


def test_while_it_is_paused_resource_policies_deny_the_replication(rig: Rig, one_drill: OpenDrill) -> None:
    """As FIS's reference has them; they end by themselves, too."""
    paused = pause_replication(duration_s=600, configuration=rig.configuration)
    (service, role), (stream,) = resource_policies(rig)
    sid = f"DoNotModifyFisDynamoDbPauseReplication{paused['experiment_id']}"
    assert [one["Sid"] for one in (service, role, stream)] == [f"{sid}ServicePrincipal", sid, sid]
    assert {one["Effect"] for one in (service, role, stream)} == {"Deny"}
    assert "dynamodb:WriteDataForReplication" in service["Action"]
    assert role["Condition"]["ArnEquals"]["aws:PrincipalArn"].endswith("/AWSServiceRoleForDynamoDBReplication")
    assert "dynamodb:GetRecords" in stream["Action"]
    ends = datetime.fromisoformat(stream["Condition"]["DateLessThan"]["aws:CurrentTime"])
    assert ends <= datetime.now(UTC) + timedelta(seconds=600 * rig.lab.plan.scale)
    heal_packet_loss(configuration=rig.configuration)
    assert resource_policies(rig) == [[], []]


def test_a_policy_of_somebody_else_stays_as_it_is(rig: Rig, one_drill: OpenDrill) -> None:
    client = rig.lab.client("dynamodb", TOKYO)
    arn = client.describe_table(TableName=MAIN_TABLE)["Table"]["TableArn"]
    other = {"Sid": "other", "Effect": "Deny", "Principal": "*", "Action": "dynamodb:DeleteTable", "Resource": arn}
    client.put_resource_policy(ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [other]}))
    try:
        pause_replication(duration_s=600, configuration=rig.configuration)
        assert [len(found) for found in resource_policies(rig)] == [3, 1]
        heal_packet_loss(configuration=rig.configuration)
        assert resource_policies(rig) == [[other], []]
    finally:
        client.delete_resource_policy(ResourceArn=arn)


def test_fis_ends_it_after_its_duration(rig: Rig) -> None:
    assert PAUSE_BEGINS_REFERENCE_S < PAUSED_WITHIN_S
    fis = rig.lab.client("fis", TOKYO)
    arn = rig.lab.client("dynamodb", TOKYO).describe_table(TableName=MAIN_TABLE)["Table"]["TableArn"]
    made = fis.create_experiment_template(
        description="x",
        stopConditions=[{"source": "none"}],
        roleArn="arn:aws:iam::123456789012:role/fis-experiments",
        targets={"t": {"resourceType": "aws:dynamodb:global-table", "resourceArns": [arn], "selectionMode": "ALL"}},
        actions={
            "pause": {
                "actionId": "aws:dynamodb:global-table-pause-replication",
                "targets": {"Tables": "t"},
                "parameters": {"duration": "PT1M"},
            }
        },
    )["experimentTemplate"]["id"]
    started = fis.start_experiment(experimentTemplateId=made)["experiment"]["id"]
    state = wait_for(lambda: _ended(fis, started))
    assert state == "completed"
    assert rig.lab.supervisor.asked("main_table.resume") == [], "the lab's main table ends it by itself"
    assert resource_policies(rig) == [[], []]


def _ended(fis: Any, experiment: str) -> str | None:
    state = str(fis.get_experiment(id=experiment)["experiment"]["state"]["status"])
    return state if state in ("completed", "failed") else None
