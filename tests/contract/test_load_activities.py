"""The load's actions and probes on a Locust that runs already, against what a real server counted."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.hypothesis import within_tolerance

from chaosdrill.aws import system_of
from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.controls.planned_calls import PlannedCalls
from chaosdrill.load.actions import change_load, start_load, stop_load
from chaosdrill.load.probes import error_ratio, failures, latency_ms, load_health, requests_per_s
from chaosdrill.parts.interface import PlannedStep
from tests.contract import load_rig
from tests.contract.activities_rig import drill, outside
from tests.failing import fails_with
from tests.waiting import wait_for

ITEM = "/item/{id}"


@pytest.fixture(scope="module")
def target() -> Iterator[load_rig.Target]:
    with load_rig.target() as server:
        yield server


@pytest.fixture(
    scope="module",
    params=[(), pytest.param(("--class-picker",), marks=pytest.mark.long)],
    ids=["plain", "class-picker"],
)
def generator(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[LoadGenerator]:
    directory = tmp_path_factory.mktemp("locust")
    with load_rig.locust(directory, load_rig.script(directory, load_rig.TWO_CLASSES), *request.param) as running:
        yield running


@pytest.fixture
def configuration(generator: LoadGenerator, target: load_rig.Target, tmp_path: Path) -> Iterator[dict[str, str]]:
    target.status, target.refused_method, target.regions = 200, "", {}
    yield {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", generator.url))}
    generator.stop()


def start(configuration: dict[str, str], target: load_rig.Target, users: int = 4, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = start_load(users, 50, target.url, within_s=60, configuration=configuration, **more)
    return answer


def test_only_the_user_classes_that_were_chosen_are_used(
    configuration: dict[str, str], target: load_rig.Target, generator: LoadGenerator
) -> None:
    assert start(configuration, target, user_classes=["Reader"])["user_classes"] == ["Reader"]
    assert requests_per_s(0.5, ITEM, configuration=configuration) > 0
    with fails_with("load-endpoint-not-requested"):
        requests_per_s(0.5, "/call", configuration=configuration)
    assert start(configuration, target)["user_classes"] == ["Reader", "Writer"], "those it was started with"
    assert requests_per_s(0.5, "/call", configuration=configuration) > 0
    assert change_load(6, 50, configuration=configuration)["after"]["users"] == 6
    assert generator.state().user_classes == ("Reader", "Writer")


def test_an_unknown_user_class_is_refused_by_name_and_the_load_goes_on(
    configuration: dict[str, str], target: load_rig.Target, generator: LoadGenerator
) -> None:
    start(configuration, target)
    with fails_with("load-user-class-unknown", "load-user-class-unknown") as refused:
        start(configuration, target, user_classes=["Reader", "Raeder", "Never"])
    assert [re.findall(r"'(\w+)'", line)[0] for line in str(refused.value).splitlines()] == ["Raeder", "Never"]
    assert generator.state().running


def test_what_is_written_wrong_is_told_at_once(configuration: dict[str, str], target: load_rig.Target) -> None:
    with fails_with("argument-invalid", "argument-invalid"):
        start_load(10, 1, target.url, user_classes="Reader", run_time_s=1.5, configuration=configuration)  # type: ignore
    with fails_with("argument-invalid", "argument-invalid") as refused:
        start_load(10, 1, target.url, user_classes=[""], run_time_s=10, configuration=configuration)
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == ["user_classes", "run_time_s"]
    with fails_with("argument-invalid", "argument-invalid", "argument-invalid"):
        latency_ms(0, -1, -1, "", "GET", configuration=configuration)
    with fails_with("argument-invalid"):
        latency_ms(method="GET", configuration=configuration)


def test_an_endpoint_has_its_own_failures(configuration: dict[str, str], target: load_rig.Target) -> None:
    target.refused_method = "POST"
    start(configuration, target)
    assert failures(1, 1, endpoint="/call", method="GET", configuration=configuration) == 0
    assert failures(1, 1, endpoint=ITEM, configuration=configuration) == 0
    assert error_ratio(1, 1, "/call", "POST", configuration=configuration) == 1
    assert 0.3 < error_ratio(1, 1, "/call", configuration=configuration) < 0.7
    assert 0.1 < error_ratio(1, 1, configuration=configuration) < 0.5
    total, item = (requests_per_s(1, name, configuration=configuration) for name in ("", ITEM))
    assert 0 < item < total
    fast, slow = (latency_ms(part, 1, 1, ITEM, "GET", configuration=configuration) for part in (0.1, 100))
    assert 0 < fast <= slow < 3000
    with fails_with("load-endpoint-not-requested") as not_requested:
        failures(0.5, 1, endpoint="/call", method="PUT", configuration=configuration)
    assert re.findall(r"GET (\S+) \(\d+\)", str(not_requested.value)) == ["/call", ITEM], "those that were are named"
    with fails_with("load-too-few-requests"):
        failures(0.5, 9999, endpoint="/call", method="GET", configuration=configuration)


def test_what_one_region_answered_is_seen_alone(configuration: dict[str, str], target: load_rig.Target) -> None:
    with fails_with("region-unknown"):
        failures(1, 1, region="Tokyo", configuration=configuration)
    start(configuration, target)
    with fails_with("load-region-unknown"):
        requests_per_s(1, region="home", configuration=configuration)
    target.refused_method, target.regions = "POST", {"GET": "ap-northeast-1", "POST": "ap-northeast-3"}
    assert failures(1, 1, region="ap-northeast-1", configuration=configuration) == 0
    assert failures(1, 1, region="standby", configuration=configuration) > 0
    assert error_ratio(1, 1, region="standby", configuration=configuration) == 1
    assert latency_ms(100, 1, 1, region="home", configuration=configuration) > 0
    posted, whole = (requests_per_s(2, region=name, configuration=configuration) for name in ("standby", None))
    assert 0 < posted < whole / 2
    assert requests_per_s(1, "/call", "POST", "home", configuration=configuration) == 0, (
        "others answered: it is not blind"
    )
    with fails_with("load-too-few-requests") as few:
        latency_ms(50, 1, 0, "/call", "POST", "home", configuration=configuration)
    assert "ap-northeast-3 (" in str(few.value), "who answered is named"


def test_locust_ends_the_load_after_its_run_time(
    configuration: dict[str, str], target: load_rig.Target, generator: LoadGenerator
) -> None:
    start(configuration, target, run_time_s=20)
    left_s = load_health(configuration=configuration)["ends_in_s"]
    assert 0 < left_s <= 20
    assert change_load(6, 50, configuration=configuration)["done"]
    assert 0 < load_health(configuration=configuration)["ends_in_s"] <= left_s + 1, "not begun anew"
    assert start(configuration, target, run_time_s=3)["users"] == 4
    with fails_with("load-not-running"):
        failures(5, 1, configuration=configuration)
    wait_for(generator.state, lambda load: load.state == "stopped", "the load to end by itself")
    assert load_health(configuration=configuration)["ends_in_s"] is None
    ended_s = generator.timeline().stopping_s
    assert ended_s is not None
    assert ended_s <= generator.state().now_s
    assert start(configuration, target)["users"] == 4
    assert load_health(configuration=configuration)["ends_in_s"] is None


def test_the_load_is_changed_up_and_down_while_it_runs(
    configuration: dict[str, str], target: load_rig.Target, generator: LoadGenerator, tmp_path: Path
) -> None:
    with drill(tmp_path) as one_drill:
        start(configuration, target)
        began_s = generator.state().started_s
        more = change_load(7, 20, configuration=configuration)
        assert (more["done"], more["before"]["users"], more["after"]) == (True, 4, {"users": 7, "spawn_rate_per_s": 20})
        assert change_load(7, 20, configuration=configuration)["done"] is False
        less = change_load(**{**more["before"], "within_s": 20, "configuration": configuration})
        assert (less["before"]["users"], less["after"]) == (7, {"users": 4, "spawn_rate_per_s": 50})
        state = generator.state()
        assert (state.user_count, state.host, state.started_s) == (4, target.url, began_s)
        rows = one_drill.history.events("load-changing") + one_drill.history.events("load-changed")
        assert [row["before"]["users"] for row in rows] == [4, 7, 4, 7]
        undos = one_drill.history.events("undo")
        assert [row.get("was", {}).get("users") for row in undos] == [None, 4, 7], "before each change"


def test_a_load_that_does_not_run_is_not_changed(configuration: dict[str, str], generator: LoadGenerator) -> None:
    with fails_with("load-not-running"):
        change_load(5, 5, configuration=configuration)
    assert generator.state().target_user_count != 5
    with fails_with("argument-invalid", "argument-invalid"):
        change_load(0, 0, configuration=configuration)


BOTH_REGIONS = """
from locust import HttpUser, constant, task
class Caller(HttpUser):
    wait_time = constant(0.05)
    @task
    def call(self):
        self.client.get("/call", timeout=60)
        self.client.get("STANDBY/call", name="/call", timeout=60)
        self.client.get("STANDBY/item", timeout=60)
