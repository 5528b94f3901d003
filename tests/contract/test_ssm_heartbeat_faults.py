"""The heartbeat on the client host on SSM's bad days: bursts of failures are survived, what never works is given up,
and what goes on is said. The other actions: ``test_aws_side_faults``, ``test_ssm_load_faults``.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chaoslib.exceptions import ActivityFailed

from chaosdrill.client import heartbeat as seam
from chaosdrill.client.host import remote_program
from chaosdrill.heartbeat.actions import start_heartbeat, stop_heartbeat
from chaosdrill.heartbeat.probes import lost_writes
from chaosdrill.history import OpenDrill
from tests.contract.activities_rig import OSAKA, Rig, drill, outside
from tests.contract.heartbeat_rig import READ, WRITES, Bank, bank_beside
from tests.contract.ssm_rig import BUCKET, BURST, KINDS, break_ssm, burst, hits, hurried, mend
from tests.failing import fails_with
from tests.waiting import EVERY_S, wait_for

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with hurried(tmp_path_factory) as one:
        yield one


@pytest.fixture(scope="module")
def accounts() -> Iterator[tuple[Bank, str]]:
    """A bank, and its address."""
    with bank_beside() as made:
        yield made


@pytest.fixture(scope="module")
def configuration(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    sent = {"read": READ, **WRITES, "accounts": {"prefix": "synthetic-", "count": 200}, "run": "ssm"}
    path = tmp_path_factory.mktemp("topology") / "topology.json"
    return rig.other_topology(path, heartbeat=sent, client=rig.client_host(run="ssm", s3=BUCKET))


@pytest.fixture
def one_drill(rig: Rig, configuration: dict[str, Any], tmp_path: Path) -> Iterator[OpenDrill]:
    """A drill that leaves no heartbeat."""
    with drill(tmp_path) as one:
        (tmp_path / "records").mkdir()
        yield one
        mend(rig)
        stop_heartbeat(configuration=configuration)


def started(configuration: dict[str, Any], accounts: tuple[Bank, str], **more: Any) -> dict[str, Any]:
    done: dict[str, Any] = start_heartbeat(host=accounts[1], configuration=configuration, **more)
    return done


def goes_on(accounts: tuple[Bank, str]) -> bool:
    """Wait until the bank has been written to again."""
    before = accounts[0].deposits
    return wait_for(lambda: accounts[0].deposits > before + 5)


def has_ended(accounts: tuple[Bank, str]) -> bool:
    """Whether the bank is written to no longer: for 2 s, in which a heartbeat writes 40 times."""
    before, until_s = accounts[0].deposits, time.monotonic() + 2
    while time.monotonic() < until_s and accounts[0].deposits <= before + 5:
        time.sleep(EVERY_S)
    return accounts[0].deposits <= before + 5


@pytest.mark.parametrize("arrives", ["at once", "after the stop"])
def test_a_start_that_was_interrupted_leaves_nothing_that_runs(
    configuration: dict[str, Any],
    accounts: tuple[Bank, str],
    one_drill: OpenDrill,
    monkeypatch: pytest.MonkeyPatch,
    arrives: str,
) -> None:
    """As when the drill is stopped while the command is on its way: it arrives all the same."""
    ask, on_its_way = remote_program.Program.ask, []

    def interrupted(program: remote_program.Program, command: str, *within_s: float, **given: Any) -> dict[str, Any]:
        if command != "start":
            return ask(program, command, *within_s, **given)
        on_its_way.append(threading.Thread(target=ask, args=(program, command, *within_s), kwargs=given))
        if arrives == "at once":
            on_its_way[0].start()
            lock = Path(program.path).parents[1] / "heartbeat" / "lock"
            wait_for(lambda: lock.exists() and given["token"] in lock.read_text())
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(remote_program.Program, "ask", interrupted)
        with pytest.raises(KeyboardInterrupt):
            started(configuration, accounts)
    assert stop_heartbeat(configuration=configuration)["done"] == (arrives == "at once")
    if arrives != "at once":
        on_its_way[0].start()
    on_its_way[0].join()
    assert has_ended(accounts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_heartbeat_starts_and_stops_though_five_calls_fail(
    rig: Rig,
    configuration: dict[str, Any],
    accounts: tuple[Bank, str],
    one_drill: OpenDrill,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    burst(rig, kind, monkeypatch)
    assert started(configuration, accounts)["done"] is True
    assert hits(rig) == [BURST, BURST]
    assert goes_on(accounts)
    mend(rig)
    burst(rig, kind, monkeypatch)
    assert stop_heartbeat(configuration=configuration)["done"] is True
    assert hits(rig) == [BURST, BURST] or kind == "slow", "where nothing is tried again, fewer calls do"
    assert has_ended(accounts)
    assert [row["complete"] for row in one_drill.history.events("records-collected")] == [True, True]


@pytest.mark.parametrize("kind", ["server-error", "reset"])
def test_where_no_command_is_taken_nothing_is_started(
    rig: Rig, configuration: dict[str, Any], accounts: tuple[Bank, str], one_drill: OpenDrill, kind: str
) -> None:
    break_ssm(rig, kind, "SendCommand")
    with pytest.raises(ActivityFailed):
        started(configuration, accounts)
    mend(rig)
    assert has_ended(accounts)
    assert stop_heartbeat(configuration=configuration)["done"] is False


def test_a_heartbeat_that_nobody_can_ask_any_more_goes_on_and_that_is_said(
    rig: Rig,
    configuration: dict[str, Any],
    accounts: tuple[Bank, str],
    one_drill: OpenDrill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = remote_program.started

    def then_break(*given: Any, **named: Any) -> Any:
        found = begun(*given, **named)
        break_ssm(rig, "server-error", "SendCommand")
        return found

    monkeypatch.setattr("chaosdrill.client.host.ssm_heartbeat.started", then_break)
    with fails_with("cleanup-failed"):
        started(configuration, accounts)
    assert goes_on(accounts)
    with fails_with("cleanup-failed"):
        stop_heartbeat(configuration=configuration)
    mend(rig)
    assert stop_heartbeat(configuration=configuration)["done"] is True
    assert has_ended(accounts)


@pytest.mark.parametrize("kind", ["server-error", "reset"])
def test_a_heartbeat_that_cannot_be_stopped_is_told_and_can_be_stopped_again(
    rig: Rig, configuration: dict[str, Any], accounts: tuple[Bank, str], one_drill: OpenDrill, kind: str
) -> None:
    started(configuration, accounts)
    break_ssm(rig, kind, "SendCommand")
    with fails_with("cleanup-failed") as told:
        stop_heartbeat(configuration=configuration)
    assert rig.lab.topology["client"]["instance_id"] in str(told.value)
    assert goes_on(accounts)
    assert one_drill.history.events("records-collected") == [], "not before it has ended"
    mend(rig)
    assert stop_heartbeat(configuration=configuration)["done"] is True
    assert has_ended(accounts)
    assert [row["complete"] for row in one_drill.history.events("records-collected")] == [True, True]


def test_a_drill_that_cannot_end_it_says_so_and_keeps_what_it_has(
    rig: Rig,
    configuration: dict[str, Any],
    accounts: tuple[Bank, str],
    one_drill: OpenDrill,
    caplog: pytest.LogCaptureFixture,
) -> None:
    started(configuration, accounts)
    there = seam.the_heartbeat(configuration)
    break_ssm(rig, "server-error", "SendCommand")
    seam.DrillHeartbeat(configuration).end()
    (told,) = [row.getMessage() for row in caplog.records if row.levelname == "ERROR"]
    assert all(name in told for name in (rig.lab.topology["client"]["instance_id"], "stop_heartbeat"))
    kept = one_drill.history.events("records-collected")
    assert [(row["complete"], "SendCommand" in row["why"]) for row in kept] == [(False, True)] * 2
    assert goes_on(accounts)
    mend(rig)
    there.ended = False
    there.end()


def test_a_heartbeat_whose_start_nobody_answers_is_told_and_ended_by_stop_heartbeat(
    rig: Rig,
    configuration: dict[str, Any],
    accounts: tuple[Bank, str],
    one_drill: OpenDrill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = remote_program.Program.ask

    def lose_the_answer(self: remote_program.Program, command: str, *given: Any, **named: Any) -> Any:
        if command == "start":
            break_ssm(rig, "lost-answer", "SendCommand")
        return asked(self, command, *given, **named)

    with monkeypatch.context() as here:
        here.setattr(remote_program.Program, "ask", lose_the_answer)
        with fails_with("half-done"):
            started(configuration, accounts)
    mend(rig)
    wait_for(lambda: goes_on(accounts))  # it was started all the same
    assert stop_heartbeat(configuration=configuration)["done"] is True
    assert has_ended(accounts)


def test_it_runs_outside_a_drill_too(rig: Rig, configuration: dict[str, Any], accounts: tuple[Bank, str]) -> None:
    with outside():
        assert started(configuration, accounts, standalone=True)["done"] is True
        assert goes_on(accounts)
        assert stop_heartbeat(standalone=True, configuration=configuration)["done"] is True
    assert has_ended(accounts)


def test_the_host_that_is_named_wins_over_the_topology(
    rig: Rig, configuration: dict[str, Any], accounts: tuple[Bank, str], one_drill: OpenDrill, tmp_path: Path
) -> None:
    topology = yaml.safe_load(Path(configuration["topology"]).read_text())
    nobody = {**topology["client"], "instance_id": "i-0123456789abcdef0", "region": OSAKA}
    given = rig.other_topology(tmp_path / "t.json", **{**topology, "client": nobody})
    with fails_with("ssm-agent-offline"):
        started(given, accounts)
    here = {"region": "home", "instance_id": topology["client"]["instance_id"]}
    assert started(given, accounts, **here)["done"] is True
    assert lost_writes("none", 20, region="home", configuration=given) == 0
    with fails_with("client-host-differs"):
        stop_heartbeat(instance_id="i-0123456789abcdef0", configuration=given)
    seam._own.clear()  # as in another process of the same drill
    (tmp_path / "records").rename(tmp_path / "taken")
    assert stop_heartbeat(**here, configuration=given)["done"] is True
    assert has_ended(accounts)


def test_why_it_ended_by_itself_is_told(
    configuration: dict[str, Any], accounts: tuple[Bank, str], one_drill: OpenDrill
) -> None:
    with fails_with("heartbeat-ended") as told:
        start_heartbeat(host="ftp://127.0.0.1", configuration=configuration)
    assert "ftp://127" in str(told.value), "from its log"
