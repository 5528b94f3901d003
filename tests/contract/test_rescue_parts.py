"""What a drill owes of faults, triggers, capacity and clients: each fact, each undo step, and a whole rescue."""

import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.automatic_failover.part import AutomaticFailoverPart
from chaosdrill.aws import System, fis, system_of
from chaosdrill.client.heartbeat import settings_of
from chaosdrill.client.host.leftovers import program_on_host
from chaosdrill.client.host.packing import heartbeat_zipapp
from chaosdrill.client.host.remote_program import Program
from chaosdrill.database.part import DatabasePart
from chaosdrill.errors import BadInput, Refused
from chaosdrill.failover.part import FailoverPart
from chaosdrill.heartbeat.part import HeartbeatPart
from chaosdrill.history.owed_undos import FAULT, SYSTEM, OwedUndo
from chaosdrill.load.part import LoadPart
from chaosdrill.packet_loss import isolation
from chaosdrill.packet_loss.actions import inject_packet_loss
from chaosdrill.packet_loss.part import PacketLossPart
from chaosdrill.packet_loss.role import find_role, for_isolation
from chaosdrill.parts.interface import HEAL, UNREADABLE, Fact, Orchestrator, Part, WriterPart
from chaosdrill.region.probes import region_facts
from chaosdrill.rescue.execute import RescueResult, rescue_system
from chaosdrill.service.part import ServicePart
from tests.contract.activities_rig import OSAKA, TOKYO, Rig, drill
from tests.contract.ssm_rig import hurried
from tests.waiting import LONG_S, wait_for

RUN = "20261130T040506Z-cafe"  # executions are remembered by name in the whole process
READ = {"method": "GET", "path": "/balance"}
RULE = "start-failover-on-alarm"
MANAGED = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
SERVICE = {"region": TOKYO, "cluster": "tokyo-app", "service": "transaction"}
DATABASE: WriterPart = DatabasePart()
ORCHESTRATOR: Orchestrator = FailoverPart()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with hurried(tmp_path_factory) as one:
        yield one


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> Iterator[None]:
    rig.go_home()
    set_rule(rig, "DISABLED")
    set_count(rig, 2)
    yield
    set_rule(rig, "DISABLED")


@pytest.fixture
def system(rig: Rig) -> System:
    return system_of(rig.configuration)


def owed(part: Part, action: str, number: int = 1, before: Mapping[str, Any] | None = None, **given: Any) -> OwedUndo:
    kind = FAULT if part.role == "fault" else SYSTEM
    undo = next(rule.undo for rule in part.undo_rules if rule.action == action)
    began = "2026-11-30T01:02:03Z"
    return OwedUndo(
        action, action, kind, undo, began, given, part=part.name, role=part.role, number=number, before=before or {}
    )


def fact(part: Part, system: System, *undos: OwedUndo) -> Fact:
    found = part.fact(system, RUN, undos)
    assert {found.value, *found.each.values()} <= {*part.facts, UNREADABLE}
    return found


def undo_all(part: Part, system: System, *undos: OwedUndo) -> None:
    """Make each undo step twice, lowest order first."""
    for step in sorted(part.undo_steps(system, RUN, undos, fact(part, system, *undos)), key=lambda one: one.order):
        for _ in range(2):
            step.act()
            assert step.is_done()


def set_rule(rig: Rig, state: str) -> None:
    client = rig.lab.client("events")
    if state == MANAGED:
        described = client.describe_rule(Name=RULE)
        client.put_rule(Name=RULE, EventPattern=described["EventPattern"], State=state)
    else:
        (client.enable_rule if state == "ENABLED" else client.disable_rule)(Name=RULE)


def rule(rig: Rig) -> str:
    return str(rig.lab.client("events").describe_rule(Name=RULE)["State"])


def set_count(rig: Rig, count: int) -> None:
    client = rig.lab.client("ecs", TOKYO)
    client.update_service(cluster=SERVICE["cluster"], service=SERVICE["service"], desiredCount=count)


