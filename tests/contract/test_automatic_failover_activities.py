"""ECS services, alarms, the rule, and the failover that the system starts by itself, against the lab's AWS endpoint."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chaosdrill.automatic_failover.actions import disable_automatic_failover, enable_automatic_failover
from chaosdrill.automatic_failover.probes import alarm_state, automatic_failover
from chaosdrill.failover.actions import fail_back
from chaosdrill.failover.probes import running_executions
from chaosdrill.history import OpenDrill
from chaosdrill.region.probes import region_state
from chaosdrill.service.actions import restore_desired_count, set_desired_count
from chaosdrill.service.probes import running_count
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.failing import fails_with
from tests.waiting import wait_for

RULE, ALARM, OBSERVER_ALARM = "start-failover-on-alarm", "canaryAlerm-ap-northeast-3", "canaryAlerm-us-west-2"
MANAGED = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
SERVICE = {"cluster": "tokyo-app", "service": "transaction"}


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> Iterator[None]:
    yield
    wait_for(lambda: running_executions(configuration=rig.configuration) == 0)
    rig.lab.client("events").disable_rule(Name=RULE)
    set_alarms(rig, "OK")
    rig.go_home()
    set_desired_count(count=2, **SERVICE, configuration=rig.configuration)


def set_alarms(rig: Rig, state: str) -> None:
    for region, alarm in (("us-west-2", OBSERVER_ALARM), (OSAKA, ALARM)):
        client = rig.lab.client("cloudwatch", region)
        client.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="by hand")


def test_a_service_is_taken_away_and_given_back(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("activity-started", activity="take-away")
    taken = set_desired_count(count=0, **SERVICE, configuration=rig.configuration)
    assert (taken["done"], taken["region"], taken["was"], taken["is"]) == (True, TOKYO, 2, 0)
    assert running_count(**SERVICE, configuration=rig.configuration) == 0
    again = set_desired_count(count=0, **SERVICE, configuration=rig.configuration)
    assert (again["done"], again["was"], again["is"]) == (False, 0, 0)
    set_desired_count(count=1, **SERVICE, configuration=rig.configuration)
    back = restore_desired_count(undo_of="take-away", configuration=rig.configuration)
    assert [(one["service"], one["is"]) for one in back["services"]] == [("transaction", 2)]  # what it was at first
    assert running_count(**SERVICE, configuration=rig.configuration) == 2
    assert restore_desired_count(undo_of="take-away", configuration=rig.configuration)["done"] is False


def test_only_this_runs_services_are_given_back(rig: Rig, one_drill: OpenDrill) -> None:
    assert restore_desired_count(undo_of="take-away", configuration=rig.configuration)["done"] is False


def test_wrong_services_and_counts_are_named(rig: Rig) -> None:
    for count in (-1, "two", 1.5, True):
        with fails_with("argument-invalid"):
            set_desired_count(count=count, **SERVICE, configuration=rig.configuration)  # type: ignore[arg-type]
    with fails_with("service-missing"):
        running_count(cluster="tokyo-app", service="nobody", configuration=rig.configuration)
    with fails_with("service-missing"):
        running_count(cluster="nowhere", service="transaction", configuration=rig.configuration)


def test_tasks_that_do_not_follow_are_told(rig: Rig) -> None:
    rig.lab.supervisor.refuse["application.run"] = "no"
    with fails_with("tasks-not-running"):
        set_desired_count(count=0, **SERVICE, timeout_s=1, configuration=rig.configuration)
    del rig.lab.supervisor.refuse["application.run"]


def test_alarms_are_seen_in_whatever_region_they_are(rig: Rig) -> None:
    set_alarms(rig, "ALARM")
    assert alarm_state(ALARM, configuration=rig.configuration) == "ALARM"
    assert alarm_state(OBSERVER_ALARM, region="us-west-2", configuration=rig.configuration) == "ALARM"
    with fails_with("alarm-missing"):
        alarm_state("nothing", region="us-west-2", configuration=rig.configuration)
    threading.Timer(0.5, set_alarms, (rig, "OK")).start()
    assert alarm_state(ALARM, within_s=20, configuration=rig.configuration) == "OK"


def test_a_composite_alarm_is_an_alarm_too(rig: Rig) -> None:
    """DescribeAlarms leaves them out when nobody asks for them."""
    client = rig.lab.client("cloudwatch", OSAKA)
    client.put_composite_alarm(AlarmName="both", AlarmRule=f'ALARM("{ALARM}")')
    client.set_alarm_state(AlarmName="both", StateValue="ALARM", StateReason="by hand")
    try:
        assert client.describe_alarms(AlarmNames=["both"])["CompositeAlarms"] == []
        assert alarm_state("both", configuration=rig.configuration) == "ALARM"
    finally:
        client.delete_alarms(AlarmNames=["both"])


def described(rig: Rig) -> dict[str, Any]:
    """All that a rule is, with its targets and tags."""
    events = rig.lab.client("events")
    rule = events.describe_rule(Name=RULE)
    targets, tags = events.list_targets_by_rule(Rule=RULE), events.list_tags_for_resource(ResourceARN=rule["Arn"])
    return {**rule, "Targets": targets["Targets"], "Tags": tags["Tags"], "ResponseMetadata": None}


@pytest.fixture
def managed(rig: Rig) -> Iterator[dict[str, Any]]:
    """The rule as somebody has it who reads CloudTrail's management events, too."""
    events, before = rig.lab.client("events"), described(rig)
    more = {"Description": "alarms, and who changed them", "EventPattern": before["EventPattern"]}
    events.put_rule(Name=RULE, State=MANAGED, ScheduleExpression="rate(7 days)", **more)
    events.tag_resource(ResourceARN=before["Arn"], Tags=[{"Key": "owner", "Value": "payments"}])
    yield described(rig)
    events.put_rule(Name=RULE, EventPattern=before["EventPattern"], State="DISABLED")
    events.untag_resource(ResourceARN=before["Arn"], TagKeys=["owner"])


