"""What drills left, planted one by one on the lab's endpoint, is found by kind and id, and nothing else is removed."""

import functools
import io
import json
import os
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chaosdrill.aws import System, system_of
from chaosdrill.cli import cli
from chaosdrill.cli.named_system import TOPOLOGY_VARIABLE
from chaosdrill.client.host import delivery, leftovers
from chaosdrill.client.host.packing import HEARTBEAT, Archive, heartbeat_zipapp
from chaosdrill.client.host.pythons import find_python
from chaosdrill.client.host.remote_program import Program
from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.interface import CLOCK_BOUND_MS, Lease, LeaseRequest
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.packet_loss import role_documents
from chaosdrill.packet_loss.actions import heal_packet_loss, inject_packet_loss
from chaosdrill.parts.interface import Leftover, SweepScope
from chaosdrill.parts.registry import lease_keys, parts_of
from chaosdrill.rescue.sweep import find, live_runs_here, remove
from tests.contract.activities_rig import OSAKA, TOKYO, Rig, drill
from tests.contract.lab_aws import write_program
from tests.contract.ssm_rig import BUCKET, hurried
from tests.failing import fails_with
from tests.further import first_of
from tests.planted import note_planted
from tests.waiting import LONG_S, wait_for

RUN = "20261130T010203Z-dead"
PREFIX = "drills"
RULE = "start-failover-on-alarm"
HOUR_MS = 3_600_000
NETEM = "qdisc netem 8001: dev ifb0 root limit 1000 loss 30%\n"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with hurried(tmp_path_factory) as one:
        rules = one.lab.supervisor._qdisc
        write_program(rules.parent / "tc", f'[ "$2" != del ] || : >{rules}\ncat {rules}')
        yield one


@pytest.fixture(scope="module")
def configuration(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    client = rig.client_host(run="ssm", s3=f"{BUCKET}/{PREFIX}")
    return rig.other_topology(tmp_path_factory.mktemp("topology") / "topology.json", client=client)


@pytest.fixture(scope="module")
def system(configuration: dict[str, Any]) -> System:
    return system_of(configuration)


@pytest.fixture(autouse=True)
def at_rest(rig: Rig) -> None:
    rig.go_home()
    rig.lab.supervisor._qdisc.write_text("")
    for key in keys(rig):
        if "/answers/" in key or "/once/" in key:
            rig.lab.client("s3", TOKYO).delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture(autouse=True)
def _every_object_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "LEFT_AFTER_S", 0)


def of_part(system: System, name: str) -> Any:
    return next(one for one in parts_of(system.topology) if one.name == name)


def names(found: "tuple[Leftover, ...] | list[Leftover]") -> set[tuple[str, str, str]]:
    return {(one.part, one.kind, one.id) for one in found}


# --- what is planted: each returns the (part, kind, id) of what it left


