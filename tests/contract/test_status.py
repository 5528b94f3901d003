"""`chaosdrill status` and `stop`: what leases and owed undos say of a system, from its table or from this machine."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from click.testing import CliRunner, Result

from chaosdrill.aws import sessions
from chaosdrill.cli import cli
from chaosdrill.coordination.files import FileStore
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.items import ItemWrite, Key, lease_key, undo_key
from chaosdrill.coordination.table import TableStore
from chaosdrill.errors import Refused
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.paths import RUNS_VARIABLE, VARIABLE
from tests.contract.activities_rig import Rig
from tests.contract.coordination_rig import HOUR_MS, Planted, in_table
from tests.contract.lab_aws import get
from tests.failing import fails_with
from tests.synthetic_run import write_history
from tests.waiting import LONG_S

LATE, EARLY = "2099-01-31", "2026-01-31"
LOSS = OwedUndo(
    step="lose packets",
    action="inject_packet_loss",
    kind="fault",
    undo="heal_packet_loss",
    began="2026-11-30T10:00:00Z",
    arguments={"loss_percent": 10},
    ends="2099-01-01T00:00:00Z",
    ids={"ap-northeast-1": ["EXP1"]},
    part="packet_loss",
    role="fault",
    number=1,
)
MOVE = OwedUndo(
    "fail over", "fail_over", "system", "fail_back", "2026-11-30T10:01:00Z", {}, part="failover", role="orchestrator"
)


@pytest.fixture(params=["files", "table"])
def planted(
    request: pytest.FixtureRequest, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Planted]:
    patient = Config(connect_timeout=LONG_S, read_timeout=LONG_S, retries={"total_max_attempts": 2})
    monkeypatch.setattr(sessions, "_COORDINATION", sessions._COORDINATION.merge(patient))
    monkeypatch.setattr("chaosdrill.coordination.table.CALL_S", 4 * LONG_S)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    monkeypatch.delenv("CHAOSDRILL_TOPOLOGY", raising=False)
    is_table = request.param == "table"
    topology = tmp_path / "topology.json"
    left_out = () if is_table else ("coordination",)
    topology.write_text(json.dumps({key: one for key, one in rig.lab.topology.items() if key not in left_out}))
    store = in_table(rig, topology) if is_table else FileStore()
    planted = Planted(topology, store, tmp_path / "runs", [])
    yield planted
    planted.release_all()


@pytest.fixture
def run(request: pytest.FixtureRequest) -> str:
    """A run that no other test of the shared table has."""
    return "20261130T1000-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:8]


def command(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def status(planted: Planted, code: int, named: str = "") -> dict[str, Any]:
    result = command("status", named or str(planted.topology), "--json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def shown(planted: Planted) -> list[str]:
    """The lines that people read; each fits into 80 columns."""
    lines = command("status", str(planted.topology)).stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and " " in line[15:] and not line.startswith("by hand")] == []
    return lines


def test_of_a_system_at_rest_nothing_is_in_force(planted: Planted) -> None:
    found = status(planted, 0)
    assert (found["drills"], found["owed"], found["unreadable"]) == ([], [], None)
    assert found["is_shared"] == isinstance(planted.store, TableStore)
    assert found["coordination"] == str(planted.store)
    assert found["region"]["state"]
    assert shown(planted)[0].endswith("topology.json")


def test_a_live_drill_is_shown_with_its_place_and_its_lease(planted: Planted, run: str) -> None:
    lease = planted.coordination.renew(planted.acquire(run), "method", "fail over")
    found = status(planted, 1)
    (drill,) = found["drills"]
    expected = {
        "run": run,
        "state": "live",
        "purpose": "drill",
        "experiment": "failover.yaml",
        "stage": "method",
        "step": "fail over",
        "end": "serving(ap-northeast-1)",
        "known_from": "coordination",
        "is_dead": False,
    }
    assert {key: drill[key] for key in expected} == expected
    assert f"pid {lease.holder.pid}" in drill["by"]
    assert abs(drill["left_s"] - HOUR_MS / 1000) < LONG_S
    assert drill["since"] < drill["expires"]
    assert found["at"] < drill["expires"]
    assert any(run in line and "live" in line for line in shown(planted))


def test_an_expired_lease_is_shown_as_such(planted: Planted, run: str) -> None:
    planted.acquire(run, lease_ms=-90_000)
    (drill,) = status(planted, 1)["drills"]
    assert drill["state"] == "expired"
    assert drill["left_s"] < -80
    assert any("expired" in line for line in shown(planted))


def test_a_process_of_this_machine_that_has_ended_is_told(planted: Planted, run: str) -> None:
    dead = replace(this_process(), started=1.0)
    planted.acquire(run)
    planted.store.update(ItemWrite(lease_key(run), {"holder": json.dumps(vars(dead))}))
    (drill,) = status(planted, 1)["drills"]
    assert (drill["state"], drill["is_dead"]) == ("live", True)


def test_a_released_run_that_owes_nothing_is_shown_when_it_is_named(planted: Planted, run: str) -> None:
    planted.coordination.release(planted.acquire(run))
    assert status(planted, 0)["drills"] == []
    result = CliRunner(env={"CHAOSDRILL_TOPOLOGY": str(planted.topology)}).invoke(cli, ["status", run, "--json"])
    assert result.exit_code == 0
    assert [one["state"] for one in json.loads(result.stdout)["drills"]] == ["released"]


def test_owed_undos_are_shown_with_how_they_end(planted: Planted, run: str) -> None:
    lease = planted.acquire(run)
    planted.coordination.owe(lease, 1, LOSS)
    planted.coordination.owe(lease, 2, MOVE)
    planted.coordination.owe(lease, 3, replace(LOSS, step="earlier", ends="2026-01-01T00:00:00Z"))
    assert "`chaosdrill stop`" in "\n".join(shown(planted)), "what makes the live drill undo it now"
    planted.coordination.release(lease)
    assert "`chaosdrill stop`" not in "\n".join(shown(planted))
    found = status(planted, 1)
    assert [one["state"] for one in found["drills"]] == ["released"]
    by_number = {one["number"]: one for one in found["owed"]}
    assert by_number[1]["left_s"] > HOUR_MS / 1000
    assert (by_number[2]["left_s"], by_number[2]["ends"]) == (None, "")
    assert by_number[3]["left_s"] == 0
    assert "EXP1" in by_number[1]["by_hand"][0]
    assert "failback" in by_number[2]["by_hand"][0]
    assert {one["state"] for one in found["owed"]} == {"owed"}
    assert {one["run"] for one in found["owed"]} == {run}
    text = "\n".join(shown(planted))
    assert all(one["by_hand"][0] in text for one in found["owed"][:2]), "it is copied from one line"


@pytest.mark.parametrize(("until", "is_overdue"), [(LATE, False), (EARLY, True), ("soon", True)])
def test_what_was_handed_over_is_shown_with_its_date(planted: Planted, run: str, until: str, is_overdue: bool) -> None:
    lease = planted.acquire(run)
    planted.coordination.owe(lease, 1, MOVE)
    planted.coordination.hand_over(run, 1, "failback.yaml", until)
    planted.coordination.release(lease)
    (owed,) = status(planted, 3 if is_overdue else 1)["owed"]
    assert (owed["state"], owed["to"], owed["until"]) == ("handed-over", "failback.yaml", until)
    assert owed["is_overdue"] is is_overdue
    assert any(line.startswith("handed-over") for line in shown(planted)) is not is_overdue, "an alert replaces it"


def test_nonsense_that_others_wrote_is_shown_as_far_as_it_goes(planted: Planted, run: str) -> None:
    planted.coordination.owe(planted.acquire(run), 1, LOSS)
    undo = vars(LOSS) | {"ends": 5, "ids": "none", "step": ["\x1b[31m"]}
    planted.store.update(ItemWrite(undo_key(run, 1), {"undo": json.dumps(undo)}))
    planted.store.update(
        ItemWrite(lease_key(run), {"expires_ms": 10**30, "began_ms": -(10**30), "experiment": "a\nb\x1b"})
    )
    found = status(planted, 1)
    assert [one["left_s"] for one in found["owed"]] == [None]
    assert found["owed"][0]["by_hand"]
    assert not any("\x1b" in line for line in shown(planted))


@pytest.mark.parametrize("key", [lease_key, lambda run: undo_key(run, 1)], ids=["lease", "undo"])
def test_an_item_of_a_newer_version_names_the_version_that_is_needed(
    planted: Planted, run: str, key: Callable[[str], Key]
) -> None:
    planted.coordination.owe(planted.acquire(run), 1, MOVE)
    planted.make_newer(key(run))
    found = status(planted, 2)
    assert found["unreadable"]["code"] == "coordination-newer"
    assert "7.1.0" in found["unreadable"]["why"]
    assert "7.1.0" in command("status", str(planted.topology)).stderr
    if key is lease_key:
        with pytest.raises(Refused) as refused:
            CliRunner().invoke(cli, ["stop", str(planted.topology)], catch_exceptions=False)
        assert refused.value.code == "coordination-newer"


def test_a_stop_request_reaches_the_drill_and_is_shown(planted: Planted, run: str) -> None:
    lease = planted.acquire(run)
    why = "customers-call"
    assert command("stop", str(planted.topology), "--why", why).exit_code == 0
    assert command("stop", str(planted.topology), "--why", "me, too").exit_code == 0, "the first one stays"
    stop = planted.coordination.renew(lease).stop
    assert stop is not None
    assert stop.why == why
    (drill,) = status(planted, 1)["drills"]
    assert drill["stop"] == vars(stop)
    assert any(why in line for line in shown(planted))


def test_a_run_is_stopped_by_the_beginning_of_its_id(planted: Planted, run: str) -> None:
    lease = planted.acquire(run)
    runner = CliRunner(env={"CHAOSDRILL_TOPOLOGY": str(planted.topology)})
    assert runner.invoke(cli, ["stop", run[:-3]]).exit_code == 0
    assert planted.coordination.renew(lease).stop is not None


@pytest.mark.parametrize("how", ["none", "expired", "released"])
@pytest.mark.parametrize("by", ["topology", "run"])
def test_without_a_live_lease_nothing_is_stopped(planted: Planted, run: str, how: str, by: str) -> None:
    if how != "none":
        lease = planted.acquire(run, lease_ms=-HOUR_MS if how == "expired" else HOUR_MS)
        if how == "released":
            planted.coordination.release(lease)
    runner = CliRunner(env={"CHAOSDRILL_TOPOLOGY": str(planted.topology)})
    with pytest.raises(Refused) as refused:
        runner.invoke(cli, ["stop", run if by == "run" else str(planted.topology)], catch_exceptions=False)
    assert refused.value.code == "run-not-live"
    if how == "expired":
        assert run in str(refused.value)


def test_a_step_is_approved_from_elsewhere_and_the_wait_is_shown(planted: Planted, run: str) -> None:
    planted.acquire(run)
    question = "Ready?"
    planted.coordination.ask_approval(run, 1, "fail-over", question, HOUR_MS)
    (asked,) = status(planted, 1)["approvals"]
    assert (asked["step"], asked["question"], asked["state"]) == ("fail-over", question, "pending")
    assert any(f"chaosdrill approve {run}" in line for line in shown(planted))
    assert command("approve", str(planted.topology)).exit_code == 0
    (approved,) = planted.coordination.read_run(run).approvals
    assert (approved.state, "@" in approved.by) == ("approved", True)
    assert status(planted, 1)["approvals"] == []


@pytest.mark.parametrize("how", ["never asked", "answered", "too late"])
def test_what_does_not_wait_is_not_approved(planted: Planted, run: str, how: str) -> None:
    planted.acquire(run)
    if how != "never asked":
        planted.coordination.ask_approval(run, 1, "fail-over", "", -HOUR_MS if how == "too late" else HOUR_MS)
    if how == "answered":
        planted.coordination.answer_approval(run, 1, "refused", "bob@laptop")
    with fails_with("approval-not-pending"):
        CliRunner().invoke(cli, ["approve", str(planted.topology)], catch_exceptions=False)


DIED = "20260501T093000Z-failover-ab12"


def died(planted: Planted, **opened: Any) -> None:
    """A drill of this machine whose process was killed in its method."""
    sha256 = hashlib.sha256(planted.topology.read_bytes()).hexdigest()
    step = {"activity": "fail over", "module": "chaosdrill.failover.actions", "func": "fail_over", "phase": "method"}
    (planted.runs / DIED).mkdir(parents=True)
    events = [
        {"s": 0.0, "event": "drill-opened", "target": "lab", "run_id": DIED, "experiment": "failover.yaml", **opened},
        {"s": 0.5, "event": "target-opened", "topology_sha256": sha256},
        {"s": 1.0, "event": "activity-started", "arguments": {}, **step},
    ]
    write_history(planted.runs / DIED, events)


def test_a_drill_of_this_machine_that_died_is_known_from_its_history(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    died(planted)
    found = status(planted, 1)
    (drill,) = found["drills"]
    assert {key: drill[key] for key in ("run", "state", "known_from", "experiment", "stage", "step", "left_s")} == {
        "run": DIED,
        "state": "died",
        "known_from": "history",
        "experiment": "failover.yaml",
        "stage": "method",
        "step": "fail over",
        "left_s": None,
    }
    assert [(one["run"], one["undo"]) for one in found["owed"]] == [(DIED, "fail_back")]
    monkeypatch.setenv("CHAOSDRILL_TOPOLOGY", str(planted.topology))
    assert status(planted, 1, DIED)["owed"] == found["owed"]


def test_coordination_is_right_about_a_run_that_it_knows(planted: Planted) -> None:
    died(planted)
    lease = planted.acquire(DIED)
    planted.coordination.owe(lease, 1, MOVE)
    planted.coordination.pay(DIED, 1, "a rescue")
    planted.coordination.release(lease)
    assert status(planted, 0)["owed"] == []


def test_a_drill_of_another_system_is_not_shown(planted: Planted) -> None:
    died(planted, target="aws", configuration={"topology": "/other.yaml"})
    assert status(planted, 0)["drills"] == []


def test_without_a_topology_the_drills_of_this_machine_are_shown(planted: Planted) -> None:
    result = command("status", "--json")
    assert (result.exit_code, json.loads(result.stdout)["drills"]) == (0, [])
    died(planted, target="aws", configuration={"topology": "/other.yaml"})
    result = command("status", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["topology"], found["region"]) == (1, "", None)
    assert [one["run"] for one in found["drills"]] == [one["run"] for one in found["owed"]] == [DIED]


@pytest.mark.parametrize("named", ["missing.yaml", "20990101"])
@pytest.mark.parametrize("name", ["status", "stop", "approve"])
def test_what_cannot_be_used_is_refused(planted: Planted, name: str, named: str) -> None:
    env = {"CHAOSDRILL_TOPOLOGY": str(planted.topology)} if name == "status" else {}
    assert CliRunner(env=env).invoke(cli, [name, named]).exit_code == 2


@pytest.fixture
def broken_table(rig: Rig) -> Iterator[Callable[[str], None]]:
    def breaks(kind: str) -> None:
        fault = {"service": "dynamodb", "region": "us-west-2", "kind": kind}
        assert get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")[0] == 200

    yield breaks
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


@pytest.mark.parametrize("planted", ["table"], indirect=True)
@pytest.mark.parametrize("kind", ["denied", "reset"])
def test_a_table_that_cannot_be_reached_is_never_a_clear_one(
    planted: Planted, broken_table: Callable[[str], None], kind: str, run: str, rig: Rig
) -> None:
    died(planted)
    broken_table(kind)
    found = status(planted, 2)
    assert found["unreadable"]["code"] == "coordination-unreachable"
    assert [one["run"] for one in found["drills"]] == [DIED], "what this machine knows is shown"
    assert command("stop", str(planted.topology)).exit_code == 2
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
