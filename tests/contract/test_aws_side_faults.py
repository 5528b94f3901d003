"""Every action on AWS's bad days: bursts of failures are survived, what never works is given up, and what is half done
is said.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.retries import standard

from chaosdrill import history
from chaosdrill.automatic_failover.actions import disable_automatic_failover, enable_automatic_failover
from chaosdrill.aws import arc, credentials, deadlines, fis, polling, sessions
from chaosdrill.database.actions import fail_over_database, switch_over_database
from chaosdrill.experiment_files import read_experiment
from chaosdrill.failover.actions import fail_back, fail_over
from chaosdrill.history import OpenDrill
from chaosdrill.packet_loss.actions import heal_packet_loss, inject_packet_loss, isolate_region
from chaosdrill.rehearsal.roles import make_roles
from chaosdrill.routing.actions import set_routing
from chaosdrill.service.actions import restore_desired_count, set_desired_count
from chaosdrill.stop_flag.actions import set_stop_flag
from chaosdrill.topology import load_topology
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get, running
from tests.failing import fails_with
from tests.waiting import wait_for

pytestmark = pytest.mark.long

Act = Callable[[dict[str, Any]], Any]
BURST = 5
KINDS = ("throttling", "server-error", "expired", "timeout", "reset", "lost-answer", "slow")
ADDRESS = "10.100.5.165"
LONG_IN_FORCE_S = 36_000  # ten minutes in this lab: no fault ends by itself while a busy machine looks at it
SERVICE = {"cluster": "tokyo-app", "service": "transaction"}
RULE = "start-failover-on-alarm"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Pauses between tries and looks are short: what AWS should be spared, this machine need not be."""
    with running(tmp_path_factory.mktemp("lab")) as lab, pytest.MonkeyPatch.context() as short:
        for scale in ("throttling_base_scale", "non_throttling_base_scale"):
            short.setitem(standard.ExponentialBackoff._DEFAULT_BACKOFF_CONFIG, scale, 0.005)
        short.setattr(credentials, "_FIRST_PAUSE_S", 0.005)
        short.setattr(arc, "_BACK_OFF_S", (0.01, 0.01, 0.01))
        short.setattr(polling, "interval_s", lambda spent_s, every_s=1.0: 0.05)
        yield Rig(lab)


HASTY: dict[Any, Any] = {}  # clients that give up soon on an answer


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> Iterator[None]:
    rig.go_home()
    yield
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
    rig.lab.supervisor.refuse.clear()
    rig.lab.client("events").disable_rule(Name=RULE)
    for name in ("balance", "transaction"):
        tasks(rig, name, 2)
    sfn = rig.lab.client("stepfunctions")
    rig.lab.become_consistent()
    for machine in (rig.lab.machine("FailoverStateMachine"), rig.lab.machine("FailbackStateMachine")):
        wait_for(lambda one=machine: not sfn.list_executions(stateMachineArn=one, statusFilter="RUNNING")["executions"])


def break_aws(rig: Rig, service: str, kind: str, operation: str, calls: int | None = None, seconds: float = 60) -> None:
    fault = {"service": service, "kind": kind, "operation": operation, "calls": calls, "seconds": seconds}
    assert get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")[0] == 200


def hits(rig: Rig) -> list[int]:
    return [fault["hits"] for fault in get(f"{rig.lab.url}/chaosdrill/faults")[1]["faults"]]


def all_in_osaka(rig: Rig) -> None:
    rig.flag(TOKYO, "true")
    rig.route(tokyo="Off", osaka="On")
    rig.writer(OSAKA)
    rig.flag(OSAKA, "false")


def flag_of(rig: Rig, region: str) -> str:
    table = rig.lab.topology["stop_flag"]["tables"][region]
    item = rig.lab.client("dynamodb", region).get_item(TableName=table, Key={"PK": {"S": "stopFlag"}})["Item"]
    return str(item["value"]["S"])


def routed_to(rig: Rig) -> list[str]:
    routing = rig.lab.topology["routing"]
    one = routing["cluster_endpoints"][0]
    client = rig.lab.client("route53-recovery-cluster", one["region"], one["url"])
    states = {
        region: client.get_routing_control_state(RoutingControlArn=arn)["RoutingControlState"]
        for region, arn in routing["controls"].items()
    }
    return [region for region, state in states.items() if state == "On"]


def writer(rig: Rig) -> str:
    name = rig.lab.topology["database"]["global_cluster"]
    described = rig.lab.client("rds").describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"][0]
    return next(str(one["DBClusterArn"]) for one in described["GlobalClusterMembers"] if one["IsWriter"]).split(":")[3]


