"""A drill that is refused after it has opened its target changes nothing there: the log of every refusal."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.aws import System
from chaosdrill.aws.guard import changes_something
from chaosdrill.aws.lease_guard import READING_COMMANDS
from chaosdrill.coordination import coordination_of, lease_request
from chaosdrill.coordination.items import ItemWrite, lease_key
from chaosdrill.coordination.table import TableStore
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.registry import lease_keys
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.aws_drills import (
    aws_topology,
    calls_since,
    codes,
    confirm_elsewhere,
    flag,
    free,
    last_call,
    on_aws,
    statuses,
    system_at,
)
from tests.contract.lab_aws import get
from tests.small_drills import Drill, Step, do, step, undo
from tests.synthetic_run import write_history

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

COMMAND = "chaosdrill: "
APP = "drill"
OK = 200


@dataclass(frozen=True)
class Machine:
    """A machine with a home of its own, from which drills are started on the endpoint."""

    rig: Rig
    topology: Path
    directory: Path

    @property
    def system(self) -> System:
        return system_at(self.topology)

    @property
    def elsewhere(self) -> str:
        """A run of another machine, which no other test of the shared table has."""
        return f"20261130T010203Z-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:8]}"

    @property
    def home(self) -> Path:
        return self.directory / "home"

    def start(self, method: Sequence[Step], **control: Any) -> Drill:
        given = {"expect": f"serving({TOKYO})", **control}
        what = on_aws(self.topology, list(method), [undo("unwork", "work")], control=given)
        return Drill(self.directory, what, CHAOSDRILL_HOME=str(self.home), AWS_SDK_UA_APP_ID=APP)

    def breaks(self, service: str, kind: str, region: str = "") -> None:
        fault = {"service": service, "kind": kind, **({"region": region} if region else {})}
        assert get(f"{self.rig.lab.url}/chaosdrill/faults", fault, "PUT")[0] == 200

    def mend(self) -> None:
        get(f"{self.rig.lab.url}/chaosdrill/faults", method="DELETE")


@pytest.fixture
def machine(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    rig.go_home()
    topology = aws_topology(rig, tmp_path / "aws.yaml")
    confirm_elsewhere(topology, tmp_path / "elsewhere", monkeypatch)
    one = Machine(rig, topology, tmp_path)
    yield one
    one.mend()
    free(one.system)
    rig.go_home()


def fault(**arguments: Any) -> Step:
    module = "chaosdrill.packet_loss.actions"
    given = {"sources": "home", "percent": 10, "duration_s": 60, **arguments}
    provider = {"type": "python", "module": module, "func": "inject_packet_loss", "arguments": given}
    return {"type": "action", "name": "lose packets", "provider": provider}


def fail_over() -> Step:
    provider = {"type": "python", "module": "chaosdrill.failover.actions", "func": "fail_over", "arguments": {}}
    return {"type": "action", "name": "fail over", "provider": {**provider, "arguments": {"region": "standby"}}}


@contextmanager
def held(one: Machine) -> Iterator[None]:
    coordination, keys = coordination_of(one.system), lease_keys(one.system.topology)
    lease = coordination.acquire(lease_request(one.system, one.elsewhere, "drill", keys))
    yield
    coordination.release(lease)


@contextmanager
def expired(one: Machine) -> Iterator[None]:
    """The holder's lease ended an hour ago, and its machine is another one."""
    request = lease_request(one.system, one.elsewhere, "drill", lease_keys(one.system.topology))
    elsewhere = replace(request.holder, boot_id="another")
    lease = coordination_of(one.system).acquire(replace(request, lease_ms=-3_600_000, holder=elsewhere))
    yield
    coordination_of(one.system).release(lease)


@contextmanager
def owed(one: Machine) -> Iterator[None]:
    coordination, keys = coordination_of(one.system), lease_keys(one.system.topology)
    lease = coordination.acquire(lease_request(one.system, one.elsewhere, "drill", keys))
    began = "2026-11-30T01:02:03Z"
    coordination.owe(lease, 1, OwedUndo("open", "set_stop_flag", "system", "set_stop_flag", began, {"value": False}))
    coordination.release(lease)
    yield