"""


@pytest.fixture
def standby(target: load_rig.Target) -> Iterator[load_rig.Target]:
    """Another server: the standby region's, by its address."""
    with load_rig.target("127.0.0.2") as server:
        yield server


def load_balancers(path: Path, standby: str) -> None:
    """Home's is at 127.0.0.1."""
    written = path.read_text()
    named = f"load_balancers: {{ap-northeast-1: {{cidr: 127.0.0.1/32}}, ap-northeast-3: {{cidr: {standby}/32}}}}"
    path.write_text(re.sub("^load_balancers: .*$", named, written, flags=re.MULTILINE))


@pytest.mark.long
def test_where_answers_name_no_region_the_address_that_answered_does(
    target: load_rig.Target, standby: load_rig.Target, tmp_path: Path
) -> None:
    target.status, target.refused_method, target.regions = 200, "", {}
    script = load_rig.script(tmp_path, BOTH_REGIONS.replace("STANDBY", standby.url))
    with load_rig.locust(tmp_path, script) as generator:
        topology = load_rig.write_topology(tmp_path / "topology.yaml", generator.url)
        given: dict[str, Any] = {"configuration": {"topology": str(topology)}}
        start(given["configuration"], target)
        with fails_with("load-region-unknown"):
            failures(0.5, 1, region="home", **given)
        load_balancers(topology, standby="127.0.0.3")
        with fails_with("load-region-unknown") as unknown:
            failures(0.5, 1, region="home", **given)
        assert "127.0.0.2 (" in str(unknown.value), "what it answered may have been home's"
        load_balancers(topology, standby="127.0.0.2")
        standby.status = 503
        assert failures(0.5, 1, region="home", **given) == 0
        assert wait_for(lambda: error_ratio(0.5, 1, region="standby", **given), lambda ratio: ratio == 1, "refusals")
        assert latency_ms(100, 0.5, 1, region="standby", **given) > 0
        assert requests_per_s(1, "/item", "GET", "home", **given) == 0
        threading.Timer(1, setattr, (standby, "status", 200)).start()
        assert failures(0.5, 1, within_s=60, region="standby", **given) == 0
        load_balancers(topology, standby="127.0.0.3")
        target.regions = {"GET": "ap-northeast-1"}  # from now on what names none is not the application's
        assert failures(0.5, 1, within_s=60, region="home", **given) == 0