def active_faults(rig: Rig) -> int:
    found = rig.lab.client("fis", TOKYO).list_experiments()["experiments"]
    return sum(one["state"]["status"] in fis.ACTIVE for one in found)


def tasks(rig: Rig, service: str, count: int) -> None:
    rig.lab.client("ecs", TOKYO).update_service(cluster="tokyo-app", service=service, desiredCount=count)


def desired(rig: Rig) -> int:
    """Of the transaction service."""
    found = rig.lab.client("ecs", TOKYO).describe_services(cluster="tokyo-app", services=["transaction"])
    return int(found["services"][0]["desiredCount"])


def rule(rig: Rig) -> str:
    return str(rig.lab.client("events").describe_rule(Name=RULE)["State"])


def begin(activity: str) -> None:
    """Let the open drill's history say that a step was begun."""
    one = history.current()
    assert one is not None
    one.history.append("activity-started", activity=activity)


def take_away(rig: Rig) -> None:
    begin("take-away")
    set_desired_count(count=0, **SERVICE, configuration=rig.configuration)


def executions(rig: Rig) -> int:
    sfn = rig.lab.client("stepfunctions")
    rig.lab.become_consistent()
    return sum(
        len(sfn.list_executions(stateMachineArn=rig.lab.machine(prefix))["executions"])
        for prefix in ("FailoverStateMachine", "FailbackStateMachine")
    )


@dataclass(frozen=True)
class Case:
    """An action, the call by which it changes the world, the look it takes first or while it waits, and the world."""

    act: Act
    service: str
    changes: str
    looks: str
    world: Callable[[Rig], Any]
    after: Any
    before: Callable[[Rig], None] = lambda rig: None


CASES = {
    "set_stop_flag": Case(
        lambda to: set_stop_flag("home", True, configuration=to),
        *("dynamodb", "UpdateItem", "GetItem", lambda rig: flag_of(rig, TOKYO), "true"),
    ),
    "set_routing": Case(
        lambda to: set_routing("standby", configuration=to),
        *("route53-recovery-cluster", "UpdateRoutingControlStates", "GetRoutingControlState", routed_to, [OSAKA]),
    ),
    "switch_over_database": Case(
        lambda to: switch_over_database("standby", timeout_s=30, configuration=to),
        *("rds", "SwitchoverGlobalCluster", "DescribeGlobalClusters", writer, OSAKA),
    ),
    "fail_over_database": Case(
        lambda to: fail_over_database("standby", data_loss="allowed", timeout_s=30, configuration=to),
        *("rds", "FailoverGlobalCluster", "DescribeGlobalClusters", writer, OSAKA),
    ),
    "fail_over": Case(
        lambda to: fail_over(timeout_s=30, configuration=to),
        *("stepfunctions", "StartExecution", "DescribeExecution", lambda rig: flag_of(rig, OSAKA), "false"),
    ),
    "fail_back": Case(
        lambda to: fail_back(timeout_s=30, configuration=to),
        *("stepfunctions", "StartExecution", "ListExecutions", lambda rig: flag_of(rig, TOKYO), "false"),
        before=all_in_osaka,
    ),
    "inject_packet_loss": Case(
        lambda to: inject_packet_loss(sources=ADDRESS, duration_s=LONG_IN_FORCE_S, configuration=to),
        *("fis", "StartExperiment", "GetExperiment", active_faults, 1),
    ),
    "heal_packet_loss": Case(
        lambda to: heal_packet_loss(timeout_s=30, configuration=to),
        *("fis", "StopExperiment", "ListExperiments", active_faults, 0),
        before=lambda rig: inject_packet_loss(
            sources=ADDRESS, duration_s=LONG_IN_FORCE_S, configuration=rig.configuration
        ),
    ),
    "isolate_region": Case(
        lambda to: isolate_region(duration_s=LONG_IN_FORCE_S, configuration=to),
        *("fis", "StartExperiment", "GetExperiment", active_faults, 1),
    ),
    "set_desired_count": Case(
        lambda to: set_desired_count(count=0, **SERVICE, configuration=to),
        *("ecs", "UpdateService", "DescribeServices", desired, 0),
    ),
    "restore_desired_count": Case(
        lambda to: restore_desired_count(undo_of="take-away", configuration=to),
        *("ecs", "UpdateService", "DescribeServices", desired, 2),
        before=take_away,
    ),
    "enable_automatic_failover": Case(
        lambda to: enable_automatic_failover(RULE, configuration=to),
        *("events", "EnableRule", "DescribeRule", rule, "ENABLED"),
    ),
    "disable_automatic_failover": Case(
        lambda to: disable_automatic_failover(RULE, configuration=to),
        *("events", "DisableRule", "DescribeRule", rule, "DISABLED"),
        before=lambda rig: enable_automatic_failover(RULE, configuration=rig.configuration),
    ),
}


