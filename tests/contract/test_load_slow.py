"""A Locust that is slow to stop or to answer, and one whose every request fails."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.load.actions import change_load, start_load, stop_load
from chaosdrill.load.probes import load_health
from tests.contract import load_rig
from tests.failing import fails_with
from tests.waiting import wait_for

pytestmark = pytest.mark.long

STOPS_IN_S = 8  # longer than a response of Locust's page may take
PATIENT = ("--stop-timeout", "30")  # else Locust kills a user in its on_stop, if the stop came while its task ran
SLOW_TO_STOP = (
    load_rig.TWO_CALLS
    + f"""
    def on_stop(self):
        import time
        time.sleep({STOPS_IN_S})
"""
)
STOPS_LATER = (
    load_rig.TWO_CALLS
    + """
    def on_stop(self):
        import os, time
        while not os.path.exists("PATH"):
            time.sleep(0.05)
"""
)
SLOW_TASK = f"""
import time
from locust import HttpUser, constant, task
class Caller(HttpUser):
    wait_time = constant(0.05)
    @task
    def call(self):
        self.client.get("/call", timeout=3)
        time.sleep({STOPS_IN_S})
"""
BUSY = (
    load_rig.TWO_CALLS
    + """
import gevent
from gevent import monkey
from locust import events

@events.PLACE.add_listener
def block(*_, **__):
    monkey.get_original("time", "sleep")(6)  # so that the whole process stands still
"""
)
RAISES_AT_START = (
    load_rig.TWO_CALLS
    + """
    def on_start(self):
        raise LookupError("accounts-used-up")
"""
)
ENDS_BY_ITSELF = """
from locust import HttpUser, constant, task
from locust.exception import StopUser
class Caller(HttpUser):
    wait_time = constant(0.05)
    @task
    def call(self):
        self.client.get("/call", timeout=3)
        if self.environment.runner.user_count > 2:
            raise StopUser
