"""A drill holds its system's lease, publishes what it owes, and hears of requests to stop: real `chaos run`s."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.aws import System, dynamodb, system_of
from chaosdrill.coordination import coordination_of, lease_request
from chaosdrill.coordination.interface import CLOCK_BOUND_MS, Lease, SystemState
from chaosdrill.errors import LeaseEnded
from chaosdrill.parts.registry import lease_keys
from tests.further import first_of
from tests.running_lab import RunningLab
from tests.small_drills import Drill, Ran, Step, do, experiment, step, undo
from tests.waiting import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

STANDBY = "ap-northeast-3"
NEVER_S = 900.0  # longer than any test: only a stop ends it


@pytest.fixture
def system(lab: RunningLab) -> System:
    return system_of({"topology": str(lab.home / "lab" / "topology.yaml")})


@pytest.fixture(autouse=True)
def _system_is_free(system: System) -> Iterator[None]:
    yield
    free(system)


@pytest.fixture
def start(lab: RunningLab, tmp_path: Path) -> Any:
    def start(what: Mapping[str, Any], *options: str, **variables: str) -> Drill:
        directory = tmp_path / f"drill-{len(list(tmp_path.iterdir()))}"
        directory.mkdir()
        return Drill(directory, what, *options, CHAOSDRILL_HOME=str(lab.home), **variables)

    return start


def state_of(system: System) -> SystemState:
    return coordination_of(system).read(lease_keys(system.topology))


def free(system: System) -> None:
    """Leave nothing owed and nothing held, as a person does who has repaired the system by hand."""
    coordination = coordination_of(system)
    state = state_of(system)
    for one in state.owed:
        coordination.pay(one.run, one.number, "a test")
    for stale in state.holding():
        request = lease_request(system, f"freed-{os.urandom(4).hex()}", "rescue", stale.resources)
        coordination.release(coordination.take_over(request, stale))
    if dynamodb.stop_flag(system, STANDBY) is False:
        dynamodb.write_stop_flag(system, STANDBY, value=True, expected=False)


@contextmanager
def held_elsewhere(system: System, run: str) -> Iterator[Lease]:
    """Hold the system as a drill on another machine does."""
    coordination = coordination_of(system)
    lease = coordination.acquire(lease_request(system, run, "drill", lease_keys(system.topology)))
    try:
        yield lease
    finally:
        coordination.release(lease)


def flag(name: str, value: bool, **more: Any) -> Step:
    """Open or close the standby: beside the home region nothing serves there."""
    arguments = {"region": "standby", "value": value, **more}
    provider = {"module": "chaosdrill.stop_flag.actions", "func": "set_stop_flag", "arguments": arguments}
    return {"type": "action", "name": name, "provider": {"type": "python", **provider}}


def codes(ran: Ran) -> list[str]:
    return [code for row in ran.events if row["event"] == "refused" for code in row["codes"]]


def names(ran: Ran) -> list[str]:
    return [row["event"] for row in ran.events]


FLAG_AND_BACK: Any = {"rollbacks": [flag("close", True, undo_of="open"), undo("unwork", "work")]}


def test_a_drill_holds_the_system_and_publishes_what_it_owes_until_that_is_paid(
    start: Any, system: System, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    waits = step("action", "waits", "wait_for_file", path=str(go_on))
    drill = start(experiment([flag("open", False), do("work"), waits], **FLAG_AND_BACK))
    drill.wait_for_step("wait for file")
    during = wait_for(lambda: state_of(system), lambda state: state.leases[0].step == "waits")
    (lease,) = during.holding()
    (owed,) = during.owed
    go_on.touch()
    ran = drill.end()
    assert {row["status"] for row in ran.events if row["event"] == "activity-ended"} == {"succeeded"}
    assert (lease.run, lease.purpose, lease.stage) == (ran.run_directory.name, "drill", "method")
    assert (lease.experiment, lease.end) == ("try-it", "serving(ap-northeast-1)")
    assert (lease.holder.pid, lease.resources) == (drill.process.pid, lease_keys(system.topology))
    assert (owed.run, owed.undo.step, owed.undo.undo) == (lease.run, "open", "set_stop_flag")
    assert owed.undo.before == {"arguments": {"region": STANDBY, "value": True}}
    after = state_of(system)
    assert (after.leases, after.owed) == ((), ())


def test_beside_a_drill_of_another_machine_nothing_begins(start: Any, system: System, lab: RunningLab) -> None:
    with held_elsewhere(system, "20261130T010203Z-elsewhere"):
        before = len(lab.aws_calls())
        ran = start(experiment([do("work")], [undo("unwork", "work")])).end()
        calls = lab.aws_calls()[before:]
        assert "20261130T010203Z-elsewhere" in ran.why
    assert (ran.verdict, codes(ran), ran.steps) == ("refused", ["lease-held"], [])
    sent = {call["operation"] for call in calls if call["operation"].startswith(("Put", "Update", "Transact", "Start"))}
    assert sent <= {"TransactGetItems"}, "nothing was written, not even to the table"


def test_what_another_drill_owes_refuses_the_next_one(start: Any, system: System, tmp_path: Path) -> None:
    """A drill was killed, and nothing is in force beside what it owes."""
    drill = start(experiment([flag("open", False), do("work"), step("action", "waits", "wait", seconds=NEVER_S)]))
    drill.wait_for_step(f"wait {NEVER_S}")
    os.kill(drill.process.pid, signal.SIGKILL)
    drill.process.wait()
    try:
        (owed,) = state_of(system).owed
        ran = start(experiment([do("work")], [undo("unwork", "work")])).end()
        assert (ran.verdict, ran.steps) == ("refused", [])
        assert {"lease-held", "undo-owed"} <= set(codes(ran))
        assert owed.run in ran.why
    finally:
        free(system)


def test_a_process_that_has_ended_and_owes_nothing_is_replaced(start: Any, system: System) -> None:
    drill = start(experiment([step("action", "waits", "wait", seconds=NEVER_S)]))
    drill.wait_for_step(f"wait {NEVER_S}")
    (dead,) = state_of(system).holding()
    os.kill(drill.process.pid, signal.SIGKILL)
    drill.process.wait()
    ran = start(experiment([do("work")], [undo("unwork", "work")])).end()
    assert (ran.verdict, ran.steps) == ("passed", ["do work", "undo unwork"]), ran.why
    assert coordination_of(system).read_run(dead.run).leases[0].taken_by == ran.run_directory.name


WAITS = step("action", "waits", "wait", seconds=NEVER_S)
PAUSES = {**do("pauses"), "pauses": {"after": NEVER_S}}
LONG_PROBE = step("probe", "long", "answer_after", 1, seconds=NEVER_S, value=1)
STOPPED_DURING = {
    "a wait of a step": {"method": [do("work"), WAITS]},
    "a pause": {"method": [do("work"), PAUSES]},
    "a background step": {"method": [do("work"), {**do("beside"), "background": True}, WAITS]},
    "the second hypothesis": {"method": [do("work")], "steady": [step("probe", "s", "answer", 1, value=1), LONG_PROBE]},
    "setup": {"method": [], "control": {"setup": [do("work"), WAITS]}},
}


@pytest.mark.parametrize("moment", first_of([name for name in STOPPED_DURING if name != "the second hypothesis"]))
def test_a_stop_from_another_machine_begins_the_rollbacks(
    start: Any, system: System, lab: RunningLab, moment: str
) -> None:
    drill = start(experiment(rollbacks=[undo("unwork", "work")], **STOPPED_DURING[moment]))
    drill.wait_for_step("do pauses" if moment == "a pause" else f"wait {NEVER_S}")
    (lease,) = state_of(system).holding()
    coordination_of(system).request_stop(lease.run, "ops@desk", "customers-call")
    ran = drill.end()
    assert ran.verdict == "interrupted"
    assert ran.steps[-1] == "undo unwork"
    (event,) = [row for row in ran.events if row["event"] == "interrupted"]
    assert (event["signal"], event["by"], event["why"]) == ("chaosdrill stop", "ops@desk", "customers-call")
    assert "ops@desk" in ran.why
    assert "customers-call" in ran.why
    assert state_of(system).leases == ()


def test_a_drill_whose_lease_was_taken_over_changes_nothing_any_more(start: Any, system: System) -> None:
    """As after a machine that was suspended: neither its method nor its rollbacks change anything."""
    drill = start(experiment([flag("open", False), do("work"), WAITS], **FLAG_AND_BACK))
    drill.wait_for_step(f"wait {NEVER_S}")
    coordination = coordination_of(system)
    (stale,) = state_of(system).holding()
    drill.signal("SIGSTOP")
    try:
        # what a rescue waits for is beside the point here: the drill is stopped
        request = lease_request(system, "rescue-of-it", "rescue", stale.resources, pays=(stale.run,))
        taken = wait_for(lambda: _take_over(coordination, request, system, stale.run))
    finally:
        drill.signal("SIGCONT")
    ran = drill.end()
    try:
        assert "lease-lost" in names(ran)
        ended = {row["activity"]: (row["status"], row.get("error_codes")) for row in ran.events if "duration_s" in row}
        assert ended["close"][0] == "failed"
        assert "lease-ended" in ended["close"][1]
        assert [one.run for one in coordination.read(stale.resources).owed] == [stale.run], "it is still owed"
    finally:
        coordination.release(taken)


def _take_over(coordination: Any, request: Any, system: System, run: str) -> Lease | None:
    (stale,) = [one for one in state_of(system).holding() if one.run == run]
    try:
        found: Lease = coordination.take_over(request, stale)
        return found
    except LeaseEnded:
        return None


def test_a_table_that_cannot_be_reached_lets_no_drill_begin_and_ends_one_that_runs(
    start: Any, system: System, lab: RunningLab
) -> None:
    drill = start(experiment([flag("open", False), do("work"), WAITS], **FLAG_AND_BACK))
    drill.wait_for_step(f"wait {NEVER_S}")
    region = system.topology.coordination.region  # type: ignore[union-attr]
    lab.run("lab", "break", "aws", "dynamodb", "reset", "--region", region)
    try:
        ran = drill.end()
        refused = start(experiment([do("work")], [undo("unwork", "work")])).end()
    finally:
        lab.run("lab", "break", "--clear")
    assert ran.steps[-1] == "undo unwork"
    ended = {row["activity"]: row["status"] for row in ran.events if row["event"] == "activity-ended"}
    assert ended["close"] == "succeeded", "what reverses is sent where the table cannot be read"
    assert "lease-lost" in names(ran)
    assert (refused.verdict, refused.steps) == ("refused", [])
    assert codes(refused) == ["coordination-unreachable"]


def test_a_dry_drill_holds_nothing_and_owes_nothing(start: Any, system: System) -> None:
    what = experiment([flag("open", False)], [flag("close", True, undo_of="open")])
    ran = start(what, "--dry", "actions").end()
    assert "activity-ended" in names(ran)
    assert "lease-taken" not in names(ran)
    assert coordination_of(system).read_run(ran.run_directory.name).leases == ()


def test_a_stop_of_some_seconds_ends_no_healthy_drill(start: Any, system: System, tmp_path: Path) -> None:
    """SIGSTOP for longer than the bound of the clock: the next renewal finds the lease as it was."""
    go_on = tmp_path / "go-on"
    drill = start(
        experiment([step("action", "waits", "wait_for_file", path=str(go_on)), do("work")], [undo("unwork", "work")])
    )
    drill.wait_for_step("wait for file")
    drill.signal("SIGSTOP")
    (stopped,) = state_of(system).holding()
    wait_for(
        lambda: state_of(system),
        lambda state: state.now_ms > stopped.expires_ms - stopped.lease_ms + 2 * CLOCK_BOUND_MS,
    )
    drill.signal("SIGCONT")
    go_on.touch()
    assert drill.end().verdict == "passed"
