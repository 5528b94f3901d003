"""`chaosdrill rescue`, from an empty home: half states of the lab's endpoint, leases and owed undos in its table."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from botocore.config import Config
from click.testing import CliRunner, Result

from chaosdrill.aws import lease_guard, sessions, stepfunctions, system_of
from chaosdrill.cli import cli
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.interface import Lease
from chaosdrill.coordination.items import ItemWrite, lease_key
from chaosdrill.coordination.operations import ItemCoordination
from chaosdrill.database.part import DatabasePart
from chaosdrill.history.owed_undos import FAULT, SYSTEM, OwedUndo
from chaosdrill.packet_loss.actions import inject_packet_loss
from chaosdrill.parts.interface import UNREADABLE, Fact
from chaosdrill.parts.registry import lease_keys
from chaosdrill.paths import RUNS_VARIABLE, VARIABLE
from chaosdrill.region.probes import region_facts
from chaosdrill.rescue import system_rescue
from chaosdrill.rescue.owing_runs import NOTE, noted
from chaosdrill.routing.part import RoutingPart
from chaosdrill.stop_flag.part import StopFlagPart
from tests.contract.activities_rig import OSAKA, TOKYO, Rig, calls_of, drill, outside
from tests.contract.coordination_rig import Planted, in_table
from tests.contract.ssm_rig import hurried
from tests.further import first_of
from tests.iam_policy import not_allowed, wanted
from tests.waiting import LONG_S, wait_for

EXPIRED_MS = -3_600_000
MACHINES = ("FailoverStateMachine", "FailbackStateMachine")
RULE = "start-failover-on-alarm"
SERVES = f"serving({TOKYO})"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with hurried(tmp_path_factory) as one:
        yield one


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()
    rig.lab.client("events").disable_rule(Name=RULE)


@pytest.fixture
def planted(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planted]:
    """The lab's table, and an empty home without a drill that is open."""
    patient = Config(connect_timeout=LONG_S, read_timeout=LONG_S, retries={"total_max_attempts": 2})
    monkeypatch.setattr(sessions, "_COORDINATION", sessions._COORDINATION.merge(patient))
    monkeypatch.setattr("chaosdrill.coordination.table.CALL_S", 4 * LONG_S)
    monkeypatch.setattr(system_rescue, "FOLLOWS_WITHIN_S", 0.0)  # the domain of this rig leads nowhere
    monkeypatch.setenv(VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    monkeypatch.delenv("CHAOSDRILL_TOPOLOGY", raising=False)
    topology = rig.lab.plan.topology_file
    one = Planted(topology, in_table(rig, topology), tmp_path / "runs", [])
    with outside():
        yield one
    release_everything(one)


def release_everything(planted: Planted) -> None:
    """Leave the shared table without a holder and without an owed undo, also of rescues that died."""
    keys = lease_keys(system_of({"topology": str(planted.topology)}).topology)
    state = planted.coordination.read(keys)
    for one in state.owed:
        planted.coordination.pay(one.run, one.number, "test")
    for lease in state.holding():
        planted.coordination.release(lease)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> str:
    """A run that no other test of the shared table, of FIS and of Step Functions has."""
    return "20261130T1000-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:8]


def undo(action: str, part: str, role: str, number: int = 1, **facts: Any) -> OwedUndo:
    undone_by = {"fail_over": "fail_back", "inject_packet_loss": "heal_packet_loss"}
    return OwedUndo(
        step=action,
        action=action,
        kind=FAULT if role == "fault" else SYSTEM,
        undo=undone_by.get(action, action),
        began="2026-11-30T10:00:00Z",
        arguments=facts.pop("arguments", {}),
        part=part,
        role=role,
        number=number,
        **facts,
    )


FLAG = undo("set_stop_flag", "stop_flag", "gate")
MOVE = undo("fail_over", "failover", "orchestrator")
LOSS = undo("inject_packet_loss", "packet_loss", "fault", number=2)


def died(planted: Planted, run: str, *undos: OwedUndo, lease_ms: int = EXPIRED_MS, **facts: Any) -> Lease:
    """A drill that owes undos and whose lease has expired."""
    lease = planted.acquire(run, lease_ms, **facts)
    for one in undos:
        planted.coordination.owe(lease, one.number, one)
    return lease


def rescue(planted: Planted, *words: str, code: int = 0) -> dict[str, Any]:
    result = command(planted, "--yes", "--json", *words)
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def command(planted: Planted, *words: str) -> Result:
    return CliRunner().invoke(cli, ["rescue", str(planted.topology), *words])


def make(rig: Rig, closed: tuple[bool, bool], routed: tuple[bool, bool], writer: str = TOKYO) -> None:
    """Set stop flags and routing controls of Tokyo and Osaka, and the writer, past the parts."""
    rig.writer(writer)
    set_placement(rig, closed, routed)


def set_placement(rig: Rig, closed: tuple[bool, bool], routed: tuple[bool, bool]) -> None:
    for region, is_closed in zip((TOKYO, OSAKA), closed, strict=True):
        rig.flag(region, str(is_closed).lower())
    tokyo, osaka = ("On" if is_on else "Off" for is_on in routed)
    rig.route(tokyo=tokyo, osaka=osaka)


def placement(rig: Rig) -> tuple[dict[str, bool], dict[str, str], str]:
    now = region_facts(configuration=rig.configuration)
    return now["flag"], now["routing"], now["writer"]


AT_HOME = ({TOKYO: False, OSAKA: True}, {TOKYO: "On", OSAKA: "Off"}, TOKYO)
AT_STANDBY = ({TOKYO: True, OSAKA: False}, {TOKYO: "Off", OSAKA: "On"}, OSAKA)


def executions(rig: Rig) -> list[str]:
    client, found = rig.lab.client("stepfunctions"), []
    for name in MACHINES:
        listed = client.list_executions(stateMachineArn=rig.lab.machine(name))["executions"]
        found += [str(one["name"]) for one in listed]
    return found


def is_clear(planted: Planted) -> bool:
    state = planted.coordination.read(lease_keys(system_of({"topology": str(planted.topology)}).topology))
    return not state.owed and not state.holding()


@pytest.mark.parametrize(
    ("closed", "routed", "writer", "states"),
    first_of(
        [
            ((True, True), (False, True), OSAKA, ["closed", "serves-elsewhere", "goal-serves"]),
            ((True, False), (False, True), TOKYO, ["open-away-from-writer", "goal-serves"]),
            ((False, False), (True, True), TOKYO, ["both-open", "goal-serves"]),
            ((False, True), (True, False), TOKYO, ["goal-serves"]),
            ((True, True), (False, True), TOKYO, ["closed", "goal-serves"]),
            ((False, True), (False, False), TOKYO, ["routed-elsewhere", "goal-serves"]),
        ],
        3,
    ),
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_home_serves_again_and_nothing_is_owed(
    rig: Rig, planted: Planted, run: str, closed: Any, routed: Any, writer: str, states: list[str]
) -> None:
    make(rig, closed, routed, writer)
    died(planted, run, FLAG, replace(MOVE, number=2))
    found = rescue(planted)
    assert [(one["run"], one["states"], one["failed"], one["left"]) for one in found["runs"]] == [(run, states, [], [])]
    assert (found["is_paid"], found["left"], found["goal"], found["failure"]) == (True, [], SERVES, None)
    assert placement(rig) == AT_HOME
    assert is_clear(planted)
    assert planted.coordination.read_run(run).leases[0].taken_by == found["rescue"]
    before = executions(rig)
    again = rescue(planted)
    assert (again["is_paid"], again["idle"], again["runs"]) == (True, "nothing is owed", [])
    assert executions(rig) == before


def test_a_fault_in_force_is_healed_before_the_application_is_moved(
    rig: Rig, planted: Planted, run: str, tmp_path: Path
) -> None:
    make(rig, (True, False), (False, True), OSAKA)
    with drill(tmp_path, run):
        inject_packet_loss(sources="10.100.5.165", duration_s=36_000, configuration=rig.configuration)
    died(planted, run, MOVE, replace(LOSS, before={"run_tag": run, "region": TOKYO}))
    with calls_of(rig) as made:
        found = rescue(planted)
    assert not_allowed(policy(planted), wanted(made)) == []
    assert {"StopExperiment", "StartExecution"} <= {call["operation"] for call in made}
    assert found["runs"][0]["states"] == ["own-fault-in-force", "serves-elsewhere", "goal-serves"]
    assert [one["state"]["status"] for one in rig.lab.client("fis", TOKYO).list_experiments()["experiments"]] == [
        "stopped"
    ]
    assert (placement(rig), found["left"]) == (AT_HOME, [])


def policy(planted: Planted) -> str:
    words = ["iam", "failover", "--topology", str(planted.topology), "--policy", "rescue"]
    return CliRunner().invoke(cli, words, catch_exceptions=False).stdout


def test_its_policy_begins_nothing(planted: Planted) -> None:
    allowed = {
        action
        for one in json.loads(policy(planted))["Statement"]
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert not {"fis:StartExperiment", "fis:CreateExperimentTemplate", "iam:PassRole", "states:StopExecution"} & allowed
    assert {"fis:StopExperiment", "states:StartExecution", "dynamodb:UpdateItem"} <= allowed


class TestWhenItActs:
    """A driver that lives, timers, confirmations."""

    def test_while_a_driver_lives_it_refuses(self, rig: Rig, planted: Planted, run: str) -> None:
        make(rig, (True, True), (False, True))
        died(planted, run, FLAG, lease_ms=-EXPIRED_MS)
        result = command(planted, "--yes")
        assert (result.exit_code, "lease-held" in result.stderr, run in result.stderr) == (2, True, True)
        quiet = command(planted, "--when-stale")
        assert (quiet.exit_code, len(quiet.output.splitlines())) == (0, 1)
        assert placement(rig)[0] == {TOKYO: True, OSAKA: True}
        assert not is_clear(planted)

    def test_a_timer_acts_where_a_lease_has_expired(self, rig: Rig, planted: Planted, run: str) -> None:
        make(rig, (True, True), (False, True))
        died(planted, run, FLAG)
        result = command(planted, "--when-stale", "--json")
        assert (result.exit_code, json.loads(result.stdout)["is_paid"]) == (0, True)
        assert placement(rig) == AT_HOME
        again = command(planted, "--when-stale", "--json")
        report = json.loads(again.stdout)
        assert (again.exit_code, report["left"], bool(report["idle"])) == (0, [], True)

    def test_a_timer_leaves_a_run_that_has_released_its_lease_to_people(
        self, rig: Rig, planted: Planted, run: str
    ) -> None:
        make(rig, (True, True), (False, True))
        planted.coordination.release(died(planted, run, FLAG))
        result = command(planted, "--when-stale", "--json")
        found = json.loads(result.stdout)
        assert (result.exit_code, found["is_paid"], len(found["left"])) == (0, False, 1)
        assert placement(rig)[0] == {TOKYO: True, OSAKA: True}
        assert rescue(planted)["is_paid"]
        assert placement(rig) == AT_HOME

    def test_a_process_of_this_machine_that_has_ended_need_not_expire(
        self, rig: Rig, planted: Planted, run: str
    ) -> None:
        died(planted, run, FLAG, lease_ms=-EXPIRED_MS)
        dead = json.dumps(vars(replace(this_process(), started=1.0)))
        planted.store.update(ItemWrite(lease_key(run), {"holder": dead, "attempt_ms": 50}))
        waits = command(planted, "--when-stale")
        assert (waits.exit_code, run in waits.output) == (0, True), "which process has ended, and until when it waits"
        assert not is_clear(planted), "no lease has expired"
        assert rescue(planted)["is_paid"]

    def test_it_waits_until_no_request_of_the_driver_is_under_way(
        self, rig: Rig, planted: Planted, run: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(rig, (True, True), (False, True))
        died(planted, run, FLAG)
        planted.store.update(ItemWrite(lease_key(run), {"attempt_ms": -2 * EXPIRED_MS}))
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            raise Killed

        monkeypatch.setattr("chaosdrill.rescue.report.sleep", wait)
        with pytest.raises(Killed):
            CliRunner().invoke(cli, ["rescue", str(planted.topology), "--yes"], catch_exceptions=False)
        assert 0 < waits[0] <= -EXPIRED_MS / 1000
        assert (placement(rig)[0][TOKYO], planted.coordination.read_run(run).leases[0].state) == (True, "held")

    @pytest.mark.parametrize("what", ["renewed", "renewed-and-expired", "released"])
    def test_a_driver_that_goes_on_while_it_waits_is_not_rescued(
        self, rig: Rig, planted: Planted, run: str, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        """A lease that is shorter than an attempt has expired again when the wait is over."""
        lease = died(planted, run, FLAG)
        later_ms = {"renewed": -2 * EXPIRED_MS, "renewed-and-expired": 1}.get(what)
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 1 and later_ms is not None:
                planted.store.update(ItemWrite(lease_key(run), {"expires_ms": lease.expires_ms + later_ms}))
            elif len(waits) == 1:
                planted.coordination.release(lease)
            sleep(0.05 if seconds > 1 else seconds)

        monkeypatch.setattr("chaosdrill.rescue.report.sleep", wait)
        monkeypatch.setattr("chaosdrill.rescue.report.free_in_s", lambda state: 0.1)  # however long it takes to begin
        result = command(planted, "--when-stale", "--json")
        report = json.loads(result.stdout)
        assert (result.exit_code, report["rescue"], [one["run"] for one in report["left"]]) == (0, "", [run])
        assert waits
        assert command(planted, "--yes").exit_code == (2 if what == "renewed" else 0)

    def test_without_a_confirmation_nothing_is_changed(self, rig: Rig, planted: Planted, run: str) -> None:
        make(rig, (True, True), (False, True))
        died(planted, run, FLAG)
        result = command(planted)
        assert (result.exit_code, "confirmation-missing" in result.stderr) == (2, True)
        assert all(text in result.stdout for text in (run, "closed", f"open {TOKYO}")), "the plan"
        assert placement(rig)[0] == {TOKYO: True, OSAKA: True}
        assert planted.coordination.read_run(run).leases[0].state == "held"

    def test_what_cannot_be_used_is_refused(self, planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
        assert CliRunner().invoke(cli, ["rescue", "missing.yaml", "--yes"]).exit_code == 2
        assert command(planted, "--json").exit_code == 2
        monkeypatch.setenv("CHAOSDRILL_TOPOLOGY", str(planted.topology))
        assert CliRunner().invoke(cli, ["rescue", "20990101", "--yes"]).exit_code == 2


def start(rig: Rig, machine: str) -> str:
    """Start an execution past chaosdrill, while no writer can move, and wait until it has come to that.

    :returns: its ARN.
    """
    rig.lab.supervisor.calls.clear()
    client = rig.lab.client("stepfunctions")
    arn = str(client.start_execution(stateMachineArn=rig.lab.machine(machine))["executionArn"])
    wait_for(lambda: rig.lab.supervisor.asked("database.switchover"))
    wait_for(lambda: arn in running(rig))
    return arn


def running(rig: Rig) -> list[str]:
    return stepfunctions.running(system_of(rig.configuration), [rig.lab.machine(name) for name in MACHINES])


class TestWhatStays:
    """What a rescue leaves, and says so."""

    def test_an_execution_that_the_drill_did_not_start(self, rig: Rig, planted: Planted, run: str) -> None:
        died(planted, run, MOVE)
        with rig.lab.supervisor.writer_held():
            arn = start(rig, "FailoverStateMachine")
            before = placement(rig)
            found = rescue(planted, code=1)
            assert found["runs"][0]["states"] == ["foreign-execution"]
            assert placement(rig) == before
        client = rig.lab.client("stepfunctions")
        wait_for(lambda: client.describe_execution(executionArn=arn)["status"] != "RUNNING")
        assert [one["undo"] for one in found["left"]] == ["fail_back"]
        assert found["left"][0]["by_hand"]
        assert found["runs"][0]["by_person"]
        assert not planted.coordination.read_run(found["rescue"]).holding(), "the lease is released"

    @pytest.mark.long
    def test_a_fault_that_may_have_moved_the_application(self, rig: Rig, planted: Planted, run: str) -> None:
        make(rig, (True, False), (False, True), OSAKA)
        died(planted, run, LOSS)
        with rig.lab.supervisor.writer_held():
            start(rig, "FailbackStateMachine")
            assert [one["number"] for one in rescue(planted, code=1)["left"]] == [LOSS.number]
        wait_for(lambda: placement(rig) == AT_HOME)
        assert rescue(planted)["is_paid"]

    @pytest.mark.long
    def test_a_region_that_is_rebuilt(self, rig: Rig, planted: Planted, run: str) -> None:
        make(rig, (True, False), (False, True), OSAKA)
        with rig.lab.supervisor.resync_held():
            client, database = rig.lab.client("rds"), rig.lab.topology["database"]
            client.failover_global_cluster(
                GlobalClusterIdentifier=database["global_cluster"],
                TargetDbClusterIdentifier=database["clusters"][TOKYO],
                AllowDataLoss=True,
            )
            wait_for(lambda: status(client, database) == "available")
            set_placement(rig, (False, True), (True, False))
            died(planted, run, MOVE, end=f"serving({OSAKA})")
            found = rescue(planted, code=1)
            assert (found["runs"][0]["states"], found["runs"][0]["goal"]) == (["goal-not-ready"], "standby")
            assert [one["undo"] for one in found["left"]] == ["fail_back"]
        wait_for(lambda: rescue_is_paid(planted))
        assert placement(rig) == AT_STANDBY

    def test_a_database_without_a_writer(
        self, rig: Rig, planted: Planted, run: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        promoted: list[str] = []
        fact = DatabasePart.fact
        monkeypatch.setattr(
            DatabasePart,
            "fact",
            lambda *given: fact(*given) if promoted else Fact("no-writer", {"status": "available"}),
        )
        monkeypatch.setattr(DatabasePart, "promote", lambda self, system, region, *_: promoted.append(region))
        died(planted, run, MOVE)
        found = rescue(planted, code=1)
        assert (found["runs"][0]["states"], promoted, len(found["left"])) == (["no-writer"], [], 1)
        found = rescue(planted, "--data-loss", "allowed")
        assert (found["runs"][0]["states"][0], promoted) == ("no-writer-loss-allowed", [TOKYO])

    def test_what_was_handed_over(self, rig: Rig, planted: Planted, run: str) -> None:
        make(rig, (True, False), (False, True), OSAKA)
        lease = died(planted, run, MOVE, lease_ms=-EXPIRED_MS)
        planted.coordination.hand_over(run, 1, "failback.yaml", "2099-01-31")
        planted.coordination.release(lease)
        assert rescue(planted)["idle"]
        assert placement(rig) == AT_STANDBY

    def test_a_step_that_fails_is_named(
        self, rig: Rig, planted: Planted, run: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(rig, (True, True), (False, True))
        monkeypatch.setattr(RoutingPart, "route_to", lambda *_: pytest.fail("unreachable"))
        monkeypatch.setattr(RoutingPart, "fact", lambda *_: Fact(UNREADABLE))
        died(planted, run, FLAG)
        found = rescue(planted, code=1)
        assert found["runs"][0]["states"] == ["closed-routing-unreadable", "routing-unreadable"]
        assert placement(rig)[0] == AT_HOME[0]


class TestAgain:
    """Rescues that die, and several runs."""

    @pytest.mark.long
    def test_a_second_rescue_ends_what_one_that_died_has_begun(self, rig: Rig, planted: Planted, run: str) -> None:
        make(rig, (True, True), (False, True))
        rig.lab.client("events").enable_rule(Name=RULE)
        rule = {"rule": RULE, "region": OSAKA}
        named = undo("enable_automatic_failover", "automatic_failover", "trigger", number=2, arguments=rule)
        died(planted, run, FLAG, named)
        with pytest.MonkeyPatch.context() as dying:
            die_at(dying, RoutingPart, "route_to")
            with pytest.raises(Killed):
                CliRunner().invoke(cli, ["rescue", str(planted.topology), "--yes"], catch_exceptions=False)
        assert rule_state(rig) == "DISABLED"
        expire_rescues(planted)
        again = CliRunner(env=environment(planted)).invoke(
            cli, ["rescue", str(planted.topology), "--when-stale", "--json"]
        )
        found = json.loads(again.stdout)
        assert (again.exit_code, found["is_paid"], len(found["runs"])) == (0, True, 2)
        assert (placement(rig), rule_state(rig)) == (AT_HOME, "ENABLED")
        assert is_clear(planted)

    def test_what_a_rescue_changes_beside_is_paid_by_itself(self, rig: Rig, planted: Planted, run: str) -> None:
        make(rig, (True, True), (True, False))
        rig.lab.client("events").enable_rule(Name=RULE)
        rule = {"rule": RULE, "region": OSAKA}
        named = undo("enable_automatic_failover", "automatic_failover", "trigger", number=2, arguments=rule)
        died(planted, run, FLAG, named)
        found = rescue(planted)
        assert found["runs"][0]["paid"] == ["set_stop_flag", "enable_automatic_failover", "enable_automatic_failover"]
        assert rule_state(rig) == "ENABLED"
        assert is_clear(planted)

    def test_one_that_is_asked_to_stop_ends_before_its_next_plan(
        self, rig: Rig, planted: Planted, run: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(rig, (True, True), (False, True))
        died(planted, run, FLAG)
        route_to = RoutingPart.route_to

        def stop(*given: Any) -> None:
            kept: Any = lease_guard._held
            planted.coordination.request_stop(kept.run, "alice", "")
            kept.renew()
            route_to(*given)

        monkeypatch.setattr(RoutingPart, "route_to", stop)
        found = rescue(planted, code=1)
        assert (found["failure"]["code"], [one["run"] for one in found["left"]]) == ("rescue-stopped", [run])
        assert placement(rig) == AT_HOME, "its plan was carried out"
        assert rescue(planted)["is_paid"]

    def test_a_state_is_tried_as_often_as_the_page_says_by_all_rescues_together(
        self, planted: Planted, run: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        planted.coordination.put_note(NOTE, run, noted(["serves-elsewhere"]))
        died(planted, run, MOVE)
        monkeypatch.setattr(DatabasePart, "fact", lambda *_: Fact("standby-ready"))
        monkeypatch.setattr(StopFlagPart, "fact", lambda *_: Fact("standby-open"))
        monkeypatch.setattr(RoutingPart, "fact", lambda *_: Fact("standby"))
        found = rescue(planted, code=1)
        assert (found["runs"][0]["states"], found["runs"][0]["failed"]) == (["serves-elsewhere"], [])
        assert found["runs"][0]["by_person"]


class Killed(BaseException):
    """Stands for the end of the process."""


def die_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """Let the process end at a call: nothing is released, renewed or written afterwards."""

    def die(*_: Any) -> None:
        monkeypatch.setattr(ItemCoordination, "release", lambda *_: None)
        raise Killed

    monkeypatch.setattr(owner, name, die)


def environment(planted: Planted) -> Mapping[str, str]:
    return {VARIABLE: str(planted.runs.with_name("another-home")), RUNS_VARIABLE: str(planted.runs)}


def expire_rescues(planted: Planted) -> None:
    keys = lease_keys(system_of({"topology": str(planted.topology)}).topology)
    for lease in planted.coordination.read(keys).holding():
        planted.store.update(ItemWrite(lease_key(lease.run), {"expires_ms": 1_000_000}))


def rule_state(rig: Rig) -> str:
    return str(rig.lab.client("events").describe_rule(Name=RULE)["State"])


def status(client: Any, database: Mapping[str, Any]) -> str:
    described = client.describe_global_clusters(GlobalClusterIdentifier=database["global_cluster"])
    return str(described["GlobalClusters"][0]["Status"])


def rescue_is_paid(planted: Planted) -> bool:
    """A timer acts on what an earlier rescue has left, too."""
    return bool(json.loads(command(planted, "--when-stale", "--json").stdout)["runs"][0]["paid"])