"""


@pytest.fixture(scope="module")
def target() -> Iterator[load_rig.Target]:
    with load_rig.target() as server:
        yield server


@pytest.fixture(autouse=True)
def healthy(target: load_rig.Target) -> None:
    target.status = 200


@contextmanager
def locust(directory: Path, script: str, *arguments: str) -> Iterator[tuple[LoadGenerator, dict[str, Any]]]:
    with load_rig.locust(directory, load_rig.script(directory, script), *arguments) as generator:
        topology = load_rig.write_topology(directory / "topology.yaml", generator.url)
        yield generator, {"configuration": {"topology": str(topology)}}


@pytest.mark.parametrize("script", [SLOW_TO_STOP, SLOW_TASK], ids=["on_stop", "task"])
def test_users_that_are_slow_to_stop_are_waited_for(target: load_rig.Target, tmp_path: Path, script: str) -> None:
    with locust(tmp_path, script, *PATIENT) as (generator, given):
        start_load(2, 50, target.url, within_s=30, **given)
        assert stop_load(**given)["state"] == "stopped"
        assert generator.state().user_count == 0


def test_users_of_workers_that_are_slow_to_stop_are_waited_for(target: load_rig.Target, tmp_path: Path) -> None:
    with load_rig.listening() as reserved:
        port = str(reserved.getsockname()[1])
    processes = ("--processes", "2", "--master-bind-port", port, "--master-port", port)
    with locust(tmp_path, SLOW_TO_STOP, *PATIENT, *processes) as (generator, given):
        wait_for(generator.state, lambda load: load.workers == 2, "two workers")
        start_load(2, 50, target.url, within_s=30, **given)
        assert stop_load(**given)["state"] == "stopped"


def test_users_that_still_run_at_the_deadline_are_reported_and_stop_all_the_same(
    target: load_rig.Target, tmp_path: Path
) -> None:
    may_stop = tmp_path / "may-stop"
    with locust(tmp_path, STOPS_LATER.replace("PATH", str(may_stop)), *PATIENT) as (generator, given):
        start_load(1, 50, target.url, within_s=30, **given)
        with fails_with("load-not-stopped") as error:
            stop_load(within_s=2, **given)
        assert "LoadState(" not in str(error.value)
        may_stop.touch()
        wait_for(generator.state, lambda load: load.state == "stopped", "the load to stop")


@pytest.mark.parametrize("place", ["test_start", "test_stopping", "reset_stats"])
def test_a_page_that_stands_still_for_a_moment_fails_no_step(
    target: load_rig.Target, tmp_path: Path, place: str
) -> None:
    with locust(tmp_path, BUSY.replace("PLACE", place)) as (_, given):
        assert start_load(2, 50, target.url, within_s=60, **given)["users"] == 2
        assert change_load(3, 50, **given)["after"]["users"] == 3
        assert stop_load(**given)["state"] == "stopped"


def test_a_page_that_does_not_respond_while_a_step_begins_is_asked_again(
    target: load_rig.Target, tmp_path: Path
) -> None:
    with locust(tmp_path, BUSY.replace("PLACE", "request")) as (_, given):
        start_load(1, 50, target.url, within_s=60, **given)
        assert stop_load(**given)["state"] == "stopped"


class TestEveryRequestFails:
    @pytest.mark.parametrize("status", [503, 404])
    def test_by_status(self, target: load_rig.Target, tmp_path: Path, status: int) -> None:
        target.status = status
        with locust(tmp_path, load_rig.TWO_CALLS) as (generator, given):
            assert "HTTPError" in self._refused(generator, given, target.url, "load-requests-failing")

    def test_by_a_host_where_nothing_listens(self, tmp_path: Path) -> None:
        with load_rig.listening() as closed:
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with locust(tmp_path, load_rig.TWO_CALLS) as (generator, given):
            assert "refused" in self._refused(generator, given, url, "load-requests-failing").lower()

    def test_by_an_exception_when_users_start(self, target: load_rig.Target, tmp_path: Path) -> None:
        with locust(tmp_path, RAISES_AT_START) as (generator, given):
            assert "accounts-used-up" in self._refused(generator, given, target.url, "load-script-raised")

    def test_in_workers(self, target: load_rig.Target, tmp_path: Path) -> None:
        target.status = 503
        with load_rig.listening() as reserved:
            port = str(reserved.getsockname()[1])
        processes = ("--processes", "2", "--master-bind-port", port, "--master-port", port)
        with locust(tmp_path, load_rig.TWO_CALLS, *processes) as (generator, given):
            wait_for(generator.state, lambda load: load.workers == 2, "two workers")
            assert "503" in self._refused(generator, given, target.url, "load-requests-failing")

    def _refused(self, generator: LoadGenerator, given: dict[str, Any], url: str, code: str) -> str:
        """The step fails long before its deadline, on Locust's own clock within 10 s, and a busy machine's delay."""
        with fails_with(code) as error:
            start_load(100, 1, url, within_s=170, **given)
        load = generator.state()
        assert load.started_s is not None
        assert load.now_s - load.started_s < 60
        assert load.user_count < 100
        return str(error.value)


def test_a_load_that_begins_with_errors_and_is_answered_then_begins(target: load_rig.Target, tmp_path: Path) -> None:
    target.status = 503
    enough = target.refused + 8
    with locust(tmp_path, load_rig.TWO_CALLS) as (_, given):
        repairing = threading.Thread(target=_repair_after, args=(target, enough))
        repairing.start()
        assert start_load(4, 50, target.url, within_s=60, **given)["users"] == 4
        repairing.join()
    assert target.refused >= enough, "it did begin with errors"


def _repair_after(target: load_rig.Target, enough: int) -> None:
    wait_for(lambda: target.refused >= enough, what=f"{enough} refused requests")
    target.status = 200


def test_without_workers_none_is_suspected(target: load_rig.Target, tmp_path: Path) -> None:
    with locust(tmp_path, ENDS_BY_ITSELF) as (generator, given):
        generator.swarm(4, 50, target.url)
        wait_for(generator.state, lambda load: load.state == "running" and load.user_count < 4, "users to end")
        health = load_health(**given)
        load = generator.state()
    assert (health["healthy"], load.distributed) == (False, False)
    assert [one.code for one in load.problems()] == ["load-users-missing"]
    assert "worker" not in health["summary"]