def experiment(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    return "packet_loss", "fis-experiment", inject(configuration, tmp_path)["experiment_id"]


def inject(configuration: dict[str, Any], tmp_path: Path, run: str = "") -> dict[str, Any]:
    with drill(tmp_path, run or f"{tmp_path.name}-dead"):
        done: dict[str, Any] = inject_packet_loss(
            sources="10.100.5.165", duration_s=36_000, configuration=configuration
        )
    return done


def template(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    name = f"template-{tmp_path.name}"
    with drill(tmp_path, f"{tmp_path.name}-dead"):
        done = inject_packet_loss(sources="10.100.5.166", duration_s=36_000, template=name, configuration=configuration)
        heal_packet_loss(configuration=configuration)
    return "packet_loss", "fis-template", done["template_id"]


def role(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    trust = json.dumps(role_documents.trust("aws", system.account()))
    tags = [{"Key": "created-by", "Value": "chaosdrill"}]
    iam, name = rig.lab.client("iam"), role_documents.PAUSE
    if name not in {one["RoleName"] for one in iam.list_roles()["Roles"]}:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=tags)
    return "packet_loss", "iam-role", name


def rules(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    inject(configuration, tmp_path)
    rig.go_home()
    rig.lab.supervisor._qdisc.write_text(NETEM)
    return "packet_loss", "netem-rule", "ifb0"


def program(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    start(system)
    return "heartbeat", "host-program", f"{system.topology.client.instance_id}/heartbeat"


def process(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    """The process of a keeper that was killed."""
    keeper = start(system)["pid"]
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{keeper}").exists() or "Z" in Path(f"/proc/{keeper}/stat").read_text().split())
    return "heartbeat", "host-program", f"{system.topology.client.instance_id}/heartbeat"


def files(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    place = directory_of("load")
    (place / "records").mkdir(parents=True)
    (place / "owner").write_text(RUN)
    (place / "locust.log").write_text("killed")
    make_old(place)
    return "load", "host-files", f"{system.topology.client.instance_id}/load"


def answer(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    return "load", "s3-object", put(rig, "answers/tmp1234")


def secrets(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    return "heartbeat", "s3-object", put(rig, "once/0123.json")


def lease(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> tuple[str, str, str]:
    run = f"expired-{tmp_path.name}"
    hold(system, run, -HOUR_MS)
    return "coordination", "lease", run


PLANTS: tuple[Callable[..., tuple[str, str, str]], ...] = (
    experiment,
    template,
    role,
    rules,
    program,
    process,
    files,
    answer,
    secrets,
    lease,
)


def put(rig: Rig, name: str) -> str:
    rig.lab.client("s3", TOKYO).put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=b"{}")
    return f"{PREFIX}/{name}"


def keys(rig: Rig) -> set[str]:
    return {one["Key"] for one in rig.lab.client("s3", TOKYO).list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def directory_of(directory: str) -> Path:
    return Path(os.environ["XDG_CACHE_HOME"], "chaosdrill", directory)


def make_old(place: Path) -> None:
    for one in (place, *place.iterdir()):
        os.utime(one, (1e9, 1e9))


def start(system: System, run: str = RUN) -> dict[str, Any]:
    """Start a program on the client host that idles, as chaosdrill's own is started, and that nobody has called since.

    :returns: its state, as the host has it.
    """
    python, app = find_python(system, HEARTBEAT), idling()
    path = delivery.deliver(system, python, app)
    given = {"accounts": None}
    host = Program(system, python.executable, path)
    host.ask("start", LONG_S, run=run, given=given, lease_s=900.0, token=os.urandom(8).hex())
    state: dict[str, Any] = json.loads((directory_of("heartbeat") / "state.json").read_text())
    children = Path(f"/proc/{state['pid']}/task/{state['pid']}/children")
    wait_for(lambda: children.read_text().split())  # its keeper has started it
    make_old(directory_of("heartbeat"))
    return state


@functools.cache
def idling() -> Archive:
    """The heartbeat's archive, with a heartbeat that does nothing."""
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(heartbeat_zipapp().data)) as real, zipfile.ZipFile(data, "w") as made:
        for name in real.namelist():
            idle = name == "chaosdrill/heartbeat/__main__.py"
            made.writestr(name, b"import time\ntime.sleep(3600)\n" if idle else real.read(name))
    return Archive("heartbeat.pyz", data.getvalue())


def hold(system: System, run: str, lasts_ms: int, attempt_ms: int = 0) -> Lease:
    """Hold the system for a drill; one that lasts a negative time has expired long ago.

    :param attempt_ms: how long its requests may be on their way after that.
    """
    request = LeaseRequest(run, "drill", lease_keys(system.topology), lasts_ms, attempt_ms, this_process())
    return coordination_of(system).acquire(request)


# --- the tests


def test_nothing_is_left_of_a_system_at_rest(system: System) -> None:
    found = find(system)
    assert (names(found.left), found.unreadable, found.live_runs) == (set(), {}, ())
    assert found.is_clean


AT_ONCE = (template, role, program, files, answer, secrets, lease, experiment)


def test_all_that_is_left_is_found_and_removed_at_once(
    rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path
) -> None:
    planted = set()
    for plant in AT_ONCE:
        (tmp_path / plant.__name__).mkdir()
        planted.add(plant(rig, system, configuration, tmp_path / plant.__name__))
    found = [one for one in find(system).leftovers if (one.part, one.kind, one.id) in planted]
    assert names(found) == planted
    assert remove(system, found) == {}
    after = find(system)
    assert after.is_clean
    assert not planted & names(after.leftovers)


@pytest.mark.parametrize(
    "plant",
    first_of([rules, process, *(one for one in PLANTS if one in AT_ONCE)]),
    ids=lambda plant: plant.__name__,
)
def test_what_is_left_is_found_and_removed_and_nothing_else(
    rig: Rig,
    system: System,
    configuration: dict[str, Any],
    tmp_path: Path,
    plant: Callable[..., Any],
    record_property: Callable[[str, object], None],
) -> None:
    at_rest = names(find(system).leftovers)
    planted = plant(rig, system, configuration, tmp_path)
    before = find(system)
    new = names(before.leftovers) - (at_rest - {planted})
    seen = {" ".join(one[:2]) for one in new if one == planted or one[1] != "fis-template"}
    note_planted(record_property, plant.__name__, [" ".join(planted[:2])], seen)
    assert before.unreadable == {}
    others = {one for one in names(before.leftovers) - {planted} if one[1] != "fis-template"}
    (found,) = (one for one in before.leftovers if (one.part, one.kind, one.id) == planted)
    assert found.remove_by_hand
    assert found.is_reused == (found.kind in ("fis-template", "iam-role"))
    assert names(before.left) == (set() if found.is_reused else {planted})
    assert remove(system, [found]) == {}
    assert remove(system, [found]) == {}, "twice is harmless"
    after = find(system)
    assert after.is_clean
    assert planted not in names(after.leftovers)
    assert others <= names(after.leftovers), "what was not asked for stays"


def test_executions_rules_and_half_switched_regions_are_left_to_a_person(
    rig: Rig, system: System, tmp_path: Path
) -> None:
    rig.flag(OSAKA, "false")
    one = hold(system, RUN, HOUR_MS)
    before = {"arguments": {"rule": RULE, "region": OSAKA, "state": "ENABLED"}}
    undo = OwedUndo(
        "no-automatic-failover",
        "disable_automatic_failover",
        "system",
        "enable_automatic_failover",
        "2026-11-30T01:02:03Z",
        {},
        part="automatic_failover",
        role="trigger",
        number=1,
        before=before,
    )
    coordination_of(system).owe(one, 1, undo)
    coordination_of(system).release(one)
    name = f"chaosdrill-{RUN}-fail-over-1"
    with rig.lab.supervisor.writer_held():
        machine = rig.lab.machine("FailoverStateMachine")
        arn = rig.lab.client("stepfunctions").start_execution(stateMachineArn=machine, name=name)["executionArn"]
        wait_for(lambda: any(one.kind == "execution" for one in find(system).left))
        found = find(system)
    assert names(found.left) >= {
        ("failover", "execution", arn),
        ("automatic_failover", "rule", RULE),
        ("coordination", "owed-undo", f"{RUN}/1"),
    }
    assert {one.run for one in found.left if one.part != "stop_flag"} == {RUN}
    assert not any(one.is_removable for one in found.left)
    assert remove(system, found.left) == {}
    rig.lab.ended(arn)
    with fails_with("undo-owed"):
        remove(system, [left_object(rig, system)])
    coordination_of(system).pay(RUN, 1, "test")
    assert not {"rule", "owed-undo"} & {one.kind for one in find(system).left}
    remove(system, find(system).left)


def left_object(rig: Rig, system: System) -> Leftover:
    key = put(rig, "answers/one")
    return next(one for one in find(system).left if one.id == key)


def test_both_regions_open_are_half_switched(rig: Rig, system: System) -> None:
    rig.flag(OSAKA, "false")
    assert [(one.part, one.kind) for one in find(system).left] == [("stop_flag", "half-switched")]


def test_a_live_drill_is_not_touched(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> None:
    live = f"live-{tmp_path.name}"
    inject(configuration, tmp_path, live)
    start(system, live)
    rig.flag(OSAKA, "false")
    key = put(rig, "answers/of-a-dead-one")
    one = hold(system, live, HOUR_MS)
    try:
        found = find(system)
        assert found.live_runs == (live,)
        assert names(found.leftovers) == {("load", "s3-object", key)}
        with fails_with("lease-held"):
            remove(system, found.leftovers)
        assert key in keys(rig)
    finally:
        coordination_of(system).release(one)
    assert {one.run for one in find(system, [live]).leftovers} == {""}, "known to go on without a lease"
    of_part(system, "heartbeat").remove(system, next(one for one in find(system).left if one.part == "heartbeat"))


@pytest.mark.parametrize(
    ("target", "sha256", "is_live"), [("lab", None, True), ("lab", "of another lab", False), ("aws", None, False)]
)
def test_a_drill_of_this_machine_is_known_without_a_lease(
    system: System, tmp_path: Path, target: str, sha256: str | None, is_live: bool
) -> None:
    name = "20261130T010203Z-here"
    (tmp_path / name).mkdir()
    with drill(tmp_path / name) as one:
        one.history.append("drill-opened", target=target)
        if sha256:
            one.history.append("target-opened", topology_sha256=sha256)
        assert live_runs_here(tmp_path, system.topology) == ({name} if is_live else set())
    assert live_runs_here(tmp_path, system.topology) == set(), "it has ended"


def test_a_lease_that_has_just_expired_is_live(system: System, tmp_path: Path) -> None:
    """A request that was sent just before its end may still arrive."""
    run = f"late-{tmp_path.name}"
    one = hold(system, run, -CLOCK_BOUND_MS // 2, attempt_ms=HOUR_MS)
    try:
        assert find(system).live_runs == (run,)
    finally:
        coordination_of(system).release(one)


@pytest.mark.long
def test_what_others_own_is_not_a_leftover(
    rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(rig, "archive/somebody's.bin")
    rig.lab.client("s3", TOKYO).put_object(Bucket=BUCKET, Key="answers/above-the-prefix", Body=b"")
    start(system, "a-run-of-another-system")
    os.utime(directory_of("heartbeat") / "lease")  # called just now
    done = inject(configuration, tmp_path)
    other = system_of(
        rig.other_topology(
            tmp_path / "other.json",
            client={**rig.client_host(run="ssm", s3=f"{BUCKET}/{PREFIX}"), "instance_id": "i-0123456789abcdef0"},
        )
    )
    loss = of_part(other, "packet_loss")
    monkeypatch.setattr("chaosdrill.packet_loss.leftovers._rules", lambda system: iter(()))  # has no such host
    kinds = {one.kind for one in loss.leftovers(other, SweepScope())}
    assert not kinds & {"fis-experiment", "fis-template"}, "another system's faults in the same account"
    assert names(find(system).left) == {("packet_loss", "fis-experiment", done["experiment_id"])}
    rig.go_home()
    make_old(directory_of("heartbeat"))
    assert remove(system, find(system).left) == {}
    assert {"answers/above-the-prefix", f"{PREFIX}/archive/somebody's.bin"} <= keys(rig)


def test_a_fresh_object_is_on_its_way(rig: Rig, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    put(rig, "once/fresh.json")
    monkeypatch.setattr(leftovers, "LEFT_AFTER_S", 900)
    assert find(system).left == ()
    monkeypatch.setattr(leftovers, "LEFT_AFTER_S", 0)
    assert remove(system, find(system).left) == {}


def test_a_part_that_cannot_be_read_is_named(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_LIST", "exit 7 # {cache}{directory}{files}{processes}")
    found = find(system)
    assert set(found.unreadable) == {"load", "heartbeat"}
    assert not found.is_clean


def run(*words: str) -> Any:
    return CliRunner().invoke(cli, ["sweep", *words], catch_exceptions=False)


def test_the_command(rig: Rig, system: System, configuration: dict[str, Any], tmp_path: Path) -> None:
    topology = configuration["topology"]
    assert run(topology).exit_code == 0
    key = put(rig, "answers/two")
    assert run(topology).exit_code == 1
    assert CliRunner().invoke(cli, ["sweep", topology, "--remove"], input="n\n").exit_code == 1
    assert key in keys(rig)
    done = run(topology, "--remove", "--yes", "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, [one["id"] for one in told["removed"]], told["not_removed"]) == (0, [key], [])
    assert key not in keys(rig)
    assert run(topology, "--remove", "--json").exit_code == 2
    (tmp_path / "wrong.yaml").write_text("target: nowhere")
    assert run(str(tmp_path / "wrong.yaml")).exit_code == 2
    assert run(str(tmp_path / "missing.yaml")).exit_code == 2
    assert run("20260501T0930").exit_code == 2, "no file, and no run of this machine"


def test_without_a_topology_the_usual_system_is_swept(
    rig: Rig, configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOPOLOGY_VARIABLE, raising=False)
    monkeypatch.setattr("chaosdrill.lab.running_lab.running_plan", lambda: None)
    assert run("--json").exit_code == 2
    monkeypatch.setenv(TOPOLOGY_VARIABLE, configuration["topology"])
    key = put(rig, "answers/two")
    assert key in [one["id"] for one in json.loads(run("--json").stdout)["leftovers"]]


def test_what_is_left_is_removed_while_an_undo_is_handed_over_and_not_while_it_is_owed(
    rig: Rig, system: System, configuration: dict[str, Any]
) -> None:
    key, coordination = put(rig, "answers/two"), coordination_of(system)
    run_id = "20261130T010203Z-stays"
    one = hold(system, run_id, HOUR_MS)
    move = OwedUndo("fail over", "fail_over", "system", "fail_back", "2026-11-30T10:01:00Z", {}, number=1)
    coordination.owe(one, 1, move)
    coordination.release(one)
    try:
        with fails_with("undo-owed"):
            run(configuration["topology"], "--remove", "--yes", "--json")
        assert key in keys(rig)
        coordination.hand_over(run_id, 1, "failback", "2099-01-31")
        assert run(configuration["topology"], "--remove", "--yes", "--json").exit_code == 0
        assert key not in keys(rig)
        assert [(one.run, one.state) for one in coordination.read_run(run_id).owed] == [(run_id, "handed-over")]
    finally:
        coordination.pay(run_id, 1, "test")
