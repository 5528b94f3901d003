"""Failover and failback with the reference's state machines, against the lab's AWS endpoint."""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chaosdrill.aws import deadlines, dynamodb, fis, system_of
from chaosdrill.database.probes import writer_region
from chaosdrill.failover.actions import fail_back, fail_over
from chaosdrill.failover.executions import wait_for_own
from chaosdrill.failover.probes import last_execution, running_executions
from chaosdrill.history import OpenDrill
from chaosdrill.region.probes import region_state
from chaosdrill.stop_flag.probes import stop_flag
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    wait_for(lambda: running_executions(configuration=rig.configuration) == 0)
    rig.go_home()


def start_by_hand(rig: Rig, prefix: str = "FailoverStateMachine") -> str:
    machine = rig.lab.machine(prefix)
    return str(rig.lab.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"])


@contextmanager
def refused_switchover(rig: Rig) -> Iterator[None]:
    """For the length of the block RDS refuses what a state machine asks of it."""
    fault = {"service": "rds", "kind": "server-error", "operation": "FailoverGlobalCluster", "everyone": True}
    get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")
    try:
        yield
    finally:
        get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


def flags(rig: Rig) -> dict[str, bool]:
    return {region: stop_flag(region, configuration=rig.configuration) for region in (TOKYO, OSAKA)}


def test_there_and_back_with_the_time_of_each_state(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("activity-started", activity="fail-over")
    done = fail_over(configuration=rig.configuration)
    assert (done["done"], done["status"]) == (True, "SUCCEEDED")
    assert f":{_name(one_drill, 'fail-over-1')}" in done["execution_arn"]
    names = [state["name"] for state in done["states"]]
    assert names[:6] == [
        "ParseInput",
        "SelectEndpoint",
        "StopSource",
        "WaitForParameterPropagation",
        "SwitchRoute53Arc",
        "SwitchOver",
    ]
    assert names[-1] == "StartDestination"
    spent = {state["name"]: state["seconds"] for state in done["states"]}
    assert 10 * rig.lab.plan.scale <= spent["WaitForParameterPropagation"] <= done["seconds"]
    assert sum(spent.values()) <= done["seconds"] + 0.01
    assert next(state["visits"] for state in done["states"] if state["name"] == "DescribeGlobalCluster") >= 2

    back = fail_back(undo_of="fail-over", configuration=rig.configuration)
    assert (back["done"], back["status"]) == (True, "SUCCEEDED")
    assert last_execution("FailbackStateMachine", configuration=rig.configuration)["arn"] == back["execution_arn"]
    events = [row["event"] for row in one_drill.history.events() if row["event"] != "aws-call"]
    once = ["undo", "execution-starting", "execution-started", "execution-ended"]
    assert events == ["activity-started", *once, *once], "the undo is on disk before anything is started"


def _name(one_drill: OpenDrill, end: str) -> str:
    return f"chaosdrill-{one_drill.run_id}-{end}"


def test_nothing_is_done_where_nothing_is_to_do(rig: Rig) -> None:
    for idle in (
        fail_over("home", configuration=rig.configuration),
        fail_back(configuration=rig.configuration),
        fail_back(region=TOKYO, configuration=rig.configuration),
    ):
        assert (idle["done"], idle["region"], TOKYO in idle["why"]) == (False, TOKYO, True)


def test_as_a_rollback_it_does_nothing_when_the_run_did_not_fail_over(rig: Rig, one_drill: OpenDrill) -> None:
    rig.flag(TOKYO, "true")  # not serving: without undo_of it would fail back
    idle = fail_back(undo_of="fail-over", configuration=rig.configuration)
    assert idle.keys() == {"done", "why"}, "nothing was read"
    assert (idle["done"], "'fail-over'" in idle["why"]) == (False, True)


def test_it_is_refused_while_one_of_the_pair_runs(rig: Rig) -> None:
    with rig.lab.supervisor.writer_held():
        arn = start_by_hand(rig)
        wait_for(lambda: running_executions(configuration=rig.configuration) == 1)  # it is listed some time later
        for action in (fail_over, fail_back):
            with fails_with("execution-running"):
                action(configuration=rig.configuration)
    rig.lab.ended(arn)


def test_a_machine_is_named_by_prefix_or_arn(rig: Rig) -> None:
    with fails_with("state-machine-missing"):
        fail_over(state_machine_prefix="Nobody", configuration=rig.configuration)
    with fails_with("state-machine-ambiguous"):
        fail_over(state_machine_prefix="Fail", configuration=rig.configuration)
    machine = rig.lab.machine("FailoverStateMachine")
    assert fail_over(state_machine_prefix=machine, configuration=rig.configuration)["done"] is True


def test_a_failed_execution_tells_state_and_cause(rig: Rig, one_drill: OpenDrill) -> None:
    with refused_switchover(rig), fails_with("execution-failed") as failed:
        fail_over(configuration=rig.configuration)
    assert all(value in str(failed.value) for value in ("fail-over-1", "FAILED", "SwitchOver"))
    assert one_drill.history.events("execution-ended")[0]["status"] == "FAILED"


def test_what_lasts_longer_is_left_going_and_waited_for_by_the_rollback(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("activity-started", activity="fail-over")
    with rig.lab.supervisor.writer_held():
        with fails_with("execution-running"):
            fail_over(timeout_s=0.2, configuration=rig.configuration)
        assert running_executions(configuration=rig.configuration) == 1
        with fails_with("execution-running"):
            fail_back(undo_of="fail-over", timeout_s=0.1, configuration=rig.configuration)
    back = fail_back(undo_of="fail-over", configuration=rig.configuration)
    assert back["status"] == "SUCCEEDED"
    assert last_execution(configuration=rig.configuration)["status"] == "SUCCEEDED", "the failover came to its end"


class Interruption(BaseException):
    """As chaoslib raises SystemExit in the thread of an activity."""


# it comes between any two instructions: the connection of the call that it meets is nobody's then
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_interruption_leaves_it_going(rig: Rig, one_drill: OpenDrill) -> None:
    import ctypes

    seen: list[BaseException] = []

    def run() -> None:
        try:
            fail_over(configuration=rig.configuration)
        except Interruption as error:
            seen.append(error)

    with rig.lab.supervisor.writer_held():
        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: one_drill.history.events("execution-started"))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Interruption))
        thread.join(LONG_S)
        assert seen, "the execution goes on, and it does not wait for its end"
    seen.clear()
    gc.collect()  # or a later test would be blamed
    arn = one_drill.history.events("execution-started")[0]["execution_arn"]
    assert rig.lab.ended(arn)["status"] == "SUCCEEDED"