def be_hasty(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon on what does not answer: the tries together are what the test waits for."""
    if kind == "timeout":
        monkeypatch.setitem(sessions._ON_THIS_MACHINE, "read_timeout", 1.0)
        monkeypatch.setattr(sessions, "_clients", HASTY)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_a_burst_of_five_failures_is_survived_and_the_change_is_made_once(
    rig: Rig, one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    case = CASES[name]
    case.before(rig)
    begun = executions(rig)
    be_hasty(kind, monkeypatch)
    for operation in (case.changes, case.looks):
        break_aws(rig, case.service, kind, operation, BURST, seconds=0.1 if kind == "slow" else 60)
    done = case.act(rig.configuration)
    assert done["done"] is True
    assert case.world(rig) == case.after
    assert all(hits(rig)), "a fault that no call met proves nothing"
    assert hits(rig)[0] == BURST or kind in ("lost-answer", "slow"), "less is needed where a retry finds it done"
    assert executions(rig) - begun == (1 if case.service == "stepfunctions" else 0)
    calls = [row for row in one_drill.history.events("aws-call") if row["operation"] == case.changes]
    assert calls, "each changing call is recorded"


OF_SEVERAL = {  # actions that go through several things, and report what failed together
    "heal_packet_loss": "fault-not-stopped",
    "restore_desired_count": "desired-count-not-restored",
}


@pytest.mark.parametrize("kind", ["throttling", "server-error", "timeout", "reset"])  # expired: see test_credentials
@pytest.mark.parametrize("name", CASES)
def test_what_never_works_is_given_up_and_the_error_says_that_nothing_was_done(
    rig: Rig, one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    case = CASES[name]
    case.before(rig)
    be_hasty(kind, monkeypatch)
    was = case.world(rig)
    break_aws(rig, case.service, kind, case.changes)
    action = case.act if name != "heal_packet_loss" else lambda to: heal_packet_loss(timeout_s=1, configuration=to)
    with fails_with(OF_SEVERAL.get(name, "change-not-made")):
        action(rig.configuration)
    assert case.world(rig) == was


@pytest.mark.parametrize("name", [name for name in CASES if name != "heal_packet_loss"])
def test_what_was_done_though_no_try_was_ever_answered_is_seen(rig: Rig, one_drill: OpenDrill, name: str) -> None:
    case = CASES[name]
    case.before(rig)
    break_aws(rig, case.service, "lost-answer", case.changes)
    assert case.act(rig.configuration)["done"] is True
    assert case.world(rig) == case.after


@dataclass(frozen=True)
class Blind:
    """An action that waits: its change, and what it asks then."""

    act: Act
    service: str
    changes: str
    asks: tuple[str, str]
    before: Callable[[Rig], None] = lambda rig: None


BLIND = {
    "switch_over_database": Blind(
        lambda to: switch_over_database("standby", timeout_s=1, configuration=to),
        *("rds", "SwitchoverGlobalCluster", ("rds", "DescribeGlobalClusters")),
    ),
    "fail_over_database": Blind(
        lambda to: fail_over_database("standby", data_loss="allowed", timeout_s=1, configuration=to),
        *("rds", "FailoverGlobalCluster", ("rds", "DescribeGlobalClusters")),
    ),
    "fail_over": Blind(
        lambda to: fail_over(timeout_s=1, configuration=to),
        *("stepfunctions", "StartExecution", ("stepfunctions", "DescribeExecution")),
    ),
    "inject_packet_loss": Blind(
        lambda to: inject_packet_loss(sources=ADDRESS, duration_s=LONG_IN_FORCE_S, timeout_s=1, configuration=to),
        *("fis", "StartExperiment", ("fis", "GetExperiment")),
    ),
    "isolate_region": Blind(
        lambda to: isolate_region(duration_s=LONG_IN_FORCE_S, timeout_s=1, configuration=to),
        *("fis", "StartExperiment", ("fis", "GetExperiment")),
    ),
    "heal_packet_loss": Blind(
        lambda to: heal_packet_loss(timeout_s=1, configuration=to),
        *("fis", "StopExperiment", ("fis", "GetExperiment")),
        before=lambda rig: inject_packet_loss(
            sources=ADDRESS, duration_s=LONG_IN_FORCE_S, configuration=rig.configuration
        ),
    ),
    "set_desired_count": Blind(
        lambda to: set_desired_count(count=0, **SERVICE, timeout_s=1, configuration=to),
        *("ecs", "UpdateService", ("ecs", "DescribeServices")),
    ),
    "restore_desired_count": Blind(
        lambda to: restore_desired_count(undo_of="take-away", timeout_s=1, configuration=to),
        *("ecs", "UpdateService", ("ecs", "DescribeServices")),
        before=take_away,
    ),
    "disable_automatic_failover": Blind(
        lambda to: disable_automatic_failover(RULE, timeout_s=1, configuration=to),
        *("events", "DisableRule", ("stepfunctions", "ListExecutions")),
        before=lambda rig: enable_automatic_failover(RULE, configuration=rig.configuration),
    ),
}


@dataclass(frozen=True)
class Hasty:
    """An action with a second to do it, and the call by which it changes the world."""

    act: Act
    service: str
    changes: str
    before: Callable[[Rig], None] = lambda rig: None


AT_ONCE = {name: Hasty(one.act, one.service, one.changes, one.before) for name, one in BLIND.items()} | {
    "set_stop_flag": Hasty(
        lambda to: set_stop_flag("home", True, timeout_s=1, configuration=to), "dynamodb", "UpdateItem"
    ),
    "set_routing": Hasty(
        lambda to: set_routing("standby", timeout_s=1, configuration=to),
        *("route53-recovery-cluster", "UpdateRoutingControlStates"),
    ),
    "enable_automatic_failover": Hasty(
        lambda to: enable_automatic_failover(RULE, timeout_s=1, configuration=to), "events", "EnableRule"
    ),
}


TIMEOUT_S = 1.0  # of each of them
A_LOOK_S = 2 * deadlines.LEAST_S  # the last one: two calls at most, of which none is answered
LATE_S = 25.0  # a busy machine, and what the action did before


@pytest.mark.parametrize("kind", ["server-error", "timeout"])
@pytest.mark.parametrize("name", BLIND)
def test_an_action_that_went_blind_gives_up_at_its_deadline_and_says_what_goes_on(
    rig: Rig, one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    blind = BLIND[name]
    rig.lab.supervisor.swap_s = 2.0
    blind.before(rig)
    break_aws(rig, blind.service, "slow", blind.changes, 1, seconds=0.5)

    def blind_it() -> None:
        wait_for(lambda: hits(rig)[0])
        break_aws(rig, blind.asks[0], kind, blind.asks[1])

    blinding = threading.Thread(target=blind_it)
    blinding.start()
    began = time.monotonic()
    with fails_with("desired-count-not-restored" if name == "restore_desired_count" else "half-done"):
        blind.act(rig.configuration)
    assert time.monotonic() - began < TIMEOUT_S + A_LOOK_S + LATE_S
    blinding.join()


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_change_that_is_never_answered_is_given_up_at_the_deadline_and_may_still_come(
    rig: Rig, one_drill: OpenDrill, name: str
) -> None:
    hasty, was = AT_ONCE[name], CASES[name].world
    hasty.before(rig)
    before = was(rig)
    break_aws(rig, hasty.service, "timeout", hasty.changes)
    began = time.monotonic()
    with fails_with(OF_SEVERAL.get(name, "change-pending")):
        hasty.act(rig.configuration)
    assert time.monotonic() - began < TIMEOUT_S + deadlines.LEAST_S + A_LOOK_S + LATE_S
    assert hits(rig) == [5 if name == "set_routing" else 1], "no try after the deadline; of five endpoints one each"
    assert was(rig) == before


@pytest.mark.parametrize("name", ["switch_over_database", "fail_over", "heal_packet_loss", "set_desired_count"])
def test_an_action_whose_first_look_is_never_answered_gives_up_at_its_deadline(
    rig: Rig, one_drill: OpenDrill, name: str
) -> None:
    blind = BLIND[name]
    blind.before(rig)
    for operation in ("GetItem", "DescribeGlobalClusters", "ListExecutions", "ListExperiments", "DescribeServices"):
        for service in (blind.service, "dynamodb"):
            break_aws(rig, service, "timeout", operation)
    began = time.monotonic()
    with fails_with("half-done" if name == "heal_packet_loss" else "call-timed-out"):
        blind.act(rig.configuration)
    assert time.monotonic() - began < TIMEOUT_S + A_LOOK_S + LATE_S


def test_every_service_is_given_back_though_one_cannot_be(rig: Rig, one_drill: OpenDrill) -> None:
    begin("take-away")
    for name in ("balance", "transaction"):
        set_desired_count("tokyo-app", name, 0, configuration=rig.configuration)
    break_aws(rig, "ecs", "server-error", "UpdateService", 6)  # one call with all of its tries
    with fails_with("desired-count-not-restored") as told:
        restore_desired_count(undo_of="take-away", configuration=rig.configuration)
    assert all(name in str(told.value) for name in ("balance", "transaction")), "and the one that was given back"
    assert desired(rig) == 2


FAULTS: dict[str, tuple[Act, str, str]] = {  # its role, and an experiment for which an administrator makes that
    "inject_packet_loss": (CASES["inject_packet_loss"].act, "chaosdrill-packet-loss", "failover"),
    "isolate_region": (CASES["isolate_region"].act, "chaosdrill-region-isolation", "region-loss"),
}


@pytest.fixture
def no_role(rig: Rig) -> Iterator[None]:
    iam = rig.lab.client("iam")
    for role, policy in ((role, role.removeprefix("chaosdrill-")) for _, role, _ in FAULTS.values()):
        with contextlib.suppress(iam.exceptions.NoSuchEntityException):
            iam.delete_role_policy(RoleName=role, PolicyName=policy)
        with contextlib.suppress(iam.exceptions.NoSuchEntityException):
            iam.delete_role(RoleName=role)
    yield
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
    for _, _, experiment in FAULTS.values():
        made(rig, experiment)


def made(rig: Rig, experiment: str) -> dict[str, str]:
    return make_roles(load_topology(rig.lab.plan.topology_file), read_experiment(experiment))


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("change", ["CreateRole", "PutRolePolicy"])
@pytest.mark.usefixtures("no_role")
def test_a_role_is_made_though_an_answer_is_lost(rig: Rig, one_drill: OpenDrill, change: str, name: str) -> None:
    act, role, experiment = FAULTS[name]
    break_aws(rig, "iam", "lost-answer", change, 1)  # a second CreateRole is told: EntityAlreadyExists
    assert f"role {role}" in made(rig, experiment)
    assert hits(rig) == [1]
    assert act(rig.configuration)["done"] is True


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.usefixtures("no_role")
def test_a_role_that_was_half_made_is_said_and_made_whole_by_the_next_try(
    rig: Rig, one_drill: OpenDrill, name: str
) -> None:
    act, role, experiment = FAULTS[name]
    break_aws(rig, "iam", "server-error", "PutRolePolicy")
    with fails_with("half-done") as half:
        made(rig, experiment)
    assert role in str(half.value)
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
    with fails_with("role-policy-differs"):
        act(rig.configuration)
    assert active_faults(rig) == 0
    made(rig, experiment)
    assert act(rig.configuration)["done"] is True


OF_AN_INJECTION = {  # every call of it, from what the client host resolves to the experiment that runs
    "ssm": ("DescribeInstanceInformation", "SendCommand", "GetCommandInvocation"),
    "ec2": ("DescribeInstances",),
    "iam": ("GetRole", "GetRolePolicy"),
    "fis": (
        "ListExperiments",
        "ListExperimentTemplates",
        "CreateExperimentTemplate",
        "StartExperiment",
        "GetExperiment",
    ),
}


@pytest.fixture
def names(rig: Rig) -> Iterator[None]:
    """The client host resolves the domain: its ``dig`` is one that has the answer."""
    dig = rig.lab.plan.control_socket.with_name("pythons") / "dig"
    dig.write_text(f"#!/bin/sh\necho '; ->>HEADER<<- status: NOERROR'\necho 'api.example.com. 60 IN A {ADDRESS}'\n")
    dig.chmod(0o755)
    yield
    dig.unlink()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("names")
def test_a_fault_on_what_the_client_host_resolves_is_injected_though_every_call_fails_five_times(
    rig: Rig, one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    be_hasty(kind, monkeypatch)
    broken = [(service, operation) for service, operations in OF_AN_INJECTION.items() for operation in operations]
    for service, operation in broken:
        break_aws(rig, service, kind, operation, BURST, seconds=0.1 if kind == "slow" else 60)
    given = {"template": f"burst-{kind}", "duration_s": LONG_IN_FORCE_S, "configuration": rig.configuration}
    done = inject_packet_loss(sources="home", **given)
    assert (done["sources"], active_faults(rig)) == ([ADDRESS], 1)
    met = dict(zip(broken, hits(rig), strict=True))
    assert all(met.values()), met
    assert set(met.values()) == {BURST} or kind in ("lost-answer", "slow"), "less is needed where a retry finds it done"