@contextmanager
def newer(one: Machine) -> Iterator[None]:
    table = one.system.topology.coordination
    assert table is not None
    store = TableStore(one.system.coordination_client(table.region), table)
    with held(one):
        store.update(ItemWrite(lease_key(one.elsewhere), {"schema": 2, "needs": "9.9.9"}))
        yield
        store.update(ItemWrite(lease_key(one.elsewhere), {"schema": 1}))


@contextmanager
def unreachable(one: Machine) -> Iterator[None]:
    """The rehearsal was confirmed on this machine, where no table is needed for it."""
    shutil.copytree(one.directory / "elsewhere" / "confirmed", one.home / "confirmed")
    table = one.system.topology.coordination
    assert table is not None
    one.breaks("dynamodb", "reset", table.region)
    yield
    one.mend()


@contextmanager
def lever_engaged(one: Machine) -> Iterator[None]:
    fis = one.rig.lab.client("fis", TOKYO)
    fis.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    yield
    fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})


@contextmanager
def execution_running(one: Machine) -> Iterator[None]:
    rig = one.rig
    with rig.lab.supervisor.writer_held():
        client = rig.lab.client("stepfunctions")
        arn = client.start_execution(stateMachineArn=rig.lab.machine("FailoverStateMachine"))["executionArn"]
        rig.lab.become_consistent()
        yield
    rig.lab.ended(arn)


@contextmanager
def account_unknown(one: Machine) -> Iterator[None]:
    one.breaks("sts", "denied")
    yield
    one.mend()


@contextmanager
def died(one: Machine) -> Iterator[None]:
    """A drill of this machine died, and nobody can read whether its fault is in force."""
    run = "20261130T010203Z-died-ab12"
    inject = {"module": "chaosdrill.packet_loss.actions", "func": "inject_packet_loss", "phase": "method"}
    directory = one.home / "runs" / run
    directory.mkdir(parents=True)
    content = hashlib.sha256(one.topology.read_bytes()).hexdigest()
    write_history(
        directory,
        [
            {"s": 0.0, "event": "drill-opened", "target": "aws", "run_id": run},
            {"s": 0.5, "event": "target-opened", "target": "aws", "topology_sha256": content},
            {"s": 1.0, "event": "activity-started", "activity": "lose", **inject, "arguments": {"duration_s": 1e9}},
        ],
    )
    one.breaks("fis", "denied")
    yield
    one.mend()


@contextmanager
def as_it_is(one: Machine) -> Iterator[None]:
    yield


@dataclass(frozen=True)
class Refusal:
    """A reason for which a drill is refused.

    :param planted: makes it so.
    :param code: one of its codes.
    :param method: of the drill.
    """

    planted: Callable[[Machine], Any]
    code: str
    method: Sequence[Step] = (do("work"),)
    control: dict[str, Any] = field(default_factory=dict)


ALARM = {"stop_when": {"alarms": ["no-such-alarm"]}}
REFUSALS = {
    "another run holds the system": Refusal(held, "lease-held"),
    "the lease of another run has expired": Refusal(expired, "lease-held"),
    "another run owes an undo": Refusal(owed, "undo-owed"),
    "coordination cannot be reached": Refusal(unreachable, "coordination-unreachable"),
    "a newer version wrote the lease": Refusal(newer, "coordination-newer"),
    "the region state is another one": Refusal(
        as_it_is, "region-state-unexpected", control={"expect": f"serving({OSAKA})"}
    ),
    "the safety lever is engaged": Refusal(lever_engaged, "safety-lever-engaged", [fault(), do("work")]),
    "an execution runs": Refusal(execution_running, "region-state-unexpected", [fail_over(), do("work")]),
    "a drill that died left something": Refusal(died, "left-in-force"),
    "an alarm that shall stop the drill does not exist": Refusal(as_it_is, "alarm-missing", control=ALARM),
    "the account cannot be read": Refusal(account_unknown, ""),
}