def test_a_rule_that_also_sends_management_events_is_enabled(
    rig: Rig, one_drill: OpenDrill, managed: dict[str, Any]
) -> None:
    with fails_with("rule-enabled"):
        enable_automatic_failover(RULE, configuration=rig.configuration)
    done = disable_automatic_failover(RULE, configuration=rig.configuration)
    assert (done["done"], done["was"]) == (True, MANAGED)
    assert described(rig) == {**managed, "State": "DISABLED"}


def test_the_undo_of_disabling_a_rule_restores_it_with_the_state_that_it_had(
    rig: Rig, one_drill: OpenDrill, managed: dict[str, Any]
) -> None:
    """EnableRule gives ENABLED, and PutRule clears what it is not given."""
    assert all(managed[name] for name in ("Targets", "Tags", "Description"))
    disable_automatic_failover(RULE, configuration=rig.configuration)
    done = enable_automatic_failover(RULE, configuration=rig.configuration)
    assert (done["was"], done["is"]) == ("DISABLED", MANAGED)
    assert described(rig) == managed
    owed = one_drill.history.events("undo")[0]  # what a person calls who pays it later
    rig.lab.client("events").disable_rule(Name=RULE)
    enable_automatic_failover(**owed["arguments"], configuration=rig.configuration)
    assert owed["undo"] == "enable_automatic_failover"
    assert described(rig) == managed


def disabled_by(one_drill: OpenDrill, rig: Rig) -> None:
    """A step that disables the rule, as a drill records it."""
    step = {"activity": "disable-rule", "phase": "method"}
    one_drill.history.append("activity-started", **step)
    done = disable_automatic_failover(RULE, configuration=rig.configuration)
    one_drill.history.append("activity-ended", **step, status="succeeded", output=done)


def test_a_rollback_does_not_enable_a_rule_that_was_disabled_all_along(rig: Rig, one_drill: OpenDrill) -> None:
    for disable in (lambda: None, lambda: disabled_by(one_drill, rig)):
        disable()
        done = enable_automatic_failover(RULE, undo_of="disable-rule", configuration=rig.configuration)
        assert (done["done"], described(rig)["State"]) == (False, "DISABLED")


def test_a_rollback_enables_what_this_run_disabled_once(
    rig: Rig, one_drill: OpenDrill, managed: dict[str, Any]
) -> None:
    disabled_by(one_drill, rig)
    for is_first in (True, False):
        done = enable_automatic_failover(RULE, undo_of="disable-rule", configuration=rig.configuration)
        assert (done["done"], done["is"]) == (is_first, MANAGED)
        assert described(rig) == managed


def test_a_rule_is_enabled_also_where_its_state_may_not_be_restored(
    rig: Rig, one_drill: OpenDrill, managed: dict[str, Any]
) -> None:
    disable_automatic_failover(RULE, configuration=rig.configuration)
    denied = {"service": "events", "kind": "denied", "operation": "PutRule", "calls": 1}
    get(f"{rig.lab.url}/chaosdrill/faults", denied, "PUT")
    with fails_with("half-done"):
        enable_automatic_failover(RULE, configuration=rig.configuration)
    assert described(rig) == {**managed, "State": "ENABLED"}