def test_announced_but_never_started_is_nothing_to_wait_for(rig: Rig, one_drill: OpenDrill) -> None:
    machine = rig.lab.machine("FailoverStateMachine").replace(":stateMachine:", ":execution:")
    one_drill.history.append("activity-started", activity="fail-over")
    one_drill.history.append("execution-starting", what="fail-over", execution_arn=f"{machine}:never")
    assert fail_back(undo_of="fail-over", configuration=rig.configuration)["done"] is False


def test_each_one_that_the_run_announced_is_waited_for_whichever_was_never_started(
    rig: Rig, one_drill: OpenDrill
) -> None:
    """A step that was interrupted before its start, one that failed, one that never was, and one that still runs."""
    system = system_of(rig.configuration)
    never = rig.lab.machine("FailoverStateMachine").replace(":stateMachine:", ":execution:")

    def announce(arn: str) -> None:
        one_drill.history.append("execution-starting", what="fail-over", execution_arn=arn)

    rig.writer(OSAKA)  # the machine's switchover will be told: already the primary
    failed = start_by_hand(rig)
    assert rig.lab.ended(failed)["status"] == "FAILED"
    rig.go_home()
    for arn in (f"{never}:never", failed, f"{never}:neither"):
        announce(arn)
    with rig.lab.supervisor.writer_held():
        running = start_by_hand(rig)
        wait_for_own(system, 0.1)  # of another run
        announce(running)
        with fails_with("execution-running") as refused:
            wait_for_own(system, 0.1)
        assert running in str(refused.value)
    wait_for_own(system, LONG_S)
    assert running_executions(configuration=rig.configuration) == 0


def test_as_a_rollback_it_opens_home_when_the_machine_cannot(rig: Rig, one_drill: OpenDrill) -> None:
    """A switchover that fails leaves the writer at home, and the failback machine stops at the same place: all dark."""
    one_drill.history.append("activity-started", activity="fail-over")
    rig.lab.supervisor.refuse["database.switchover"] = "the standby does not follow"
    try:
        fail_over(configuration=rig.configuration)
    finally:
        del rig.lab.supervisor.refuse["database.switchover"]
    assert writer_region(configuration=rig.configuration) == TOKYO
    with fails_with("service-restored-by-rollback"):
        fail_back(undo_of="fail-over", configuration=rig.configuration)
    assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"
    assert one_drill.history.events("opening-region")[0]["region"] == TOKYO


def test_it_has_time_to_open_home_when_its_own_is_up(
    rig: Rig, one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_s: list[float] = []
    write = dynamodb.write_stop_flag

    def written(*given: Any, **named: Any) -> None:
        left_s.append(deadlines.ends_s() - time.monotonic())
        write(*given, **named)

    monkeypatch.setattr(dynamodb, "write_stop_flag", written)
    one_drill.history.append("activity-started", activity="fail-over")
    rig.flag(TOKYO, "true")
    with fails_with("service-restored-by-rollback"):
        fail_back(undo_of="fail-over", timeout_s=30, configuration=rig.configuration)
    assert left_s[0] > 30


def test_by_hand_it_opens_nothing_that_the_machine_left_closed(rig: Rig) -> None:
    with refused_switchover(rig), fails_with("execution-failed"):
        fail_over(configuration=rig.configuration)
    assert region_state(configuration=rig.configuration) == "dark"


def test_no_machine_is_started_whose_switchover_would_be_refused(rig: Rig) -> None:
    rig.writer(OSAKA)
    with fails_with("writer-already"):
        fail_over(configuration=rig.configuration)
    assert flags(rig) == {TOKYO: False, OSAKA: True}, "home goes on serving"


def test_a_fault_in_force_must_be_healed_first(rig: Rig, one_drill: OpenDrill) -> None:
    client: Any = rig.lab.client("fis", TOKYO)
    fail_over(configuration=rig.configuration)
    template = client.create_experiment_template(
        clientToken="t",
        description="waits",
        actions={"Wait": {"actionId": "aws:fis:wait", "parameters": {"duration": "PT30M"}}},
        stopConditions=[{"source": "none"}],
        roleArn="arn:aws:iam::123456789012:role/r",
    )["experimentTemplate"]["id"]
    tags = {fis.RUN_TAG: one_drill.run_id}
    client.start_experiment(clientToken="s", experimentTemplateId=template, tags=tags)
    with fails_with("fault-in-force"):
        fail_back(configuration=rig.configuration)


def test_a_machine_that_never_ran_has_no_last_execution(rig: Rig) -> None:
    with fails_with("no-execution"):
        last_execution("FailoverInitiatorStateMachine", configuration=rig.configuration)