def count(rig: Rig) -> int:
    client = rig.lab.client("ecs", TOKYO)
    found = client.describe_services(cluster=SERVICE["cluster"], services=[SERVICE["service"]])["services"]
    return int(found[0]["desiredCount"])


def enabled_by_drill(number: int = 1) -> OwedUndo:
    before = {"arguments": {"rule": RULE, "region": OSAKA}}
    return owed(AutomaticFailoverPart(), "enable_automatic_failover", number, before, rule=RULE)


def disabled_by_drill(state: str, number: int = 1) -> OwedUndo:
    before = {"arguments": {"rule": RULE, "region": OSAKA, "state": state}}
    return owed(AutomaticFailoverPart(), "disable_automatic_failover", number, before, rule=RULE)


class TestTrigger:
    """The rule of the automatic failover."""

    @pytest.mark.parametrize(
        ("state", "undo", "expected"),
        [
            ("DISABLED", enabled_by_drill(), "off"),
            ("ENABLED", enabled_by_drill(), "on-owed"),
            ("DISABLED", disabled_by_drill("ENABLED"), "off-owed"),
            (MANAGED, disabled_by_drill("ENABLED"), "on"),
            ("ENABLED", owed(AutomaticFailoverPart(), "disable_automatic_failover", rule=RULE), "on"),
            ("DISABLED", owed(AutomaticFailoverPart(), "disable_automatic_failover", rule=RULE), "off"),
            ("DISABLED", owed(AutomaticFailoverPart(), "enable_automatic_failover", rule="none"), UNREADABLE),
        ],
    )
    def test_fact(self, rig: Rig, system: System, state: str, undo: OwedUndo, expected: str) -> None:
        set_rule(rig, state)
        assert fact(AutomaticFailoverPart(), system, undo).value == expected

    def test_the_first_change_tells_what_was_before(self, rig: Rig, system: System) -> None:
        set_rule(rig, "ENABLED")
        both = (enabled_by_drill(1), disabled_by_drill("ENABLED", 2))
        assert fact(AutomaticFailoverPart(), system, *both).value == "on-owed"
        assert fact(AutomaticFailoverPart(), system).value == "off", "the topology names no rule"

    @pytest.mark.parametrize("before", ["ENABLED", MANAGED])
    def test_it_is_restored(self, rig: Rig, system: System, before: str) -> None:
        undo_all(AutomaticFailoverPart(), system, disabled_by_drill(before))
        assert rule(rig) == before

    def test_it_is_switched_off(self, rig: Rig, system: System) -> None:
        set_rule(rig, "ENABLED")
        undo_all(AutomaticFailoverPart(), system, enabled_by_drill())
        assert rule(rig) == "DISABLED"


def set_by_drill(before: int, number: int = 1) -> OwedUndo:
    return owed(ServicePart(), "set_desired_count", number, {"arguments": {**SERVICE, "count": before}}, count=0)


class TestCapacity:
    """The desired count of a service."""

    @pytest.mark.parametrize(("before", "expected"), [(2, "as-before"), (3, "lowered"), (1, "raised")])
    def test_fact(self, system: System, before: int, expected: str) -> None:
        assert fact(ServicePart(), system, set_by_drill(before), set_by_drill(9, 2)).value == expected

    @pytest.mark.parametrize("now", [0, 3])
    def test_it_is_restored(self, rig: Rig, system: System, now: int) -> None:
        set_count(rig, now)
        undo_all(ServicePart(), system, set_by_drill(2))
        assert count(rig) == 2

    def test_what_was_not_changed_is_not_owed(self, system: System) -> None:
        undo = owed(ServicePart(), "set_desired_count", 4, count=0)
        (step,) = ServicePart().undo_steps(system, RUN, (undo,), fact(ServicePart(), system, undo))
        assert (step.pays, step.is_done()) == ((4,), True)


def injected(number: int = 1) -> OwedUndo:
    return owed(PacketLossPart(), "inject_packet_loss", number, {"run_tag": RUN, "region": TOKYO})


