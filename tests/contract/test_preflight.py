"""`chaosdrill preflight` against the lab's endpoint: each unfitness is found by the name of its check, and no other."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from dnslib.server import DNSLogger, DNSServer
from dnslib.zoneresolver import ZoneResolver

from chaosdrill.aws import System, aurora, system_of
from chaosdrill.aws.guard import changes_something
from chaosdrill.aws.lease_guard import READING_COMMANDS
from chaosdrill.cli import cli
from chaosdrill.database.actions import fail_over_database
from chaosdrill.experiment_files import configuration_of
from chaosdrill.failover.probes import running_executions
from chaosdrill.packet_loss import role_documents
from chaosdrill.parts.interface import CheckContext, PlannedStep
from chaosdrill.parts.registry import parts_of
from chaosdrill.policies import filled, policy_of
from chaosdrill.preflight import core
from chaosdrill.preflight.run import checks_of, run
from chaosdrill.topology import load_topology
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.contract.test_lab_aws_fis import start, template
from tests.drills import FAILOVER
from tests.further import first_of
from tests.iam_policy import not_allowed, wanted
from tests.planted import note_planted
from tests.waiting import wait_for

AUTO = FAILOVER.parent / "auto-failover.yaml"
Results = dict[str, str]
Planted = Callable[[Rig], AbstractContextManager[object]]


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> Iterator[None]:
    rig.go_home()
    yield
    rig.go_home()


@pytest.fixture
def topology(rig: Rig, tmp_path: Path) -> Path:
    """The lab's, with the drill's own Locust on this machine."""
    return Path(rig.other_topology(tmp_path / "topology.yaml", client=rig.client_host(run="local"))["topology"])


def preflight(topology: Path, experiment: Path = FAILOVER, *options: str) -> Result:
    return CliRunner().invoke(cli, ["preflight", str(experiment), "--topology", str(topology), *options])


def rows(topology: Path, experiment: Path = FAILOVER, *options: str) -> list[dict[str, Any]]:
    result = preflight(topology, experiment, *options, "--json")
    assert result.exit_code in (0, 1), result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    assert result.exit_code == any(one["outcome"] == "refuse" for one in found)
    return found


def unfit(topology: Path, experiment: Path = FAILOVER, *options: str) -> Results:
    """What is not ok, by the name of the check: warning or refuse, the worse of them."""
    wrong = [one for one in rows(topology, experiment, *options) if one["outcome"] != "ok"]
    assert all(one["why"] and one["fix"] for one in wrong), wrong
    assert all(one["code"] for one in wrong if one["outcome"] == "refuse"), wrong
    return {one["name"]: one["outcome"] for one in sorted(wrong, key=lambda one: str(one["outcome"]), reverse=True)}


@pytest.mark.parametrize("experiment", first_of(sorted(FAILOVER.parent.glob("*.*"))), ids=lambda path: path.stem)
def test_a_system_that_is_fit_is_only_read_as_the_printed_policy_allows(
    rig: Rig, topology: Path, experiment: Path
) -> None:
    begun = max((one["number"] for one in get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]), default=0)
    commands = len(rig.lab.supervisor.asked("client.run"))
    serves_elsewhere = {"core.region-state": "refuse"} if experiment.stem == "failback" else {}
    assert unfit(topology, experiment) == serves_elsewhere
    found = get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]
    made = [one for one in found if one["number"] > begun and one["by"] == "chaosdrill"]
    assert {one["operation"] for one in made if changes_something(one["operation"])} <= {"SendCommand"}
    count = len(rig.lab.supervisor.asked("client.run")) - commands
    sent = rig.lab.client("ssm", TOKYO).list_commands()["Commands"][:count]
    assert {one["Comment"].removeprefix("chaosdrill: ") for one in sent} <= READING_COMMANDS
    policy = filled(policy_of(experiment.stem), load_topology(topology), configuration_of(str(experiment)))
    assert not_allowed(policy, wanted(made)) == []


def test_the_table_says_what_refuses_and_how_to_fix_it(rig: Rig, topology: Path) -> None:
    rig.flag(TOKYO, "true")
    result = preflight(topology)
    assert result.exit_code == 1
    assert re.findall(r"(\d+) refuse\b", result.stdout) == ["1"]
    assert "failback.yaml" in result.stdout


@contextmanager
def denied(rig: Rig) -> Iterator[None]:
    get(f"{rig.lab.url}/chaosdrill/faults", {"service": "fis", "kind": "denied", "operation": "StopExperiment"}, "PUT")
    yield
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


@contextmanager
def engaged(rig: Rig) -> Iterator[None]:
    fis = rig.lab.client("fis", TOKYO)
    fis.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    yield
    fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})


@contextmanager
def closed(rig: Rig) -> Iterator[None]:
    rig.flag(TOKYO, "true")
    yield


@contextmanager
def without_flag(rig: Rig) -> Iterator[None]:
    rig.flag(OSAKA, None)
    yield


@contextmanager
def two_endpoints_down(rig: Rig) -> Iterator[None]:
    for region in rig.endpoint_regions()[:2]:
        rig.impair(region, True)
    yield


@contextmanager
def no_endpoint(rig: Rig) -> Iterator[None]:
    for region in rig.endpoint_regions():
        rig.impair(region, True)
    yield


@contextmanager
def other_fault(rig: Rig) -> Iterator[None]:
    start(rig.lab, template(rig.lab))
    yield


@contextmanager
def other_execution(rig: Rig) -> Iterator[None]:
    with rig.lab.supervisor.writer_held():
        sfn = rig.lab.client("stepfunctions")
        arn = sfn.start_execution(stateMachineArn=rig.lab.machine("FailoverStateMachine"))["executionArn"]
        wait_for(lambda: running_executions(configuration=rig.configuration) == 1)
        wait_for(lambda: aurora.global_cluster(system_of(rig.configuration)).status != aurora.AVAILABLE)
        yield
    rig.lab.ended(arn)


@contextmanager
def being_rebuilt(rig: Rig) -> Iterator[None]:
    with rig.lab.supervisor.resync_held():
        fail_over_database("standby", data_loss="allowed", configuration=rig.configuration)
        yield


@contextmanager
def far_behind(rig: Rig) -> Iterator[None]:
    before, rig.lab.supervisor.lag_s = rig.lab.supervisor.lag_s, 30.0
    system = system_of(rig.configuration)
    (check,) = [one for one in checks_of(_moving(system)) if one.name == "database.lag"]
    wait_for(lambda: run([check])[0].outcome == "refuse")
    yield
    rig.lab.supervisor.lag_s = before
    wait_for(lambda: run([check])[0].outcome == "ok")


@contextmanager
def role_that_lacks_something(rig: Rig) -> Iterator[None]:
    iam, named = rig.lab.client("iam"), {"RoleName": role_documents.NAME, "PolicyName": role_documents.POLICY}
    before = json.dumps(iam.get_role_policy(**named)["PolicyDocument"])
    allow = {"Effect": "Allow", "Action": "ssm:SendCommand", "Resource": "*"}
    iam.put_role_policy(**named, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    yield
    iam.put_role_policy(**named, PolicyDocument=before)


@contextmanager
def without_service_role(rig: Rig) -> Iterator[None]:
    iam = rig.lab.client("iam")
    iam.delete_role(RoleName="AWSServiceRoleForFIS")
    yield
    iam.create_service_linked_role(AWSServiceName="fis.amazonaws.com")


@contextmanager
def long_keep_alive(rig: Rig) -> Iterator[None]:
    elb, arn = rig.lab.client("elbv2", TOKYO), rig.lab.topology["load_balancers"][TOKYO]["arn"]
    for value in ("3600", "60"):
        attributes = [{"Key": "client_keep_alive.seconds", "Value": value}]
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
        if value == "3600":
            yield


REFUSED, WARNED = "refuse", "warning"
PLANTED: dict[Planted, Results] = {
    denied: {"core.permissions.PacketLossExperimentsOfOurOwn": REFUSED},
    engaged: {"packet_loss.safety-lever": REFUSED},
    closed: {"core.region-state": REFUSED},
    without_flag: {"stop_flag.readable": REFUSED, "core.region-state": REFUSED, "coordination.leftovers": WARNED},
    two_endpoints_down: {"routing.cluster-endpoint": WARNED},
    no_endpoint: {"routing.controls": REFUSED, "core.region-state": REFUSED, "routing.cluster-endpoint": WARNED},
    other_fault: {"packet_loss.target": REFUSED, "packet_loss.other-experiments": WARNED},
    other_execution: {"failover.no-execution": REFUSED, "core.region-state": REFUSED, "database.ready": REFUSED},
    being_rebuilt: {"database.ready": REFUSED, "core.region-state": REFUSED, "database.synchronized": WARNED},
    far_behind: {"database.lag": REFUSED},
    role_that_lacks_something: {"packet_loss.role": REFUSED},
    without_service_role: {"packet_loss.service-role": REFUSED},
    long_keep_alive: {"dns.keep-alive": WARNED},
}


AT_ONCE = (  # what hides nothing of the others
    denied,
    engaged,
    without_flag,
    two_endpoints_down,
    far_behind,
    role_that_lacks_something,
    without_service_role,
    long_keep_alive,
)


def test_all_that_is_unfit_in_the_system_is_found_at_once(rig: Rig, topology: Path) -> None:
    with ExitStack() as stack:
        for planted in AT_ONCE:
            stack.enter_context(planted(rig))
        found = unfit(topology)
    assert found == {name: outcome for planted in AT_ONCE for name, outcome in PLANTED[planted].items()}


@pytest.mark.parametrize(
    "planted",
    first_of([other_execution, other_fault, *(one for one in PLANTED if one not in (other_execution, other_fault))], 2),
    ids=lambda planted: planted.__name__,
)
def test_what_is_unfit_in_the_system_is_found_by_name(
    rig: Rig, topology: Path, planted: Planted, record_property: Callable[[str, object], None]
) -> None:
    with planted(rig):
        found = unfit(topology)
    if planted is being_rebuilt:
        found.pop("database.lag", None)  # CloudWatch may have no value yet of the replica that is new
    note_planted(record_property, planted.__name__, PLANTED[planted], found)
    assert found == PLANTED[planted]


def test_the_rule_and_the_alarms_of_the_automatic_failover_are_found(rig: Rig, topology: Path) -> None:
    events, cloudwatch = rig.lab.client("events"), rig.lab.client("cloudwatch", "us-west-2")
    alarm = "canaryAlerm-us-west-2"
    events.enable_rule(Name="start-failover-on-alarm")
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="by hand")
    try:
        assert unfit(topology, AUTO) == {"automatic_failover.rule": REFUSED, "automatic_failover.alarm": REFUSED}
    finally:
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="by hand")
        events.disable_rule(Name="start-failover-on-alarm")


def _moving(system: System, *steps: PlannedStep) -> CheckContext:
    fail_over = PlannedStep("method", "fail-over", "chaosdrill.failover.actions.fail_over", {})
    return CheckContext(system, steps=(*steps, fail_over), experiment="failover")


def names(context: CheckContext) -> Results:
    return {one.name: one.outcome for one in run(checks_of(context)) if one.outcome != "ok"}


def test_a_rule_that_a_step_disables_first_refuses_nothing(rig: Rig, topology: Path) -> None:
    arguments = {"rule": "start-failover-on-alarm"}
    function = "chaosdrill.automatic_failover.actions.disable_automatic_failover"
    step = PlannedStep("setup", "disable", function, arguments)
    rig.lab.client("events").enable_rule(Name=arguments["rule"])
    try:
        assert names(_moving(system_of({"topology": str(topology)}), step)) == {}
    finally:
        rig.lab.client("events").disable_rule(Name=arguments["rule"])


def test_an_account_that_is_not_allowed_is_found_and_no_command_is_sent(rig: Rig, tmp_path: Path) -> None:
    host, before = rig.client_host(run="local"), len(rig.lab.supervisor.asked("client.run"))
    path = rig.other_topology(tmp_path / "t.yaml", client=host, accounts=["999999999999"])["topology"]
    found = {one["name"]: one["code"] for one in rows(Path(path)) if one["outcome"] == REFUSED}
    assert found["core.account"] == "account-not-allowed"
    assert len(rig.lab.supervisor.asked("client.run")) == before


def test_a_host_that_does_not_exist_is_found_by_every_check_that_needs_it(rig: Rig, tmp_path: Path) -> None:
    host = {**rig.client_host(run="local"), "instance_id": "i-0123456789abcdef0"}
    found = unfit(Path(rig.other_topology(tmp_path / "t.yaml", client=host)["topology"]))
    needing = ("load.client-host", "load.ssm-agent", "packet_loss.target", "packet_loss.tools", "heartbeat.python")
    assert found == dict.fromkeys(needing, REFUSED) | {
        name: outcome for name, outcome in found.items() if name in ("packet_loss.role", "coordination.leftovers")
    }


def test_a_time_to_live_that_delays_clients_is_a_warning(rig: Rig, tmp_path: Path) -> None:
    zone = "api.example.com. 3600 A 10.100.5.165\n"
    for region, balancer in rig.lab.topology["load_balancers"].items():
        found = rig.lab.client("elbv2", region).describe_load_balancers(LoadBalancerArns=[balancer["arn"]])
        address = {TOKYO: "10.100.5.165", OSAKA: "10.101.4.37"}[region]
        zone += f"{found['LoadBalancers'][0]['DNSName']}. 60 A {address}\n"
    server = DNSServer(ZoneResolver(zone), address="127.0.0.1", port=0, logger=DNSLogger("-request,-reply"))
    server.start_thread()
    dns = {"nameserver": "127.0.0.1", "port": server.server.server_address[1]}
    try:
        path = rig.other_topology(tmp_path / "t.yaml", client=rig.client_host(run="local"), dns=dns)["topology"]
        assert unfit(Path(path)) == {"dns.ttl": WARNED}
    finally:
        server.stop()
        server.server.server_close()


def test_a_fault_that_ends_before_the_transition_is_a_warning(topology: Path) -> None:
    assert unfit(topology, FAILOVER, "--var", "fault_duration_s:int=30") == {"packet_loss.duration": WARNED}


@pytest.mark.parametrize(("free", "outcome"), first_of([(50 << 20, REFUSED), (500 << 20, WARNED)]))
def test_a_disk_without_room_is_found(topology: Path, monkeypatch: pytest.MonkeyPatch, free: int, outcome: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert unfit(topology) == {"core.disk": outcome}


@pytest.mark.parametrize(("offset_s", "outcome"), first_of([(-90.0, REFUSED), (10.0, WARNED)]))
def test_a_clock_that_differs_is_found(
    topology: Path, monkeypatch: pytest.MonkeyPatch, offset_s: float, outcome: str
) -> None:
    import time

    clock = SimpleNamespace(time=lambda: time.time() + offset_s, monotonic=time.monotonic, sleep=time.sleep)
    monkeypatch.setattr(core, "time", clock)
    assert unfit(topology) == {"core.clock": outcome}


def test_temporary_keys_that_cannot_be_renewed_are_a_warning(topology: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = SimpleNamespace(held=SimpleNamespace(token="t"))
    monkeypatch.setattr(core, "signing_keys", lambda _: keys)
    assert unfit(topology) == {"core.credentials-lifetime": WARNED}


def test_an_experiment_without_a_policy_is_not_simulated(topology: Path) -> None:
    context = _moving(system_of({"topology": str(topology)}))
    own = CheckContext(context.system, steps=context.steps, experiment="one-of-our-own")
    (row,) = [one for one in run(checks_of(own)) if one.name.startswith("core.permissions")]
    assert (row.outcome, row.value.partition(":")[0]) == ("ok", "not simulated")
    unnamed = CheckContext(context.system, steps=context.steps, experiment="auto-failover")
    assert names(unnamed) == {"core.permissions": WARNED}, "its configuration names no rule and no service"


def test_an_experiment_without_a_step_of_ours_needs_no_part(rig: Rig) -> None:
    bare = CheckContext(system_of(rig.configuration), experiment="one-of-our-own")
    assert all(one.name.startswith(("core.", "coordination.")) for one in checks_of(bare))


def test_without_a_step_that_needs_it_the_load_generator_is_not_read(rig: Rig) -> None:
    assert names(_moving(system_of(rig.configuration))) == {}
    started = PlannedStep("setup", "start-load", "chaosdrill.load.actions.start_load", {"locustfile": "/nowhere.py"})
    found = names(_moving(system_of(rig.configuration), started))
    assert found == {"load.locust": REFUSED, "load.script": REFUSED}


def test_steps_that_name_what_cannot_be_are_found_beside_everything_else(topology: Path) -> None:
    arguments = {"region": "nowhere", "duration_s": 600}
    step = PlannedStep("method", "cut", "chaosdrill.packet_loss.actions.isolate_region", arguments)
    assert names(_moving(system_of({"topology": str(topology)}), step)) == {"packet_loss.arguments": REFUSED}


def test_a_check_that_fails_itself_refuses_and_hides_no_other(topology: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "runs_directory", lambda: 1 / 0)
    assert unfit(topology) == {"core.disk": REFUSED}


def test_the_quick_form_is_a_part_of_the_whole_one_without_commands(topology: Path) -> None:
    context = _moving(system_of({"topology": str(topology)}))
    whole, quick = checks_of(context), checks_of(context, quick=True)
    assert {one.name for one in quick} < {one.name for one in whole}
    assert not [one.name for one in quick if one.on_host]
    assert {"core.account", "database.ready", "failover.no-execution"} <= {one.name for one in quick}


def test_the_resources_of_a_system_are_its_own_and_all_of_them_have_a_name(topology: Path) -> None:
    system = system_of({"topology": str(topology)})
    found = [one for part in parts_of(system.topology) for one in part.resources(system.topology)]
    kinds = {"table", "control-panel", "global-cluster", "state-machine", "host", "domain", "accounts"}
    assert {one.kind for one in found} == kinds
    assert len(set(found)) == len(found)
    assert all(one.id and not one.id.endswith("/") for one in found)


def test_a_pause_of_the_replication_is_checked_with_its_role_and_its_duration(topology: Path) -> None:
    function = "chaosdrill.packet_loss.actions.pause_replication"
    system = system_of({"topology": str(topology)})
    wrong = {"packet_loss.table", "packet_loss.role", "packet_loss.duration"}
    right = PlannedStep("method", "pause", function, {"region": "home"})
    results = {one.name: one for one in run(checks_of(_moving(system, right)))}
    assert wrong <= set(results)
    assert results["packet_loss.table"].outcome == results["packet_loss.duration"].outcome == "ok"
    short = PlannedStep("method", "pause", function, {"table": "Nowhere", "duration_s": 60, "role_arn": "arn:mine"})
    found = run(checks_of(_moving(system, short)))
    codes = {one.name: one.code for one in found if one.outcome == REFUSED}
    assert codes == {"packet_loss.table": "main-table-missing", "packet_loss.duration": "argument-invalid"}