@dataclass(frozen=True)
class Made:
    """What a drill's clients have written, by the endpoint's log.

    :param items: writes of coordination items, by operation.
    :param commands: commands on the client host, by their name; those without one of the closed list have their text.
    :param others: anything else that changes something.
    """

    items: Counter[str]
    commands: Counter[str]
    others: Counter[str]


def made_since(one: Machine, before: int, commands: set[str]) -> Made:
    table = one.system.topology.coordination
    assert table is not None
    writes = [call for call in calls_since(one.rig, before, APP) if changes_something(call["operation"])]
    own = [call for call in writes if (call["region"], call["resource"]) == (table.region, table.table)]
    sent = [call for call in writes if call["operation"] == "SendCommand"]
    new = {id: comment for id, comment in commands_of(one.rig).items() if id not in commands}
    assert len(new) == len([call for call in sent if call["status"] == OK]), "each is listed"
    return Made(
        items=Counter(call["operation"] for call in own),
        commands=Counter(new.values()),
        others=Counter(call["operation"] for call in writes if call not in own and call not in sent),
    )


def commands_of(rig: Rig) -> dict[str, str]:
    """The comment of each command that was sent to the client host, by the command's id."""
    pages = rig.lab.client("ssm", TOKYO).get_paginator("list_commands").paginate()
    return {one["CommandId"]: str(one.get("Comment", "")) for page in pages for one in page["Commands"]}


def require_only_reads(made: Made) -> None:
    assert made.others == {}
    assert all(name.startswith(COMMAND) for name in made.commands), made.commands
    assert {name.removeprefix(COMMAND) for name in made.commands} <= READING_COMMANDS
    assert set(made.items) <= {"TransactWriteItems", "UpdateItem"}


@pytest.mark.parametrize("why", REFUSALS)
def test_a_refused_drill_changes_nothing_in_the_system(machine: Machine, why: str) -> None:
    refusal = REFUSALS[why]
    with refusal.planted(machine):
        before, commands = last_call(machine.rig), set(commands_of(machine.rig))
        ran = machine.start(refusal.method, **refusal.control).end()
        made = made_since(machine, before, commands)
    assert (ran.verdict, ran.steps) == ("refused", []), ran.stdout
    assert not refusal.code or refusal.code in codes(ran), ran.why
    require_only_reads(made)


def test_a_drill_that_is_refused_just_before_its_method_changes_nothing_in_the_system(machine: Machine) -> None:
    """The lease was held by then: taken, renewed and released."""
    go_on = machine.directory / "go-on"
    before, commands = last_call(machine.rig), set(commands_of(machine.rig))
    waits = step("action", "waits", "wait_for_file", path=str(go_on))
    drill = machine.start([fault(), do("work")], setup=[waits], stop_when={"safety_lever": "ignored"})
    drill.wait_for_step("wait for file")
    with lever_engaged(machine):
        go_on.touch()
        ran = drill.end()
    made = made_since(machine, before, commands)
    assert ran.steps == ["wait for file"], ran.stdout
    assert "safety-lever-engaged" in codes(ran)
    require_only_reads(made)
    assert made.items["TransactWriteItems"] >= 2, "taken and released"


def test_the_change_of_a_drill_that_goes_ahead_is_found(machine: Machine) -> None:
    """By the same reading of the log."""
    before, commands = last_call(machine.rig), set(commands_of(machine.rig))
    what = on_aws(machine.topology, [flag("open", False)], [flag("close", True, undo_of="open")])
    drill = Drill(machine.directory, what, CHAOSDRILL_HOME=str(machine.home), AWS_SDK_UA_APP_ID=APP)
    assert statuses(drill.end()) == {"succeeded"}
    assert made_since(machine, before, commands).others == {"UpdateItem": 2}
