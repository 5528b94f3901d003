"""The facts of the parts that place the application, against the lab's AWS endpoint."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chaosdrill.aws import System, system_of
from chaosdrill.database.part import DatabasePart
from chaosdrill.errors import TimedOut
from chaosdrill.failover.part import FailoverPart
from chaosdrill.parts.interface import UNREADABLE, AsynchronousPart, Gate, Part, Router
from chaosdrill.routing.part import RoutingPart
from chaosdrill.stop_flag.part import StopFlagPart
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.waiting import LONG_S, wait_for

RUN = "20261130T010203Z-abcd"
GATE: Gate = StopFlagPart()
ROUTER: Router = RoutingPart()
DATABASE: AsynchronousPart = DatabasePart()
ORCHESTRATOR: AsynchronousPart = FailoverPart()


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


@pytest.fixture
def system(rig: Rig) -> System:
    return system_of(rig.configuration)


def value(part: Part, system: System) -> str:
    fact = part.fact(system, RUN)
    assert fact.value in (*part.facts, UNREADABLE)
    return fact.value


@contextmanager
def failing(rig: Rig, service: str) -> Iterator[None]:
    get(f"{rig.lab.url}/chaosdrill/faults", {"service": service, "kind": "server-error"}, "PUT")
    try:
        yield
    finally:
        get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


@pytest.mark.parametrize(
    ("tokyo", "osaka", "expected"),
    [
        ("false", "true", "home-open"),
        ("true", "false", "standby-open"),
        ("false", "false", "both-open"),
        ("true", "true", "closed"),
        ("true", None, UNREADABLE),
    ],
)
def test_stop_flags(rig: Rig, system: System, tokyo: str, osaka: str | None, expected: str) -> None:
    rig.flag(TOKYO, tokyo)
    rig.flag(OSAKA, osaka)
    assert value(StopFlagPart(), system) == expected


def test_a_region_is_opened_and_closed_and_twice_is_harmless(system: System) -> None:
    for region, is_open, expected in (
        (OSAKA, True, "both-open"),
        (TOKYO, False, "standby-open"),
        (OSAKA, False, "closed"),
        (TOKYO, True, "home-open"),
    ):
        for _ in range(2):
            GATE.set_open(system, region, is_open)
            assert value(StopFlagPart(), system) == expected


@pytest.mark.parametrize(
    ("tokyo", "osaka", "expected"),
    [("On", "Off", "home"), ("Off", "On", "standby"), ("On", "On", "both"), ("Off", "Off", "none")],
)
def test_routing_controls(rig: Rig, system: System, tokyo: str, osaka: str, expected: str) -> None:
    rig.route(tokyo=tokyo, osaka=osaka)
    assert value(RoutingPart(), system) == expected


def test_routing_without_an_endpoint_that_responds(rig: Rig, system: System) -> None:
    for region in rig.endpoint_regions():
        rig.impair(region, True)
    assert value(RoutingPart(), system) == UNREADABLE


def test_the_domain_is_led_to_one_region_and_twice_is_harmless(rig: Rig, system: System) -> None:
    rig.route(tokyo="On", osaka="On")
    for region, expected in ((OSAKA, "standby"), (OSAKA, "standby"), (TOKYO, "home")):
        ROUTER.route_to(system, region)
        assert value(RoutingPart(), system) == expected


def test_the_writer_and_whether_the_other_region_may_be_entered(rig: Rig, system: System) -> None:
    assert value(DatabasePart(), system) == "home-ready"
    rig.writer(OSAKA)
    wait_for(lambda: value(DatabasePart(), system) == "standby-ready")


def test_a_writer_that_moves(rig: Rig, system: System) -> None:
    database = rig.lab.topology["database"]
    with rig.lab.supervisor.writer_held():
        rig.lab.client("rds").switchover_global_cluster(
            GlobalClusterIdentifier=database["global_cluster"], TargetDbClusterIdentifier=database["clusters"][OSAKA]
        )
        wait_for(lambda: value(DatabasePart(), system) == "moving")
        moving = DatabasePart().fact(system, RUN)
        with pytest.raises(TimedOut) as late:
            DATABASE.wait(system, moving, 0.0)
        assert late.value.code == "database-not-available"
    DATABASE.wait(system, moving, LONG_S)
    assert value(DatabasePart(), system).startswith("standby-")


def test_an_old_primary_that_is_rebuilt_may_not_be_entered(rig: Rig, system: System) -> None:
    database = rig.lab.topology["database"]
    with rig.lab.supervisor.resync_held():
        rig.lab.client("rds", OSAKA).failover_global_cluster(
            GlobalClusterIdentifier=database["global_cluster"],
            TargetDbClusterIdentifier=database["clusters"][OSAKA],
            AllowDataLoss=True,
        )
        wait_for(lambda: value(DatabasePart(), system) == "standby-waiting")
    wait_for(lambda: value(DatabasePart(), system) == "standby-ready")


def test_an_unreadable_database(rig: Rig, system: System) -> None:
    with failing(rig, "rds"):
        fact = DatabasePart().fact(system, RUN)
    assert fact.value == UNREADABLE
    assert fact.details["error"]


@pytest.mark.parametrize(
    ("prefix", "name", "expected"),
    [
        ("FailoverStateMachine", f"chaosdrill-{RUN}-fail-over-1", "to-standby"),
        ("FailbackStateMachine", f"chaosdrill-{RUN}-fail-back-2", "to-home"),
        ("FailoverStateMachine", "chaosdrill-20261130T010203Z-ffff-fail-over-1", "foreign"),
        ("FailoverStateMachine", "started-by-hand", "foreign"),
    ],
)
def test_executions(rig: Rig, system: System, prefix: str, name: str, expected: str) -> None:
    assert value(FailoverPart(), system) == "none"
    if prefix.startswith("Failback"):
        rig.flag(TOKYO, "true")
        rig.flag(OSAKA, "false")
        rig.writer(OSAKA)
    with rig.lab.supervisor.writer_held():
        rig.lab.client("stepfunctions").start_execution(stateMachineArn=rig.lab.machine(prefix), name=name)
        wait_for(lambda: value(FailoverPart(), system) == expected)
        running = FailoverPart().fact(system, RUN)
        with pytest.raises(TimedOut) as late:
            ORCHESTRATOR.wait(system, running, 0.0)
        assert late.value.code == "execution-running"
    ORCHESTRATOR.wait(system, running, LONG_S)
    wait_for(lambda: value(FailoverPart(), system) == "none")