def inject(rig: Rig, directory: Path, run: str) -> None:
    with drill(directory, run):
        inject_packet_loss(sources="10.100.5.165", duration_s=36_000, configuration=rig.configuration)


def isolate(rig: Rig, system: System, cidr: str, tags: Mapping[str, str]) -> str:
    """Let another team's experiment cut off a subnet of Tokyo."""
    subnets = rig.lab.client("ec2", TOKYO).describe_subnets()["Subnets"]
    arn = next(str(one["SubnetArn"]) for one in subnets if one["CidrBlock"] == cidr)
    client = rig.lab.client("fis", TOKYO)
    wanted = isolation.template([arn], 36_000, "theirs", find_role(system, for_isolation(system)))
    made = client.create_experiment_template(clientToken=uuid.uuid4().hex, **wanted)["experimentTemplate"]["id"]
    started = client.start_experiment(clientToken=uuid.uuid4().hex, experimentTemplateId=made, tags=dict(tags))
    return str(started["experiment"]["id"])


class TestFault:
    """The faults of the drill, and those of others."""

    def test_the_drill_s_wins_and_is_healed(self, rig: Rig, system: System, tmp_path: Path) -> None:
        part, undo = PacketLossPart(), injected()
        assert fact(part, system, undo).value == "none"
        theirs = isolate(rig, system, "10.100.1.0/24", {"team": "other"})
        assert fact(part, system, undo).value == "foreign"
        inject(rig, tmp_path, RUN)
        assert fact(part, system, undo).value == "ours"
        undo_all(part, system, undo)
        assert fact(part, system, undo).value == "foreign"
        assert [one["id"] for one in fact(part, system, undo).details["experiments"]] == [theirs]

    @pytest.mark.long
    def test_another_run_s_on_the_client_host_is_foreign(self, rig: Rig, system: System, tmp_path: Path) -> None:
        inject(rig, tmp_path, "another-run")
        assert fact(PacketLossPart(), system, injected()).value == "foreign"

    def test_what_is_not_on_this_system_does_not_count(self, rig: Rig, system: System) -> None:
        application = rig.lab.client("elbv2", TOKYO).describe_load_balancers()["LoadBalancers"][0]["VpcId"]
        subnets = rig.lab.client("ec2", TOKYO).describe_subnets()["Subnets"]
        other = next(str(one["CidrBlock"]) for one in subnets if one["VpcId"] != application)
        isolate(rig, system, other, {"team": "other"})
        isolate(rig, system, "10.100.1.0/24", {fis.RUN_TAG: fis.PREVIEW})
        assert fact(PacketLossPart(), system, injected()).value == "none"

    def test_rules_that_stay_on_the_host_are_not_healed(self, rig: Rig, system: System) -> None:
        (step,) = PacketLossPart().undo_steps(system, RUN, (injected(),), Fact("none"))
        assert (step.order, step.is_done()) == (HEAL, True)
        rig.lab.supervisor._qdisc.write_text("qdisc netem 8001: dev ifb0 root limit 1000 loss 30%\n")
        assert not step.is_done()
        rig.lab.supervisor._qdisc.write_text("")


def on_host(rig: Rig, tmp_path: Path, run: str) -> System:
    """Start a real heartbeat on the client host, past chaosdrill."""
    topology = rig.other_topology(
        tmp_path / "topology.json", heartbeat={"read": READ, "run": "ssm"}, client=rig.client_host(run="ssm")
    )
    system, archive = system_of(topology), heartbeat_zipapp()
    path = Path(os.environ["XDG_CACHE_HOME"], "chaosdrill", archive.sha256, "heartbeat.pyz")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive.data)
    settings = {**settings_of(system.topology), "run": run}
    Program(system, "python3", str(path)).ask(
        "start", LONG_S, run=run, given=settings, lease_s=900.0, token=uuid.uuid4().hex
    )
    return system


