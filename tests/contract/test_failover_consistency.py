"""Failover and failback while Step Functions shows changes seconds late: no miss and no stale RUNNING misleads them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from chaosdrill.automatic_failover.actions import disable_automatic_failover, enable_automatic_failover
from chaosdrill.aws import System, execution_memory, read_coalescing, stepfunctions, system_of
from chaosdrill.failover.actions import fail_back, fail_over
from chaosdrill.failover.executions import wait_for_own
from chaosdrill.failover.probes import last_execution, running_executions
from chaosdrill.history import OpenDrill
from chaosdrill.region.facts import read_region_facts
from chaosdrill.region.probes import region_state
from tests.contract import lab_aws
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.drills import EXPERIMENTS
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for

SCALE = 0.25  # the lag is 0.25 to 0.75 s


@pytest.fixture(scope="module")
def lagging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A lab whose lag is longer than calls take."""
    with lab_aws.running(Path(tmp_path_factory.mktemp("lagging")), SCALE) as lab:
        yield Rig(lab)


@pytest.fixture(autouse=True)
def _home(lagging: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(execution_memory, "_started_s", {})
    monkeypatch.setattr(execution_memory, "_ended", set())
    yield
    lagging.lab.become_consistent()
    wait_for(lambda: running_executions(configuration=lagging.configuration) == 0)
    lagging.go_home()


def start_by_hand(rig: Rig) -> str:
    machine = rig.lab.machine("FailoverStateMachine")
    return str(rig.lab.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"])


def set_alarms(rig: Rig, state: str) -> None:
    for region in ("us-west-2", OSAKA):
        client = rig.lab.client("cloudwatch", region)
        for alarm in client.describe_alarms()["MetricAlarms"]:
            client.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=state, StateReason="by hand")


def test_its_own_execution_is_waited_for_and_undone_at_once(lagging: Rig, one_drill: OpenDrill) -> None:
    """The first read misses it, and when it has ended it is listed as RUNNING."""
    one_drill.history.append("activity-started", activity="fail-over")
    done = fail_over(configuration=lagging.configuration)
    assert last_execution(configuration=lagging.configuration)["arn"] == done["execution_arn"]
    back = fail_back(undo_of="fail-over", configuration=lagging.configuration)
    assert (done["status"], back["status"]) == ("SUCCEEDED", "SUCCEEDED")
    assert last_execution("FailbackStateMachine", configuration=lagging.configuration)["arn"] == back["execution_arn"]


def test_the_latest_is_known_before_it_is_listed(lagging: Rig) -> None:
    system = system_of(lagging.configuration)
    machine = lagging.lab.machine("FailoverStateMachine")
    name = f"latest-{time.monotonic_ns()}"
    with lagging.lab.supervisor.writer_held():
        stepfunctions.start(system, machine, name)
        found = stepfunctions.latest(system, machine)
        assert found is not None
        assert (found.arn, found.status) == (stepfunctions.execution_arn(machine, name), "RUNNING")
    lagging.lab.ended(found.arn)


@pytest.mark.long
def test_somebody_elses_that_has_ended_is_no_reason_to_refuse(lagging: Rig) -> None:
    arn = start_by_hand(lagging)
    wait_for(lambda: running_executions(configuration=lagging.configuration) == 1)
    sfn = lagging.lab.client("stepfunctions")
    sfn.stop_execution(executionArn=arn)
    assert running_executions(configuration=lagging.configuration) == 1, "it has ended, and is listed still"
    lagging.flag(TOKYO, "false")
    assert fail_over(configuration=lagging.configuration)["status"] == "SUCCEEDED"


@pytest.mark.long
def test_one_that_runs_is_a_reason(lagging: Rig) -> None:
    with lagging.lab.supervisor.writer_held():
        arn = start_by_hand(lagging)
        wait_for(lambda: running_executions(configuration=lagging.configuration) == 1)
        with fails_with("execution-running") as refused:
            fail_over(configuration=lagging.configuration)
        assert arn in str(refused.value)
    lagging.lab.ended(arn)


def test_one_whose_start_was_interrupted_is_waited_for_although_it_is_not_shown_yet(
    lagging: Rig, one_drill: OpenDrill
) -> None:
    with lagging.lab.supervisor.writer_held():
        one_drill.history.append("execution-starting", what="fail-over", execution_arn=start_by_hand(lagging))
        with fails_with("execution-running"):
            wait_for_own(system_of(lagging.configuration), 0.5)
    wait_for_own(system_of(lagging.configuration), LONG_S)


def test_one_that_was_never_started_is_given_up_when_it_would_be_shown(
    lagging: Rig, one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits_s: list[float] = []
    appears = stepfunctions.appears

    def recorded(system: System, arn: str, within_s: float) -> bool:
        waits_s.append(within_s)
        return appears(system, arn, within_s)

    monkeypatch.setattr(stepfunctions, "appears", recorded)
    machine = lagging.lab.machine("FailoverStateMachine")
    arn = stepfunctions.execution_arn(machine, "never")
    began_s = time.monotonic()
    one_drill.history.append("execution-starting", what="fail-over", execution_arn=arn)
    wait_for_own(system_of(lagging.configuration), LONG_S)
    assert time.monotonic() - began_s >= execution_memory.CONSISTENT_WITHIN_S * SCALE
    wait_for_own(system_of(lagging.configuration), LONG_S)
    assert waits_s[1:] == [0.0], "later it need not wait"


def test_its_own_failover_is_no_darkness_before_it_is_listed(lagging: Rig) -> None:
    with lagging.lab.supervisor.writer_held(), ThreadPoolExecutor(1) as pool:
        failing_over = pool.submit(fail_over, configuration=lagging.configuration)
        wait_for(lambda: all(read_region_facts(lagging.configuration, None)["flag"].values()))
        assert region_state(configuration=lagging.configuration) == "moving"
        lagging.lab.supervisor._may_end.set()
        failing_over.result(LONG_S)


@pytest.mark.long
def test_an_initiator_that_is_not_listed_yet_is_waited_for(lagging: Rig, one_drill: OpenDrill) -> None:
    """Started just before the rule was disabled, it starts a failover some moments later."""
    rule = "start-failover-on-alarm"
    one_drill.history.append("activity-started", activity="enable")
    enable_automatic_failover(rule, configuration=lagging.configuration)
    set_alarms(lagging, "ALARM")
    try:
        off = disable_automatic_failover(rule, undo_of="enable", configuration=lagging.configuration)
    finally:
        set_alarms(lagging, "OK")
    assert off["failover"]
    assert fail_back(undo_of="enable", configuration=lagging.configuration)["status"] == "SUCCEEDED"


@pytest.mark.long
def test_the_pair_is_listed_every_few_seconds_at_most(lagging: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    every_s = 1.5
    monkeypatch.setattr(stepfunctions, "LISTS_EVERY_S", every_s)
    monkeypatch.setattr(read_coalescing, "_resources", {})
    since = last_number(lagging)
    began_s, readings = time.monotonic(), 0
    while time.monotonic() - began_s < 2 * every_s:
        read_region_facts(lagging.configuration, None)
        readings += 1
    most = 1 + (time.monotonic() - began_s) / every_s
    listed = [call["resource"] for call in calls(lagging, since) if call["operation"] == "ListExecutions"]
    assert readings > most
    assert all(listed.count(machine) <= most for machine in set(listed))


def test_whoever_waits_for_an_execution_lists_every_few_seconds_at_most(
    lagging: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As disable_automatic_failover does, which wants a list that is newer than its question each time."""
    every_s, system = 1.0, system_of(lagging.configuration)
    machine = stepfunctions.machine_arn(system, system.topology.failover.failover_prefix)
    monkeypatch.setattr(stepfunctions, "LISTS_EVERY_S", every_s)
    monkeypatch.setattr(read_coalescing, "_resources", {})
    since, began_s = last_number(lagging), time.monotonic()
    while time.monotonic() - began_s < 3 * every_s:
        stepfunctions.running(system, [machine])
    most = 1 + (time.monotonic() - began_s) / every_s
    assert 1 < [call["operation"] for call in calls(lagging, since)].count("ListExecutions") <= most


def last_number(rig: Rig) -> int:
    return max((int(str(call["number"])) for call in calls(rig)), default=0)


def calls(rig: Rig, since: int = 0) -> list[dict[str, object]]:
    found: list[dict[str, object]] = lab_aws.get(f"{rig.lab.url}/chaosdrill/calls?since={since}")[1]["calls"]
    return found


def test_a_failover_that_the_system_starts_is_not_called_dark_before_it_must_be_listed() -> None:
    """With the lag at scale 1, three readings in a row said dark."""
    experiment = yaml.safe_load((EXPERIMENTS / "auto-failover.yaml").read_text())
    (control,) = [one for one in experiment["controls"] if one["name"] == "drill"]
    (guard,) = control["provider"]["arguments"]["safeguards"]
    assert guard["provider"]["func"] == "region_state"
    assert guard["in_a_row"] * guard["frequency"] >= execution_memory.CONSISTENT_WITHIN_S