def test_a_window_in_which_the_load_was_changed_or_begun_is_blind(
    configuration: dict[str, str], target: load_rig.Target, generator: LoadGenerator
) -> None:
    start(configuration, target)
    since_s = generator.state().now_s
    change_load(5, 50, configuration=configuration)
    window = generator.window(since_s, generator.state().now_s)
    assert window.load.problems() == []
    assert window.load.as_meant_since_s is not None
    assert window.load.as_meant_since_s > since_s
    assert failures(0.5, 1, configuration=configuration) == 0, "one that begins now can be judged"


def test_locusts_own_report_and_statistics_are_kept(
    configuration: dict[str, str], target: load_rig.Target, generator: LoadGenerator, tmp_path: Path
) -> None:
    with drill(tmp_path):
        start(configuration, target)
        assert failures(1, 1, configuration=configuration) == 0
        stopped = stop_load(configuration=configuration)
    assert stopped["report"] == str(tmp_path / "locust-report.html")
    report = Path(stopped["report"]).read_text()
    assert "<title>Locust" in report
    assert target.url in report
    statistics = json.loads(Path(stopped["statistics"]).read_text())
    by_endpoint = {(row["method"], row["name"]): row["num_requests"] for row in statistics["stats"]}
    assert by_endpoint.keys() == {("GET", "/call"), ("POST", "/call"), ("GET", ITEM), ("", "Aggregated")}
    state = generator.state()
    assert state.started_s is not None
    assert by_endpoint["", "Aggregated"] == generator.window(state.started_s - 0.1, state.now_s).requests > 10
    assert statistics["state"] == "stopped"