def test_a_rule_can_be_enabled_in_its_two_states_only(rig: Rig, one_drill: OpenDrill) -> None:
    for state in ("DISABLED", "enabled", ""):
        with fails_with("argument-invalid"):
            enable_automatic_failover(RULE, state=state, configuration=rig.configuration)
    enable_automatic_failover(RULE, configuration=rig.configuration)
    assert described(rig)["State"] == "ENABLED", "this run did not find it in another state"


def test_a_region_may_be_a_role_and_is_else_taken_as_it_is(rig: Rig, one_drill: OpenDrill) -> None:
    set_alarms(rig, "ALARM")
    assert alarm_state(ALARM, region="standby", configuration=rig.configuration) == "ALARM"
    enabled = enable_automatic_failover(RULE, region="standby", configuration=rig.configuration)
    assert (enabled["region"], enabled["was"]) == (OSAKA, "DISABLED")
    disabled = disable_automatic_failover(RULE, region="standby", configuration=rig.configuration)
    assert (disabled["done"], disabled["region"]) == (True, OSAKA)
    with fails_with("rule-missing"):
        enable_automatic_failover(RULE, region="home", configuration=rig.configuration)
    with fails_with("region-unknown"):
        alarm_state(ALARM, region="stanby", configuration=rig.configuration)


def test_the_systems_own_failover_is_waited_for_followed_and_failed_back(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("activity-started", activity="enable")
    assert enable_automatic_failover(RULE, configuration=rig.configuration)["was"] == "DISABLED"
    set_alarms(rig, "ALARM")
    seen = automatic_failover(within_s=20, timeout_s=30, configuration=rig.configuration)
    assert seen["status"] == "SUCCEEDED"
    assert [state["name"] for state in seen["states"]][-1] == "StartDestination"
    off = disable_automatic_failover(RULE, undo_of="enable", configuration=rig.configuration)
    assert (off["done"], off["failover"]) == (True, seen["execution_arn"])
    assert rig.lab.client("events").describe_rule(Name=RULE)["State"] == "DISABLED"
    assert fail_back(undo_of="enable", configuration=rig.configuration)["status"] == "SUCCEEDED"
    assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"


def test_a_failover_that_nobody_has_seen_is_waited_for_by_the_rollbacks(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("activity-started", activity="enable")
    enable_automatic_failover(RULE, configuration=rig.configuration)
    with rig.lab.supervisor.writer_held():
        set_alarms(rig, "ALARM")
        wait_for(lambda: running_executions(configuration=rig.configuration))  # interrupted here
    assert disable_automatic_failover(RULE, undo_of="enable", configuration=rig.configuration)["failover"]
    assert fail_back(undo_of="enable", configuration=rig.configuration)["status"] == "SUCCEEDED"
    assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"


def test_an_initiator_that_still_waits_for_the_alarms_is_waited_for(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("activity-started", activity="enable")
    enable_automatic_failover(RULE, configuration=rig.configuration)
    rig.lab.client("cloudwatch", OSAKA).set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="one of two")
    off = disable_automatic_failover(RULE, undo_of="enable", configuration=rig.configuration)
    assert off["failover"] is None
    machine, sfn = rig.lab.machine("FailoverInitiatorStateMachine"), rig.lab.client("stepfunctions")
    latest = sfn.list_executions(stateMachineArn=machine)["executions"][0]
    assert latest["status"] == "FAILED"


def test_none_that_begins_is_told(rig: Rig, one_drill: OpenDrill) -> None:
    with fails_with("no-drill-open"):
        automatic_failover(within_s=0, configuration=rig.configuration)
    enable_automatic_failover(RULE, configuration=rig.configuration)
    with fails_with("failover-not-begun"):
        automatic_failover(within_s=1, configuration=rig.configuration)


def test_a_rule_that_is_enabled_already_is_not_this_drills(rig: Rig, one_drill: OpenDrill) -> None:
    rig.lab.client("events").enable_rule(Name=RULE)
    with fails_with("rule-enabled"):
        enable_automatic_failover(RULE, configuration=rig.configuration)
    assert one_drill.history.events("undo") == []
    with fails_with("rule-missing"):
        enable_automatic_failover("nothing", configuration=rig.configuration)
