"""A Locust with workers: what each of them saw adds up, and one that goes away makes windows blind."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.errors import CannotSee
from chaosdrill.load.actions import change_load, start_load, stop_load
from chaosdrill.load.probes import failures, latency_ms, load_health, requests_per_s
from tests.contract import load_rig
from tests.contract.activities_rig import drill
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for

ITEM = "/item/{id}"


@dataclass(frozen=True)
class Fleet:
    """A master and its first worker; more can be had."""

    directory: Path
    generator: LoadGenerator
    port: str

    @property
    def configuration(self) -> dict[str, str]:
        return {"topology": str(load_rig.write_topology(self.directory / "topology.yaml", self.generator.url))}

    @contextmanager
    def worker(self, name: str) -> Iterator[None]:
        """One more worker, which quits in order at the end of the block."""
        files = f"{load_rig.PLUGIN},{self.directory / 'calls.py'}"
        before = self.generator.state().workers
        with load_rig.process(
            ["--worker", "--master-port", self.port, "-f", files], self.directory / f"{name}.log"
        ) as one:
            wait_for(self.generator.state, lambda load: load.workers == before + 1, f"worker {name}")
            yield
            one.terminate()
            one.wait(LONG_S)


@contextmanager
def fleet(directory: Path, *arguments: str) -> Iterator[Fleet]:
    with load_rig.listening() as reserved:
        port = str(reserved.getsockname()[1])
    script = load_rig.script(directory, load_rig.TWO_CLASSES)
    with load_rig.locust(directory, script, "--master", "--master-bind-port", port, *arguments) as generator:
        yield Fleet(directory, generator, port)


@pytest.fixture(scope="module")
def target() -> Iterator[load_rig.Target]:
    with load_rig.target() as server:
        yield server


@pytest.mark.long
def test_endpoints_classes_and_statistics_add_up_across_workers(target: load_rig.Target, tmp_path: Path) -> None:
    with fleet(tmp_path) as one, one.worker("a"), one.worker("b"), drill(tmp_path):
        configuration, before = one.configuration, target.answered
        since_s = load_rig.bucket_of_its_own(one.generator)
        started = start_load(4, 50, target.url, within_s=60, user_classes=["Writer"], configuration=configuration)
        assert (started["workers"], started["user_classes"]) == (2, ["Writer"])
        assert failures(1, 1, endpoint="/call", method="POST", configuration=configuration) == 0
        assert latency_ms(99, 1, 1, "/call", configuration=configuration) > 0
        with fails_with("load-endpoint-not-requested"):
            requests_per_s(0.5, ITEM, configuration=configuration)
        assert change_load(8, 50, configuration=configuration)["after"]["users"] == 8
        stopped = stop_load(configuration=configuration)
        statistics = json.loads(Path(stopped["statistics"]).read_text())["stats"][-1]
        answered = target.answered - before
        until_s = one.generator.closed_window(0.3).until_s
        assert one.generator.window(since_s, until_s).requests == statistics["num_requests"] == answered
        for _ in range(2):  # right after a stop workers are not ready; they are waited for
            again = start_load(4, 50, target.url, within_s=60, configuration=configuration)
            assert again["workers"] == 2
        assert failures(1, 1, endpoint=ITEM, configuration=configuration) == 0


@pytest.mark.long
def test_a_worker_that_quits_makes_windows_blind_though_the_others_take_its_users(
    target: load_rig.Target, tmp_path: Path
) -> None:
    with fleet(tmp_path) as one, one.worker("a"):
        configuration, generator = one.configuration, one.generator
        with one.worker("b"):
            start_load(4, 50, target.url, within_s=60, configuration=configuration)
            assert load_health(configuration=configuration)["summary"] == "as meant"
        full = wait_for(generator.state, lambda load: (load.state, load.user_count) == ("running", 4), "users to move")
        assert (full.workers, full.workers_gone) == (1, 1)
        with fails_with("load-workers-missing"):
            failures(1, 1, configuration=configuration)
        assert [one.code for one in generator.state().problems()] == ["load-workers-missing"]
        assert not load_health(configuration=configuration)["healthy"]
        with one.worker("c"), fails_with("load-workers-missing"):
            failures(1, 1, configuration=configuration)  # another one in its place has not seen what it saw
        assert start_load(4, 50, target.url, within_s=60, configuration=configuration)["workers"] == 1
        assert failures(1, 1, configuration=configuration) == 0


@pytest.mark.long
def test_workers_that_locust_was_told_to_expect_must_be_there(target: load_rig.Target, tmp_path: Path) -> None:
    with fleet(tmp_path, "--expect-workers", "2") as one, one.worker("a"):
        configuration = one.configuration
        with fails_with("load-workers-missing"):
            start_load(2, 50, target.url, within_s=1, configuration=configuration)
        assert one.generator.state().state == "ready"
        with one.worker("b"):
            assert start_load(2, 50, target.url, within_s=60, configuration=configuration)["workers"] == 2
            stop_load(configuration=configuration)


@pytest.mark.long
def test_users_who_are_not_there_in_time_measure_nothing(target: load_rig.Target, tmp_path: Path) -> None:
    with fleet(tmp_path) as one, one.worker("a"):
        with pytest.raises(ActivityFailed) as failed:
            start_load(400, 1, target.url, within_s=1, configuration=one.configuration)
        assert isinstance(failed.value.__cause__, CannotSee)
        assert failed.value.__cause__.code == "load-not-running"


@pytest.mark.long
def test_locusts_own_processes_are_workers(target: load_rig.Target, tmp_path: Path) -> None:
    script = load_rig.script(tmp_path, load_rig.TWO_CLASSES)
    with load_rig.listening() as reserved:
        port = str(reserved.getsockname()[1])
    ports = ["--processes", "2", "--master-bind-port", port, "--master-port", port]
    with load_rig.locust(tmp_path, script, *ports) as generator:
        configuration = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", generator.url))}
        assert start_load(4, 50, target.url, within_s=60, configuration=configuration)["workers"] == 2
        assert failures(1, 1, endpoint=ITEM, configuration=configuration) == 0
        stop_load(configuration=configuration)
