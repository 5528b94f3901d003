"""A Locust that was attached to, and whose driver dies: its test ends by itself, and a rescue sees that."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from chaosdrill.aws import system_of
from chaosdrill.client.page_secrets import keep_page_secret
from chaosdrill.history.owed_undos import LOAD, OwedUndo
from chaosdrill.load.part import LoadPart
from chaosdrill.load.test_state import UNPOLLED_VARIABLE, LoadTestState
from chaosdrill.page_guard import SECRET_VARIABLE, new_secret
from chaosdrill.paths import VARIABLE
from tests.contract.load_rig import TWO_CALLS, locust_process, target, write_topology
from tests.waiting import wait_for

UNDO = OwedUndo("start load", "start_load", LOAD, "stop_load", "2026-11-30T10:00:00Z", {}, part="load", role="client")


def test_the_load_of_a_dead_driver_ends_by_itself_and_is_paid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, script = new_secret(), tmp_path / "script.py"
    script.write_text(TWO_CALLS)
    for name, value in ((VARIABLE, str(tmp_path / "home")), (SECRET_VARIABLE, secret), (UNPOLLED_VARIABLE, "2")):
        monkeypatch.setenv(name, value)
    with target() as server, locust_process(tmp_path, script) as (driver, _):
        keep_page_secret(driver.url, secret)
        driver.swarm(2, 10, server.url)
        wait_for(lambda: driver.state().user_count == 2)
        monkeypatch.setenv(VARIABLE, str(tmp_path / "another-machine"))
        system = system_of({"topology": str(write_topology(tmp_path / "topology.yaml", driver.url))})
        part = LoadPart()
        assert part.fact(system, "a-run", (UNDO,)).value == "ours"
        (step,) = part.undo_steps(system, "a-run", (UNDO,), part.fact(system, "a-run", (UNDO,)))
        assert not step.is_done()
        step.act()
        assert step.is_done()
        assert part.fact(system, "a-run", (UNDO,)).value == "none"


def test_a_test_is_abandoned_when_its_driver_has_polled_it_and_does_so_no_more() -> None:
    now, runner = [100.0], SimpleNamespace(state="running")
    environment = SimpleNamespace(runner=runner, parsed_options=None, user_classes=[])
    progress = LoadTestState(environment, None, lambda: now[0], 10.0)
    progress.begin()
    now[0] += 11.0
    assert not progress.is_abandoned(), "a person runs it"
    progress.poll()
    now[0] += 10.0
    assert not progress.is_abandoned()
    now[0] += 0.1
    assert progress.is_abandoned()
    runner.state = "stopped"
    assert not progress.is_abandoned()
    runner.state = "running"
    progress.begin()
    assert not progress.is_abandoned(), "a new test"
