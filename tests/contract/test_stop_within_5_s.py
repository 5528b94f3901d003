"""Rollbacks begin within 5 s of what stops a drill, whatever it waits for meanwhile. Without a lab: on its endpoint."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any

import pytest

from tests.contract.activities_rig import TOKYO, Rig
from tests.contract.heartbeat_rig import READ, WRITES, Bank, bank_beside
from tests.contract.lab_aws import get
from tests.small_drills import Drill, Ran, do, experiment, step, undo
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long

WITHIN_S = 5.0
REGIONS = 2  # home and standby, each with a safety lever
NEVER_S = 10 * LONG_S
REGION = {"type": "python", "module": "chaosdrill.region.probes", "func": "region_state"}
ELSEWHERE = "serving(ap-northeast-3)"
WAITS = {
    "type": "probe",
    "name": "waits",
    "tolerance": ELSEWHERE,
    "provider": {**REGION, "arguments": {"within_s": NEVER_S, "expected": ELSEWHERE}},
}
LONG = step("action", "long", "wait", seconds=NEVER_S)
ALL_PLACES: dict[str, Any] = {
    "a-wait-beside-a-background-step": {"method": [{**WAITS, "name": "beside", "background": True}, WAITS]},
    "a-wait-beside-one-that-sleeps": {"method": [{**LONG, "background": True}, WAITS]},
    "a-pause": {"method": [do("waits", pauses={"after": NEVER_S})]},
    "a-background-step-alone": {"method": [{**WAITS, "background": True}]},
    "a-background-step-that-sleeps": {"method": [{**LONG, "name": "waits", "background": True}]},
    "the-steady-state-before": {"steady": [WAITS]},
    "the-steady-state-after": {"steady": [WAITS], "runtime": {"hypothesis": {"strategy": "after-method-only"},
                                                             "rollbacks": {"strategy": "always"}}},
    "the-setup": {"control": {"setup": [WAITS]}},
}  # fmt: skip


@pytest.fixture
def lever(rig: Rig) -> Iterator[Any]:
    """The FIS of the home region; its lever is disengaged at the end."""
    fis = rig.lab.client("fis", TOKYO)
    yield fis
    if fis.get_safety_lever(id="default")["safetyLever"]["state"]["status"] != "disengaged":
        fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})


def drill_without_lab(topology: object, directory: Path, stop_when: dict[str, Any], where: dict[str, Any]) -> Drill:
    setup = [do("prepare"), *where.get("control", {}).get("setup", [])]
    control = {"setup": setup, "stop_when": stop_when}
    parts = {name: value for name, value in where.items() if name not in ("control", "method")}
    method = [do("work"), *where.get("method", [])]
    parts.setdefault("rollbacks", [undo("unprepare", "prepare"), undo("unwork", "work")])
    what = experiment(method, control=control, **parts)
    what["controls"][0]["provider"]["module"] = "tests.drill_without_lab"
    return Drill(directory, what, DRILLED_TOPOLOGY=str(topology), CHAOSDRILL_HOME=str(directory / "home"))


def wait_for_activity(drill: Drill, name: str) -> None:
    """Wait until a step of the drill has begun."""
    _wait_for_fact(drill, f'"activity": "{name}"')


def wait_for_event(drill: Drill, name: str) -> None:
    """Wait until something has happened in the drill."""
    _wait_for_fact(drill, f'"event": "{name}"')


def _wait_for_fact(drill: Drill, fact: str) -> None:
    runs = drill.directory / "home" / "runs"

    def is_there() -> bool:
        return any(fact in path.read_text() for path in runs.glob("*/history.jsonl"))

    wait_for(lambda: is_there() or drill.process.poll() is not None, bool, fact)
    assert is_there(), drill.end().stderr


def lever_reads(rig: Rig) -> int:
    """How often the endpoint was asked for a safety lever."""
    calls = get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]
    return sum(one["operation"] == "GetSafetyLever" and one["by"] == "chaosdrill" for one in calls)


def tripped(ran: Ran) -> list[tuple[str, bool]]:
    return [(row["safeguard"], row["unreadable"]) for row in ran.events if row["event"] == "safeguard-tripped"]


def began_rollbacks_s(ran: Ran) -> float:
    """When the rollbacks began, in s since the epoch."""
    (at,) = (row["at"] for row in ran.events if row["event"] == "phase" and row["phase"] == "rollbacks")
    return datetime.fromisoformat(at).timestamp()


@pytest.mark.parametrize("where", ALL_PLACES)
def test_an_engaged_lever_begins_the_rollbacks(rig: Rig, lever: Any, tmp_path: Path, where: str) -> None:
    engaged, before = {"safety_lever": "engaged"}, lever_reads(rig)
    drill = drill_without_lab(rig.lab.plan.topology_file, tmp_path, engaged, ALL_PLACES[where])
    wait_for_activity(drill, "waits")
    wait_for(lambda: lever_reads(rig) >= before + REGIONS)  # the next read of each is the one that counts
    engaged_s = time()
    lever.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    ran = drill.end()
    assert tripped(ran) == [("safety-lever", False)], ran.stderr
    assert ran.steps[-1] == ("undo unwork" if "do work" in ran.steps else "undo unprepare")
    assert began_rollbacks_s(ran) - engaged_s < WITHIN_S


@pytest.fixture
def clients(rig: Rig, tmp_path: Path) -> Iterator[tuple[Bank, dict[str, Any], str]]:
    """A bank, the step that starts a heartbeat on this machine that uses it, and the topology that says so."""
    sent = {"read": READ, **WRITES, "accounts": {"prefix": "synthetic-", "count": 20}, "run": "local"}
    topology = rig.other_topology(tmp_path / "topology.json", heartbeat=sent)["topology"]
    with bank_beside() as (bank, url):
        provider = {"type": "python", "module": "chaosdrill.heartbeat.actions", "func": "start_heartbeat"}
        start = {"type": "action", "name": "beat", "provider": {**provider, "arguments": {"host": url}}}
        yield bank, start, topology


def test_an_error_budget_that_is_spent_begins_the_rollbacks(
    clients: tuple[Bank, dict[str, Any], str], tmp_path: Path
) -> None:
    bank, beat, topology = clients
    budget_s = 2.0
    where = {"control": {"setup": [beat]}, "method": [LONG]}
    drill = drill_without_lab(topology, tmp_path, {"unavailable_s": budget_s}, where)
    wait_for_activity(drill, "long")
    bank.fault, closed_s = "503", time()
    ran = drill.end()
    assert tripped(ran) == [("unavailable", False)], ran.stderr
    assert -1.0 < began_rollbacks_s(ran) - closed_s - budget_s < WITHIN_S


def test_lost_writes_begin_the_rollbacks_at_the_read_back(
    clients: tuple[Bank, dict[str, Any], str], tmp_path: Path
) -> None:
    bank, beat, topology = clients
    reads = {"type": "python", "module": "chaosdrill.heartbeat.probes", "func": "lost_writes"}
    back = {"type": "probe", "name": "back", "provider": {**reads, "arguments": {"label": "after", "within_s": 20}}}
    old_enough = tmp_path / "old-enough"
    method = [step("action", "lose", "wait_for_file", path=str(old_enough)), back, LONG]
    drill = drill_without_lab(topology, tmp_path, {"lost_writes": 1}, {"control": {"setup": [beat]}, "method": method})
    drill.wait_for_step("wait for file")
    lost = bank.deposits + 3
    bank.lost = {lost}
    wait_for(lambda: bank.has_old(lost))
    old_enough.touch()
    ran = drill.end()
    assert tripped(ran) == [("lost-writes", False)], ran.stderr
    (read,) = (row["at"] for row in ran.events if row["event"] == "read-back")
    assert began_rollbacks_s(ran) - datetime.fromisoformat(read).timestamp() < WITHIN_S


@pytest.mark.parametrize("is_background", [False, True], ids=["alone", "in-the-background"])
def test_a_failover_that_has_started_is_let_finish_before_the_way_back(
    rig: Rig, lever: Any, tmp_path: Path, is_background: bool
) -> None:
    rig.go_home()
    moves = {"type": "python", "module": "chaosdrill.failover.actions"}
    over = {**moves, "func": "fail_over", "arguments": {"region": "standby", "timeout_s": LONG_S}}
    back = {**moves, "func": "fail_back", "arguments": {"region": "home", "timeout_s": LONG_S, "undo_of": "over"}}
    step_over = {"type": "action", "name": "over", "provider": over, "background": is_background}
    where = {"method": [step_over, LONG], "rollbacks": [{"type": "action", "name": "back", "provider": back}]}
    drill = drill_without_lab(rig.lab.plan.topology_file, tmp_path, {"safety_lever": "engaged"}, where)
    wait_for_event(drill, "execution-started")
    engaged_s = time()
    lever.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    ran = drill.end()
    assert tripped(ran) == [("safety-lever", False)], ran.stderr
    assert began_rollbacks_s(ran) - engaged_s < WITHIN_S
    ended = {row["activity"]: row["status"] for row in ran.events if row["event"] == "activity-ended"}
    assert ended["back"] == "succeeded", ran.stderr
    states = rig.lab.client("stepfunctions")
    arns = [str(row["execution_arn"]) for row in ran.events if row["event"] == "execution-started"]
    first, second = (states.describe_execution(executionArn=arn) for arn in arns)
    assert (first["status"], second["status"]) == ("SUCCEEDED", "SUCCEEDED")
    assert first["stopDate"] <= second["startDate"]
