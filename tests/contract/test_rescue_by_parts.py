"""Half states on the lab's AWS endpoint: the facts of the parts, the plan, and the parts that carry it out."""

from typing import Literal

import pytest

from chaosdrill.aws import System, system_of
from chaosdrill.database.part import DatabasePart
from chaosdrill.errors import DrillError
from chaosdrill.failover.part import FailoverPart
from chaosdrill.region.probes import region_facts
from chaosdrill.rescue.decisions import RescueRequest, RescueStep
from chaosdrill.rescue.facts import Facts
from chaosdrill.rescue.rounds import Round, rescue
from chaosdrill.routing.part import RoutingPart
from chaosdrill.stop_flag.part import StopFlagPart
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.waiting import LONG_S, wait_for

RUN = "20261130T010203Z-abcd"
PARTS = (StopFlagPart(), RoutingPart(), DatabasePart(), FailoverPart())


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


def rescued(rig: Rig, goal: Literal["home", "standby"] = "home") -> tuple[Round, ...]:
    system = system_of(rig.configuration)
    request = RescueRequest(goal, frozenset({"gate", "orchestrator"}))
    return rescue(lambda: facts(system), lambda plan: None, lambda step: act(system, step), request)


def facts(system: System) -> Facts:
    return Facts(*(part.fact(system, RUN).value for part in PARTS))


def act(system: System, step: RescueStep) -> str:
    region = {"home": TOKYO, "standby": OSAKA}[str(step.region)]
    try:
        if step.action == "route":
            RoutingPart().route_to(system, region)
        else:
            assert step.action in ("open", "close")
            StopFlagPart().set_open(system, region, step.action == "open")
    except DrillError as error:
        return str(error)
    return ""


def make(rig: Rig, closed: tuple[bool, bool], routed: tuple[bool, bool]) -> None:
    """Set stop flags and routing controls of Tokyo and Osaka past the parts."""
    for region, is_closed in zip((TOKYO, OSAKA), closed, strict=True):
        rig.flag(region, str(is_closed).lower())
    tokyo, osaka = ("On" if is_on else "Off" for is_on in routed)
    rig.route(tokyo=tokyo, osaka=osaka)


@pytest.mark.parametrize(
    ("closed", "routed", "row"),
    [
        ((True, True), (False, True), "closed"),
        ((True, False), (False, True), "open-away-from-writer"),
        ((False, False), (True, True), "both-open"),
        ((False, True), (False, False), "routed-elsewhere"),
        ((False, True), (True, False), "goal-serves"),
    ],
)
def test_the_region_of_the_writer_serves_again(
    rig: Rig, closed: tuple[bool, bool], routed: tuple[bool, bool], row: str
) -> None:
    make(rig, closed, routed)
    first, last = (rounds := rescued(rig))[0], rounds[-1]
    assert (first.plan.row.name, last.plan.row.name, last.plan.is_complete) == (row, "goal-serves", True)
    assert [one.failed for one in rounds] == [()] * len(rounds)
    now = region_facts(configuration=rig.configuration)
    assert now["flag"] == {TOKYO: False, OSAKA: True}
    assert now["routing"] == {TOKYO: "On", OSAKA: "Off"}
    assert [one.plan.steps for one in rescued(rig)] == [()]


def test_without_an_arc_endpoint_the_region_of_the_writer_is_opened_and_a_person_is_told(rig: Rig) -> None:
    make(rig, (True, True), (False, True))
    for region in rig.endpoint_regions():
        rig.impair(region, True)
    rounds = rescued(rig)
    assert [one.plan.row.name for one in rounds] == ["closed-routing-unreadable", "routing-unreadable"]
    assert rounds[-1].plan.by_person
    assert region_facts(configuration=rig.configuration)["flag"] == {TOKYO: False, OSAKA: True}


def test_an_execution_that_the_drill_did_not_start_is_left_alone(rig: Rig) -> None:
    system = system_of(rig.configuration)
    with rig.lab.supervisor.writer_held():
        machine = rig.lab.machine("FailoverStateMachine")
        rig.lab.client("stepfunctions").start_execution(stateMachineArn=machine)
        wait_for(lambda: facts(system).orchestrator != "none")
        (only,) = rescued(rig)
        assert (only.plan.row.name, only.plan.steps) == ("foreign-execution", ())
    FailoverPart().wait(system, FailoverPart().fact(system, RUN), LONG_S)
