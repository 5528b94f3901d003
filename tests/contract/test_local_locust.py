"""A Locust that belongs to the drill (``client: {run: local}``): started, found, ended, never left behind."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from chaosdrill.client.load_generator import DrillLoad, end_load_generator, load_generator
from chaosdrill.controls.watching import LoadWatch
from chaosdrill.load.actions import change_load, start_load, stop_load
from chaosdrill.load.probes import failures, load_health
from tests.contract import load_rig
from tests.contract.activities_rig import drill
from tests.failing import fails_with
from tests.further import first_of
from tests.waiting import LONG_S


@pytest.fixture(scope="module")
def target() -> Iterator[load_rig.Target]:
    with load_rig.target() as server:
        yield server


@pytest.fixture
def configuration(tmp_path: Path) -> Iterator[dict[str, str]]:
    made = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml"))}
    yield made
    end_load_generator(made)


def start(configuration: dict[str, str], target: load_rig.Target, script: Path, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = start_load(
        2, 50, target.url, str(script), within_s=40, configuration=configuration, **more
    )
    return answer


@pytest.mark.long
def test_the_header_that_names_the_region_is_the_topologys(
    configuration: dict[str, str], target: load_rig.Target, tmp_path: Path
) -> None:
    with Path(configuration["topology"]).open("a") as topology:
        topology.write("heartbeat: {read: {method: GET, path: /health}, region_header: X-Served-By}\n")
    target.region_header, target.regions = "X-Served-By", {"GET": "ap-northeast-3"}
    start(configuration, target, load_rig.script(tmp_path))
    assert failures(1, 1, region="standby", configuration=configuration) == 0
    target.region_header, target.regions = "X-Region", {}


def test_it_is_started_found_changed_and_ended(
    configuration: dict[str, str], target: load_rig.Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCUST_HEADLESS", "true")  # would make it another Locust
    script = load_rig.script(tmp_path, load_rig.TWO_CLASSES)
    watch = LoadWatch(DrillLoad(configuration, None).find, tmp_path / "timeline.jsonl")
    watch.look()
    with closing(watch), drill(tmp_path) as one_drill:
        started = start(configuration, target, script, user_classes=["Reader"])
        assert started["locustfiles"] == [str(script)]
        assert started["url"].startswith("http://127.0.0.1:")
        [process] = load_rig.processes_with("locust")
        assert os.getsid(process.pid) == process.pid != os.getsid(0), "a terminal's Ctrl-C must not reach it"
        watch.look()
        assert failures(1, 1, endpoint="/item/{id}", configuration=configuration) == 0
        assert change_load(3, 50, configuration=configuration)["done"]
        assert load_health(configuration=configuration)["users"] == 3
        stopped = stop_load(configuration=configuration)
        [starting] = one_drill.history.events("locust-starting")
        [stopping] = one_drill.history.events("load-stopping")
        assert not process.is_running()
        assert (starting["url"], starting["log"]) == (started["url"], str(tmp_path / "locust.log"))
        assert Path(stopped["report"]).stat().st_size > 100_000
        watch.look()  # what it counted to its end is known when it is gone
        assert watch.seen_until_s >= stopping["generator_s"]
        total = json.loads(Path(stopped["statistics"]).read_text())["stats"][-1]
        assert sum(good + bad for _, good, bad in watch.buckets) == total["num_requests"] > 0
        assert watch.ended_s is not None
    with fails_with("locust-not-started"):
        failures(1, 1, configuration=configuration)


@pytest.mark.long
def test_another_script_is_another_locust_and_the_same_script_the_same(
    configuration: dict[str, str], target: load_rig.Target, tmp_path: Path
) -> None:
    one = start(configuration, target, load_rig.script(tmp_path))
    [process] = load_rig.processes_with("locust")
    assert start_load(1, 50, target.url, configuration=configuration)["url"] == one["url"], "whichever runs"
    (tmp_path / "other").mkdir()
    other = start(configuration, target, load_rig.script(tmp_path / "other", load_rig.TWO_CLASSES))
    assert other["url"] != one["url"]
    assert [one.pid for one in load_rig.processes_with("locust")] != [process.pid]
    assert len(load_rig.processes_with("locust")) == 1


@pytest.mark.parametrize(
    ("script", "said"),
    first_of([("import nowhere_at_all", "No module named 'nowhere_at_all'"), ("x = 1", "it defines no User class")]),
)
def test_a_script_that_locust_cannot_run_is_told_and_nothing_is_left(
    configuration: dict[str, str], target: load_rig.Target, tmp_path: Path, script: str, said: str
) -> None:
    with fails_with("locust-ended") as ended:
        start(configuration, target, load_rig.script(tmp_path, script))
    assert said in str(ended.value), "what Locust's log says, or what it means"
    assert load_rig.processes_with("locust") == []
    answer = stop_load(configuration=configuration)
    assert (answer["done"], answer["why"][:14]) == (False, "no Locust runs")


@pytest.mark.long
def test_one_that_died_is_told_and_the_next_start_replaces_it(
    configuration: dict[str, str], target: load_rig.Target, tmp_path: Path
) -> None:
    script = load_rig.script(tmp_path)
    start(configuration, target, script)
    [process] = load_rig.processes_with("locust")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with fails_with("locust-ended"):
        failures(1, 1, configuration=configuration)
    start(configuration, target, script)
    assert failures(1, 1, configuration=configuration) == 0


# Its users never yield to gevent, so that Locust's page answers no more and no greenlet of it runs.
STUBBORN = """
import gevent.monkey
from locust import User, task
class Stubborn(User):
    @task
    def hang(self):
        gevent.monkey.get_original("time", "sleep")(600)
"""

DRILL = """
import signal, sys
from chaosdrill.client.load_generator import open_load_generator
open_load_generator({"topology": sys.argv[1]}, None, sys.argv[2], 60).swarm(1, 1, sys.argv[3])
print("started", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("text", [load_rig.TWO_CALLS, STUBBORN], ids=["usual", "stubborn"])
def test_it_ends_with_the_process_that_started_it_however_that_ends(
    configuration: dict[str, str], target: load_rig.Target, tmp_path: Path, text: str
) -> None:
    arguments = [configuration["topology"], str(load_rig.script(tmp_path, text)), target.url]
    command = [sys.executable, "-c", DRILL, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == "started\n"
            [locust] = load_rig.processes_with("locust", started.pid)
        finally:
            started.kill()
    with suppress(psutil.NoSuchProcess):
        locust.wait(LONG_S)
    assert not locust.is_running()


@pytest.mark.long
def test_a_start_that_is_interrupted_leaves_nothing(configuration: dict[str, str], tmp_path: Path) -> None:
    hanging = load_rig.script(tmp_path, "import time\ntime.sleep(600)\n" + load_rig.TWO_CALLS)
    with fails_with("locust-not-answering"):
        start_load(1, 1, "http://127.0.0.1:1", str(hanging), within_s=1, configuration=configuration)
    assert load_rig.processes_with("locust") == []


def test_what_ends_a_drill_ends_it_too(configuration: dict[str, str], target: load_rig.Target, tmp_path: Path) -> None:
    start(configuration, target, load_rig.script(tmp_path))
    [process] = load_rig.processes_with("locust")
    load = DrillLoad(configuration, None)
    Path(configuration["topology"]).rename(tmp_path / "gone.yaml")
    load.end()
    assert not process.is_running()
    load.end()
    Path(tmp_path / "gone.yaml").rename(configuration["topology"])
    with fails_with("locust-not-started"):
        load_generator(configuration)