def test_without_a_report_the_load_is_stopped_all_the_same(
    configuration: dict[str, str], target: load_rig.Target, generator: LoadGenerator, tmp_path: Path
) -> None:
    start(configuration, target)
    with outside():
        alone = stop_load(standalone=True, configuration=configuration)
    assert (alone["report"], alone["statistics"]) == (None, None)
    assert "drill" in alone["report_problem"]
    with drill(tmp_path):
        start(configuration, target)
        (tmp_path / "locust-report.html").mkdir()  # so that it cannot be written
        stopped = stop_load(configuration=configuration)
    assert stopped["report"] is None
    assert "locust-report.html" in stopped["report_problem"]
    assert stopped["statistics"] == str(tmp_path / "locust-statistics.json")
    assert generator.state().state == "stopped"


def test_health_tells_what_a_tolerance_can_read(configuration: dict[str, str], target: load_rig.Target) -> None:
    healthy = {"type": "regex", "target": "summary", "pattern": "^as meant$"}
    stop_load(configuration=configuration)
    idle = load_health(configuration=configuration)
    assert re.search(r"'(ready|stopped)'.*'running'", idle["summary"])
    assert not within_tolerance(healthy, idle)
    start(configuration, target)
    running = load_health(configuration=configuration)
    assert within_tolerance(healthy, running)
    figures = [running[name] for name in ("users", "target_users", "workers", "expected_workers", "exceptions")]
    assert figures == [4, 4, 1, 1, 0]
    assert (running["state"], running["healthy"], running["host"]) == ("running", True, target.url)


def test_exceptions_of_the_script_make_it_unhealthy(target: load_rig.Target, tmp_path: Path) -> None:
    raising = load_rig.script(tmp_path, load_rig.TWO_CALLS.replace("timeout=60)", "timeout=60).json()"))
    with load_rig.locust(tmp_path, raising) as generator:
        configuration = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", generator.url))}
        start(configuration, target)
        wait_for(generator.state, lambda load: load.exceptions > 0, "an exception")
        health = load_health(configuration=configuration)
    assert not health["healthy"]
    assert "Expecting" in health["exception_messages"][0]


def test_a_script_that_sets_its_users_itself_is_refused(target: load_rig.Target, tmp_path: Path) -> None:
    shaped = load_rig.script(
        tmp_path,
        load_rig.TWO_CALLS + "from locust import LoadTestShape\nclass Waves(LoadTestShape):\n"
        "    def tick(self):\n        return (1, 1)\n",
    )
    with load_rig.locust(tmp_path, shaped) as generator:
        configuration = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml", generator.url))}
        with fails_with("load-shape-set"):
            start(configuration, target)
        assert generator.state().state == "ready"


def test_the_configuration_can_name_another_locust_than_the_topology(
    configuration: dict[str, str], target: load_rig.Target, generator: LoadGenerator, tmp_path: Path
) -> None:
    other = str(load_rig.write_topology(tmp_path / "other.yaml", "http://127.0.0.1:9"))
    assert start({"topology": other, "load_generator_url": generator.url}, target)["url"] == generator.url


def test_locust_is_sent_what_a_dry_run_plans(
    configuration: dict[str, str], target: load_rig.Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[tuple[str, Any]] = []
    send = LoadGenerator._send

    def record(self: LoadGenerator, method: str, path: str, **more: Any) -> Any:
        if method == "POST":
            posted.append((path, more.get("data")))
        return send(self, method, path, **more)

    start_arguments = {"users": 4, "spawn_rate_per_s": 50, "host": target.url, "user_classes": ["Reader"]}
    steps = {start_load: start_arguments, change_load: {"users": 2, "spawn_rate_per_s": 50}, stop_load: {}}
    plan, system = PlannedCalls(), system_of(configuration)
    planned = [
        plan.of_step(system, PlannedStep("method", one.__name__, f"chaosdrill.load.actions.{one.__name__}", given))
        for one, given in steps.items()
    ]
    monkeypatch.setattr(LoadGenerator, "_send", record)
    for (action, given), calls in zip(steps.items(), planned, strict=True):
        posted.clear()
        action(**given, within_s=60, configuration=configuration)
        wanted = [(call.operation.removeprefix("POST "), dict(call.parameters)) for call in calls]
        if action is change_load:
            wanted[0][1]["user_classes"] = ["Reader"]
        assert [(path, dict(form or {})) for path, form in posted if path in dict(wanted)] == wanted
        assert {path for path, _ in posted} == set(dict(wanted))