class TestClient:
    """Load and heartbeat."""

    def test_a_heartbeat_on_the_client_host_is_ended(self, rig: Rig, tmp_path: Path) -> None:
        part, undo = HeartbeatPart(), owed(HeartbeatPart(), "start_heartbeat")
        system = on_host(rig, tmp_path, RUN)
        assert fact(part, system, undo).value == "ours"
        assert part.fact(system, "another-run", (undo,)).value == "none"
        assert fact(part, system).value == "none", "nothing is owed"
        undo_all(part, system, undo)
        assert fact(part, system, undo).value == "none"
        assert program_on_host(system, "heartbeat") is None, "its files would refuse the next drill"
        owner = Path(os.environ["XDG_CACHE_HOME"], "chaosdrill", "heartbeat", "owner")
        owner.write_text(RUN)
        assert fact(part, system, undo).value == "ours", "its driver died after its end, before its files were removed"
        undo_all(part, system, undo)
        assert not owner.exists()

    def test_a_locust_on_the_client_host(self, rig: Rig, tmp_path: Path) -> None:
        part, undo = LoadPart(), owed(LoadPart(), "start_load")
        system = on_host(rig, tmp_path, RUN)
        assert fact(part, system, undo).value == "none"
        cache = Path(os.environ["XDG_CACHE_HOME"], "chaosdrill")
        (cache / "load").mkdir()
        program = next(cache.glob("*/heartbeat.pyz"))
        program.with_name("locust.pyz").write_bytes(program.read_bytes())
        state = (cache / "heartbeat" / "state.json").read_text()
        (cache / "load" / "state.json").write_text(state.replace("heartbeat.pyz", "locust.pyz"))
        assert fact(part, system, undo).value == "ours"
        undo_all(part, system, undo, owed(LoadPart(), "change_load", 2))
        assert fact(part, system, undo).value == "none"

    def test_one_of_the_driver_s_machine_has_ended_with_it(self, rig: Rig, tmp_path: Path) -> None:
        topology = rig.other_topology(
            tmp_path / "topology.json", heartbeat={"read": READ, "run": "local"}, client=rig.client_host(run="local")
        )
        for part, action in ((LoadPart(), "start_load"), (HeartbeatPart(), "start_heartbeat")):
            undo, system = owed(part, action, 3), system_of(topology)
            assert fact(part, system, undo).value == "none"
            (step,) = part.undo_steps(system, RUN, (undo,), Fact("none"))
            assert (step.pays, step.is_done()) == ((3,), True)

    def test_a_locust_that_cannot_be_reached(self, system: System) -> None:
        assert fact(LoadPart(), system, owed(LoadPart(), "start_load")).value == UNREADABLE


def failed_over(rig: Rig, name: str, number: int = 1) -> OwedUndo:
    arn = rig.lab.machine("FailoverStateMachine").replace(":stateMachine:", ":execution:")
    return owed(FailoverPart(), "fail_over", number, {"execution_arn": f"{arn}:{name}"})


def to_standby(rig: Rig) -> None:
    rig.flag(TOKYO, "true")
    rig.flag(OSAKA, "false")
    rig.route(tokyo="Off", osaka="On")
    rig.writer(OSAKA)


def test_the_application_is_moved_under_an_unused_name_and_once(rig: Rig, system: System) -> None:
    to_standby(rig)
    name = f"chaosdrill-{RUN}-fail-over-1"
    moved = ORCHESTRATOR.move(system, TOKYO, RUN, (failed_over(rig, name),), LONG_S)
    assert moved["execution_arn"].rpartition(":")[2] == f"chaosdrill-{RUN}-fail-back-2"
    assert ORCHESTRATOR.move(system, TOKYO, RUN, (), LONG_S) == {"done": False}
    to_standby(rig)
    again = ORCHESTRATOR.move(system, TOKYO, RUN, (failed_over(rig, name),), LONG_S)
    assert again["execution_arn"].rpartition(":")[2] == f"chaosdrill-{RUN}-fail-back-3"


