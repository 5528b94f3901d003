"""A rollback whose state machine succeeds without one of its steps serves all the same, and says so."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from chaosdrill.aws import service_restoration
from chaosdrill.failover.actions import fail_back, fail_over
from chaosdrill.failover.probes import running_executions
from chaosdrill.history import OpenDrill
from chaosdrill.lab.misbehaviours.machine_skips import STEPS
from chaosdrill.region.probes import region_state
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.failing import fails_with
from tests.further import first_of
from tests.waiting import wait_for

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(autouse=True)
def _failed_over(rig: Rig, one_drill: OpenDrill) -> Iterator[None]:
    rig.go_home()
    one_drill.history.append("activity-started", activity="fail-over")
    fail_over(configuration=rig.configuration)
    yield
    wait_for(lambda: running_executions(configuration=rig.configuration) == 0)


@contextmanager
def redefined(rig: Rig, change: Change) -> Iterator[None]:
    """For the length of the block the states of the failback machine are changed."""
    sfn, arn = rig.lab.client("stepfunctions"), rig.lab.machine("FailbackStateMachine")
    before = sfn.describe_state_machine(stateMachineArn=arn)["definition"]
    definition = json.loads(before)
    change(definition["States"])
    sfn.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))
    try:
        yield
    finally:
        sfn.update_state_machine(stateMachineArn=arn, definition=before)


def without(step: str) -> Change:
    def change(states: dict[str, Any]) -> None:
        onward = {key: states[step][key] for key in ("Next", "End") if key in states[step]}
        states[step] = {"Type": "Pass", **onward}

    return change


def closing(states: dict[str, Any]) -> None:
    written = json.dumps(states["StartDestination"])
    states["StartDestination"] = json.loads(written.replace('{"S": "false"}', '{"S": "true"}'))


def flags(tokyo: bool, osaka: bool) -> dict[str, bool]:
    return {TOKYO: tokyo, OSAKA: osaka}


ROUTED_HOME, ROUTED_AWAY = {TOKYO: "On", OSAKA: "Off"}, {TOKYO: "Off", OSAKA: "On"}
CASES: dict[str, tuple[Change, str, str, dict[str, Any]]] = {
    "closed": (closing, TOKYO, "dark", {"flag": flags(True, True), "routing": ROUTED_HOME, "writer": TOKYO}),
    "StartDestination": (
        without("StartDestination"),
        TOKYO,
        "dark",
        {"flag": flags(True, True), "routing": ROUTED_HOME, "writer": TOKYO},
    ),
    "SwitchRoute53Arc": (
        without("SwitchRoute53Arc"),
        TOKYO,
        "split",
        {"flag": flags(False, True), "routing": ROUTED_AWAY, "writer": TOKYO},
    ),
    "StopSource": (
        without("StopSource"),
        TOKYO,
        "split",
        {"flag": flags(False, False), "routing": ROUTED_HOME, "writer": TOKYO},
    ),
    "SwitchOver": (
        without("SwitchOver"),
        OSAKA,
        "split",
        {"flag": flags(False, True), "routing": ROUTED_HOME, "writer": OSAKA},
    ),
}


def test_every_step_that_can_be_left_out_is_here() -> None:
    assert set(STEPS) - set(CASES) == {"WaitForParameterPropagation"}, "without it a region serves in the end"


@pytest.mark.parametrize(("change", "region", "state", "facts"), first_of(CASES.values(), 2), ids=CASES)
def test_the_rollback_serves_where_the_writer_is_and_records_what_was_so_before(
    rig: Rig,
    one_drill: OpenDrill,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    region: str,
    state: str,
    facts: dict[str, Any],
) -> None:
    monkeypatch.setattr(service_restoration, "SHOWS_WITHIN_S", 0.5)
    with redefined(rig, change), fails_with("service-restored-by-rollback"):
        fail_back(undo_of="fail-over", configuration=rig.configuration)
    assert one_drill.history.events("execution-ended")[-1]["status"] == "SUCCEEDED"
    (opening,) = one_drill.history.events("opening-region")
    assert (opening["region"], opening["state"], opening["facts"]) == (region, state, facts)
    assert region_state(configuration=rig.configuration) == f"serving({region})"


def test_a_machine_that_fails_and_has_not_closed_the_source_leaves_nobody_out(rig: Rig, one_drill: OpenDrill) -> None:
    """The domain leads home, which is closed, when the switchover is refused. Osaka is open, and unreachable."""
    fault = {"service": "rds", "kind": "server-error", "operation": "FailoverGlobalCluster", "everyone": True}
    get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")
    try:
        with redefined(rig, without("StopSource")), fails_with("service-restored-by-rollback"):
            fail_back(undo_of="fail-over", configuration=rig.configuration)
    finally:
        get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
    (opening,) = one_drill.history.events("opening-region")
    facts = {"flag": flags(True, False), "routing": ROUTED_HOME, "writer": OSAKA}
    assert (opening["region"], opening["facts"]) == (OSAKA, facts)
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"


def test_nothing_is_touched_while_the_system_fails_over_by_itself(
    rig: Rig, one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its failover has begun just after the failback ended: a region that is opened now would be one of two."""
    monkeypatch.setattr(service_restoration, "SHOWS_WITHIN_S", 0.0)
    find, held = service_restoration.writer_out_of_service, ExitStack()

    def find_and_start(*given: Any) -> Any:
        found = find(*given)
        held.enter_context(rig.lab.supervisor.writer_held())
        machine = rig.lab.machine("FailoverStateMachine")
        rig.lab.client("stepfunctions").start_execution(stateMachineArn=machine)
        wait_for(lambda: running_executions(configuration=rig.configuration) == 1)
        return found

    monkeypatch.setattr("chaosdrill.failover.actions.writer_out_of_service", find_and_start)
    with held, redefined(rig, closing), fails_with("service-not-restored"):
        fail_back(undo_of="fail-over", configuration=rig.configuration)
    assert one_drill.history.events("opening-region") == []


def test_by_hand_nothing_is_opened(rig: Rig) -> None:
    with redefined(rig, closing):
        assert fail_back(configuration=rig.configuration)["status"] == "SUCCEEDED"
    assert region_state(configuration=rig.configuration) == "dark"
