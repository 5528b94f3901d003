"""What the plugin says about a window of time, against what a real server counted."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from chaoslib.exceptions import ActivityFailed

from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.errors import CannotSee, TimedOut
from chaosdrill.load.actions import start_load, stop_load
from chaosdrill.load.probes import error_ratio, failures, latency_ms, requests_per_s
from tests.contract import load_rig
from tests.contract.activities_rig import drill
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def target() -> Iterator[load_rig.Target]:
    with load_rig.target() as server:
        yield server


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadGenerator]:
    directory = tmp_path_factory.mktemp("locust")
    with load_rig.locust(directory, load_rig.script(directory)) as running:
        yield running


@pytest.fixture
def configuration(generator: LoadGenerator, tmp_path: Path) -> dict[str, str]:
    return {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", generator.url))}


@pytest.fixture(autouse=True)
def healthy(target: load_rig.Target) -> None:
    target.status = 200


def start(configuration: dict[str, str], target: load_rig.Target, users: int = 4) -> None:
    answer = start_load(users, 50, target.url, within_s=60, configuration=configuration)
    assert (answer["users"], answer["workers"], answer["host"]) == (users, 1, target.url)


def test_a_window_counts_every_request_exactly(
    target: load_rig.Target, generator: LoadGenerator, configuration: dict[str, str]
) -> None:
    since = load_rig.bucket_of_its_own(generator)
    before = (target.answered, target.refused)
    start(configuration, target)
    target.status = 503
    wait_for(lambda: target.refused, lambda refused: refused > before[1] + 20, "refusals")
    target.status = 200
    stop_load(configuration=configuration)
    window = generator.closed_window(0.3)
    whole = generator.window(since, window.until_s)
    assert (whole.requests, whole.failures) == (target.answered - before[0], target.refused - before[1])
    timeline = generator.timeline(since).buckets
    assert sum(bad for _, _, bad in timeline) == whole.failures
    assert sum(good for _, good, _ in timeline) == whole.requests - whole.failures
    assert whole.complete
    assert whole.exceptions == 0


def test_probes_judge_a_window_that_begins_now(target: load_rig.Target, configuration: dict[str, str]) -> None:
    target.status = 503
    with pytest.raises(ActivityFailed) as refused:
        start_load(4, 50, target.url, within_s=2, configuration=configuration)
    assert isinstance(refused.value.__cause__, TimedOut | CannotSee)  # the machine may be too busy for four users
    assert refused.value.__cause__.code in ("load-not-answered", "load-not-running")
    target.status = 200
    assert wait_for(lambda: failures(1, 1, configuration=configuration), lambda n: n == 0, "no failures") == 0
    assert error_ratio(1, 1, configuration=configuration) == 0
    assert 0 < requests_per_s(1, configuration=configuration) < 200
    fast, slow = (latency_ms(percentile, 1, 1, configuration=configuration) for percentile in (50, 100))
    assert 0 < fast <= slow
    target.status = 503
    assert failures(1, 1, configuration=configuration) > 0
    stop_load(configuration=configuration)


def test_the_load_is_stopped_after_a_second_without_errors_or_at_once_when_interrupted(
    target: load_rig.Target, generator: LoadGenerator, configuration: dict[str, str], tmp_path: Path
) -> None:
    with drill(tmp_path) as one_drill:
        start(configuration, target)
        assert stop_load(recovery_within_s=60, configuration=configuration)["recovered"] is True
        start(configuration, target)
        target.status = 503
        assert stop_load(recovery_within_s=2, configuration=configuration)["recovered"] is False
        target.status = 200
        start(configuration, target)
        one_drill.history.append("interrupted", signal="SIGINT", phase="method")
        assert stop_load(recovery_within_s=60, configuration=configuration)["recovered"] is None
    assert generator.state().state == "stopped"


def test_an_idle_generator_is_blind_not_flawless(target: load_rig.Target, configuration: dict[str, str]) -> None:
    stop_load(configuration=configuration)
    for probe in (failures, error_ratio):
        with fails_with("load-not-running"):
            probe(0.5, 1, configuration=configuration)


def test_too_few_requests_are_blind(target: load_rig.Target, configuration: dict[str, str]) -> None:
    start(configuration, target, users=1)
    with fails_with("load-too-few-requests"):
        failures(1, 1000, configuration=configuration)
    stop_load(configuration=configuration)


def test_a_running_test_is_replaced_by_one_with_new_settings(
    target: load_rig.Target, generator: LoadGenerator, configuration: dict[str, str]
) -> None:
    start(configuration, target, users=2)
    start(configuration, target, users=3)
    state = generator.state()
    assert (state.state, state.user_count, state.target_user_count) == ("running", 3, 3)
    stop_load(configuration=configuration)
    assert generator.state().state == "stopped"


def test_another_script_than_asked_for_is_refused(
    generator: LoadGenerator, configuration: dict[str, str], target: load_rig.Target
) -> None:
    asked = str(load_rig.REFERENCE)
    with fails_with("load-script-differs"):
        start_load(1, 1, target.url, asked, configuration=configuration)
    running = generator.state().locustfiles
    assert [Path(name).name for name in running] == ["calls.py"]
    assert start_load(1, 1, target.url, running[0], configuration=configuration)["locustfiles"] == list(running)
    stop_load(configuration=configuration)


def test_bad_settings_are_all_named_before_anything_happens(configuration: dict[str, str]) -> None:
    with fails_with("argument-invalid", "argument-invalid"):
        start_load(0, -1, "http://x", "no-such.py", configuration=configuration)
    with fails_with("load-script-missing", "argument-invalid") as refused:
        start_load(1, 0.1, "http://x", "no-such.py", run_time_s=1, configuration=configuration)
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == ["locustfile", "run_time_s"]


def test_what_locust_calls_success_is_checked(generator: LoadGenerator, target: load_rig.Target) -> None:
    with fails_with("locust-refused"):
        generator.swarm(-1, 1, target.url)


def test_the_page_is_served_on_the_inherited_socket(generator: LoadGenerator) -> None:
    page = requests.get(generator.url, timeout=LONG_S)
    assert page.status_code == 200
    assert "Locust" in page.text
    assert requests.get(f"{generator.url}/stats/requests", timeout=LONG_S).json()["state"] in ("ready", "stopped")


def test_nobody_there_cannot_be_seen(tmp_path: Path) -> None:
    with load_rig.listening() as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    configuration = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", url))}
    with fails_with("locust-unreachable"):
        failures(0.1, 1, configuration=configuration)


def test_a_script_that_raises_makes_the_window_blind(target: load_rig.Target, tmp_path: Path) -> None:
    raising = load_rig.script(
        tmp_path,
        load_rig.TWO_CALLS.replace("timeout=60)", "timeout=60).json()"),  # "ok" is not JSON
    )
    with load_rig.locust(tmp_path, raising) as generator:
        configuration = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", generator.url))}
        start(configuration, target)
        with fails_with("load-script-raised"):
            failures(1, 1, configuration=configuration)


def test_a_worker_that_dies_makes_the_window_blind(target: load_rig.Target, tmp_path: Path) -> None:
    with load_rig.listening() as reserved:
        port = str(reserved.getsockname()[1])
    files = f"{load_rig.PLUGIN},{load_rig.script(tmp_path)}"
    worker = ["--worker", "--master-port", port, "-f", files]
    with (
        load_rig.locust(tmp_path, tmp_path / "calls.py", "--master", "--master-bind-port", port) as generator,
        load_rig.process(worker, tmp_path / "w1.log"),
    ):
        configuration = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", generator.url))}
        with load_rig.process(worker, tmp_path / "w2.log") as second:
            wait_for(generator.state, lambda state: state.workers == 2, "two workers")
            since, before = load_rig.bucket_of_its_own(generator), target.answered
            assert start_load(4, 50, target.url, within_s=60, configuration=configuration)["workers"] == 2
            assert failures(1, 1, configuration=configuration) == 0
            generator.stop()
            window = generator.closed_window(0.3)
            wait_for(generator.state, lambda state: state.state == "stopped", "stop")
            assert generator.window(since, window.until_s).requests == target.answered - before
            start_load(4, 50, target.url, within_s=60, configuration=configuration)
            second.kill()
            killed = time.monotonic()
            with pytest.raises(ActivityFailed) as missing:
                failures(1, 1, configuration=configuration)
            assert isinstance(missing.value.__cause__, CannotSee)
            assert missing.value.__cause__.code in ("load-users-missing", "load-workers-silent")
            assert time.monotonic() - killed < 60
        with fails_with("load-users-missing"):
            failures(1, 1, configuration=configuration)