def test_no_move_is_begun_to_the_region_that_writes(rig: Rig, system: System) -> None:
    rig.flag(TOKYO, "true")
    with pytest.raises(Refused) as refused:
        ORCHESTRATOR.move(system, TOKYO, RUN, (), LONG_S)
    assert refused.value.code == "writer-already"


def test_a_recorded_execution_counts_before_it_is_listed(rig: Rig, system: System, monkeypatch: Any) -> None:
    undo = failed_over(rig, f"chaosdrill-{RUN}-fail-over-1")
    assert fact(FailoverPart(), system, undo).value == "none", "it was never started"
    with rig.lab.supervisor.writer_held():
        name = f"chaosdrill-{RUN}-fail-over-1"
        machine = rig.lab.machine("FailoverStateMachine")
        rig.lab.client("stepfunctions").start_execution(stateMachineArn=machine, name=name)
        monkeypatch.setattr("chaosdrill.aws.stepfunctions.running", lambda *_: [])
        wait_for(lambda: fact(FailoverPart(), system, undo).value == "to-standby")
    ORCHESTRATOR.wait(system, fact(FailoverPart(), system, undo), LONG_S)


def test_a_database_is_promoted_only_when_the_loss_is_allowed(rig: Rig, system: System) -> None:
    with pytest.raises(BadInput):
        DATABASE.promote(system, OSAKA, "", LONG_S)
    assert DATABASE.promote(system, OSAKA, "allowed", LONG_S) == {"done": True, "was": TOKYO}
    assert DATABASE.promote(system, OSAKA, "allowed", LONG_S) == {"done": False, "was": OSAKA}


def rescued(system: System, *undos: OwedUndo, run: str = RUN, **how: Any) -> RescueResult:
    return rescue_system(system, run, undos, **how)


@pytest.mark.long
def test_a_half_moved_system_with_a_fault_in_force_ends_at_home(rig: Rig, system: System, tmp_path: Path) -> None:
    run = "20261130T020304Z-beef"  # FIS starts one experiment per run and step
    inject(rig, tmp_path, run)
    to_standby(rig)
    rig.flag(OSAKA, "true")
    set_count(rig, 0)
    undos = (
        injected(1),
        disabled_by_drill("ENABLED", 2),
        set_by_drill(2, 3),
        failed_over(rig, f"chaosdrill-{run}-fail-over-1", 4),
    )
    result = rescued(system, *undos, run=run)
    assert [one.failed for one in result.rounds] == [()] * len(result.rounds)
    rows = [one.plan.row.name for one in result.rounds]
    assert rows == ["closed", "serves-elsewhere", "goal-serves"]
    assert (result.paid, result.left) == (undos, ())
    now = region_facts(configuration=rig.configuration)
    assert (now["flag"], now["routing"]) == ({TOKYO: False, OSAKA: True}, {TOKYO: "On", OSAKA: "Off"})
    assert (PacketLossPart().fact(system, run).value, rule(rig), count(rig)) == ("none", "ENABLED", 2)
    assert [one.plan.steps for one in rescued(system, *undos, run=run).rounds] == [()]


def test_a_rule_that_the_rescue_disables_is_owed_before_and_restored(rig: Rig, system: System) -> None:
    set_rule(rig, MANAGED)
    rig.route(tokyo="Off", osaka="Off")
    published: list[tuple[str, OwedUndo]] = []
    undo = owed(AutomaticFailoverPart(), "disable_automatic_failover", 7, rule=RULE)
    result = rescued(system, undo, owe=lambda one: published.append((rule(rig), one)))
    ((state, own),) = published
    assert (state, own.number, own.before["arguments"]["state"]) == (MANAGED, 8, MANAGED)
    assert (rule(rig), result.left) == (MANAGED, ())


def test_what_cannot_be_read_stays_owed(system: System) -> None:
    undos = (set_by_drill(2), owed(LoadPart(), "start_load", 2))
    result = rescued(system, *undos)
    assert (result.paid, result.left) == (undos[:1], undos[1:])
