"""Locust on the lab's client host, brought, started, asked and ended through SSM: ``client: {run: ssm}``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import yaml

from chaosdrill.aws import System, system_of
from chaosdrill.client import load_generator as seam
from chaosdrill.client.host import remote_program, ssm_locust
from chaosdrill.controls import confirmation
from chaosdrill.load.actions import change_load, start_load, stop_load
from chaosdrill.load.probes import failures, latency_ms, load_health
from chaosdrill.policies import filled, policy_of
from chaosdrill.topology import load_topology
from tests import small_drills
from tests.contract.activities_rig import drill
from tests.failing import fails_with
from tests.iam_policy import not_allowed, not_done, wanted
from tests.running_lab import RunningLab
from tests.waiting import wait_for

pytestmark = pytest.mark.long

BUCKET = "chaosdrill-load"
SCRIPT = """
from locust import HttpUser, constant, task
class Asking(HttpUser):
    wait_time = constant(0.1)
    @task
    def ask(self):
        self.client.get("/health", timeout=3)
"""


@pytest.fixture(scope="module")
def topology(lab: RunningLab) -> Iterator[dict[str, Any]]:
    """The lab's, with Locust on the client host and a bucket on the way there."""
    global _delivered_to
    _delivered_to = f"{lab.home}/lab/home/.cache/chaosdrill/"
    facts = yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
    make: Any = boto3.client
    s3 = make("s3", region_name="ap-northeast-1", endpoint_url=facts["aws"]["endpoint_url"], **lab.keys)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"})
    client = {name: facts["client"][name] for name in ("instance_id", "region")}
    yield {**facts, "client": {**client, "run": "ssm", "s3": f"{BUCKET}/drills"}}
    left = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]
    for key in left:
        s3.delete_object(Bucket=BUCKET, Key=key)
    s3.delete_bucket(Bucket=BUCKET)
    assert not [key for key in left if "answers" in key], "answers do not stay in the bucket"


def without_bucket(topology: dict[str, Any]) -> dict[str, Any]:
    return {**topology, "client": {key: value for key, value in topology["client"].items() if key != "s3"}}


@pytest.fixture
def configuration(topology: dict[str, Any], tmp_path: Path) -> Iterator[dict[str, Any]]:
    path = tmp_path / "topology.yaml"
    path.write_text(yaml.safe_dump(topology))
    made = {"topology": str(path)}
    yield made
    seam.end_load_generator(made)
    wait_for(locusts, lambda seen: not seen, "Locust to be gone")


_delivered_to = ""  # the directory on this lab's client host; other tests' labs have Locusts of their own


def locusts() -> list[psutil.Process]:
    """The processes on this lab's client host that were started there through SSM: keepers and Locusts."""
    return [one for one in psutil.process_iter(["cmdline"]) if _is_delivered(one.info["cmdline"] or [])]


def _is_delivered(command: list[str]) -> bool:
    words = " ".join(command)
    return _delivered_to in words and ("locust.pyz keep" in words or "-m locust" in words)


def keepers() -> list[int]:
    return [one.pid for one in locusts() if "keep" in one.cmdline()]


def script(directory: Path, text: str = SCRIPT) -> Path:
    path = directory / "asking.py"
    path.write_text(text)
    return path


def system(configuration: dict[str, Any]) -> System:
    return system_of(configuration)


def test_it_is_brought_started_asked_changed_and_ended(
    lab: RunningLab, configuration: dict[str, Any], tmp_path: Path
) -> None:
    given = {"configuration": configuration}
    with drill(tmp_path) as one:
        started = start_load(4, 10, locustfile=str(script(tmp_path)), within_s=120, **given)
        assert (started["users"], started["user_classes"]) == (4, ["Asking"])
        assert started["locustfiles"][0].endswith("/asking.py")
        assert failures(window_s=3, min_requests=20, endpoint="/health", **given) == 0
        assert latency_ms(window_s=2, min_requests=1, **given) > 0
        assert change_load(6, 10, within_s=60, **given)["after"]["users"] == 6
        (keeper,) = keepers()

        seam._own.clear()  # as in another process of the same drill
        assert load_health(**given)["users"] == 6
        again = start_load(2, 10, locustfile=str(script(tmp_path)), within_s=120, **given)
        assert again["users"] == 2
        assert keepers() == [keeper], "the one that this run has there is taken"

        stopped = stop_load(**given)
        assert (stopped["done"], stopped["state"]) == (True, "stopped")
        assert locusts() == []
        assert stop_load(**given)["done"] is False
        events = [row["event"] for row in one.history.events()]
    assert "locust-starting" in events
    assert "Locust Test Report" in (tmp_path / "locust-report.html").read_text()
    statistics = json.loads((tmp_path / "locust-statistics.json").read_text())["stats"]
    assert {row["name"] for row in statistics} == {"/health", "Aggregated"}
    assert "Starting Locust" in (tmp_path / "locust.log").read_text()
    assert lab.on_client("ls", ".cache/chaosdrill/load").stdout.split() == ["lock"], "all it left, but for the program"


def test_it_ends_when_nobody_calls_any_more(configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssm_locust, "LEASE_S", 2.0)
    locust = ssm_locust.start_on_host(system(configuration), None)
    wait_for(locusts, lambda seen: not seen, "Locust to end by itself")
    with fails_with("locust-ended") as ended:
        locust.generator().state()
    assert "for 2 s" in str(ended.value), "from its log"


def test_it_ends_with_its_keeper(configuration: dict[str, Any]) -> None:
    locust = ssm_locust.start_on_host(system(configuration), None)
    locust.wait_until_it_answers(60)
    psutil.Process(keepers()[0]).kill()
    wait_for(locusts, lambda seen: not seen, "Locust to end with its keeper")
    with fails_with("locust-ended"):
        locust.generator().state()


def test_it_is_gone_when_it_was_ended_though_its_keeper_hangs(configuration: dict[str, Any]) -> None:
    """As on a host that is too busy to let it end in time."""
    locust = ssm_locust.start_on_host(system(configuration), None)
    locust.wait_until_it_answers(60)
    psutil.Process(keepers()[0]).suspend()
    locust.end()
    assert locusts() == []


def test_a_start_that_was_sent_twice_starts_nothing_after_the_end(
    configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the answer to the command was late: the second one may come when the drill is over."""
    sent: list[dict[str, Any]] = []
    ask = remote_program.Program.ask

    def remember(self: remote_program.Program, command: str, *given: Any, **named: Any) -> Any:
        if command == "start":
            sent.append(named)
        return ask(self, command, *given, **named)

    monkeypatch.setattr(remote_program.Program, "ask", remember)
    locust = ssm_locust.start_on_host(system(configuration), None)
    locust.wait_until_it_answers(60)
    locust.end()
    locust._program.ask("start", 60, **sent[0])
    assert ssm_locust.find_on_host(system(configuration)) is None
    assert locusts() == []


def test_another_runs_locust_is_let_be_while_it_is_called(configuration: dict[str, Any], tmp_path: Path) -> None:
    with drill(tmp_path, "the-first"):
        first = ssm_locust.start_on_host(system(configuration), None)
        first.wait_until_it_answers(60)
    (tmp_path / "other").mkdir()
    with drill(tmp_path / "other", "the-second"):
        with fails_with("client-host-in-use") as refused:
            ssm_locust.start_on_host(system(configuration), None)
        assert "the-first" in str(refused.value)
        with fails_with("locust-not-started"):
            failures(window_s=1, configuration=configuration)
        assert stop_load(configuration=configuration)["done"] is False
    assert first.runs()
    first.end()


def test_a_script_that_does_not_run_is_told_with_locusts_own_words(
    configuration: dict[str, Any], tmp_path: Path
) -> None:
    broken = script(tmp_path, "import not_there_at_all\n")
    with fails_with("locust-ended") as ended:
        start_load(2, 10, locustfile=str(broken), configuration=configuration)
    assert "not_there_at_all" in str(ended.value)
    assert locusts() == []


def test_the_rest_of_a_long_answer_comes_without_a_bucket_too(
    configuration: dict[str, Any], topology: dict[str, Any], tmp_path: Path
) -> None:
    first = ssm_locust.start_on_host(system(configuration), None)  # over S3: as text of commands it takes minutes
    first.wait_until_it_answers(60)
    Path(configuration["topology"]).write_text(yaml.safe_dump(without_bucket(topology)))
    locust = ssm_locust.start_on_host(system(configuration), None)
    assert locust.url == first.url, "the same one"
    assert "Locust Test Report" in locust.generator().report()
    locust.end()


def test_all_of_it_is_brought_as_text_of_commands_where_there_is_no_bucket(
    lab: RunningLab, configuration: dict[str, Any], topology: dict[str, Any]
) -> None:
    lab.on_client("sh", "-c", "rm -rf .cache/chaosdrill/*/")
    Path(configuration["topology"]).write_text(yaml.safe_dump(without_bucket(topology)))
    locust = ssm_locust.start_on_host(system(configuration), None)
    locust.wait_until_it_answers(60)
    locust.end()


def test_a_whole_drill_with_its_load_on_the_client_host(
    lab: RunningLab, topology: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(lab.home))  # where a confirmation is kept
    path = tmp_path / "topology.yaml"
    reached = {**topology["aws"], "config_file": str(lab.home / "lab" / topology["aws"]["config_file"])}
    real = {name: value for name, value in topology.items() if name != "time_scale"}
    path.write_text(yaml.safe_dump({**real, "target": "aws", "aws": reached}))
    confirmation.confirm(path, "try-it.yaml", topology["accounts"][0])
    started = activity("action", "start_load", users=3, spawn_rate_per_s=10, within_s=120)
    what = small_drills.experiment(
        method=[activity("probe", "load_health")],
        rollbacks=[activity("action", "stop_load", undo_of="start-load")],
        steady=[activity("probe", "failures", window_s=3, min_requests=5) | {"tolerance": 0}],
        control={"setup": [started]},
        configuration={"target": "aws", "topology": str(path), "change_ticket": "CHG-1"},
    )
    done = small_drills.Drill(tmp_path, what, **lab.environment).end()
    assert done.verdict == "passed", done.stdout + done.stderr
    outage = done.summary["client_outage"]  # on a busy machine the users themselves may pause
    assert (outage["ended"], [one for one in outage["outages"] if one["failures"]]) == (True, []), done.stdout
    kept = {one.name for one in done.run_directory.iterdir()}
    assert {"locust-report.html", "locust-statistics.json", "locust.log", "timeline.jsonl"} <= kept
    total = json.loads((done.run_directory / "locust-statistics.json").read_text())["stats"][-1]["num_requests"]
    rows = [json.loads(line) for line in (done.run_directory / "timeline.jsonl").read_text().splitlines()]
    assert sum(good + bad for _, good, bad in rows) == total > 0
    assert [row for row in done.events if row["event"] == "watch-failed"] == [], done.run_directory
    assert locusts() == []


def test_the_policy_of_a_topology_with_a_bucket_allows_what_was_done_there_and_no_more(
    lab: RunningLab, configuration: dict[str, Any], tmp_path: Path
) -> None:
    start_load(2, 10, within_s=120, configuration=configuration, standalone=True)
    stop_load(configuration=configuration, standalone=True)
    made = [call for call in lab.aws_calls() if (call["service"], call["by"]) == ("s3", "chaosdrill")]
    policy = json.loads(filled(policy_of("failover"), load_topology(configuration["topology"]), {}))
    ours = [one for one in policy["Statement"] if "s3:" in json.dumps(one["Action"])]
    text = json.dumps({"Statement": ours})
    assert not_allowed(text, wanted(made)) == []
    assert not_done(text, wanted(made)) == []


def activity(kind: str, func: str, **arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": f"chaosdrill.load.{kind}s", "func": func, "arguments": arguments}
    return {"type": kind, "name": func.replace("_", "-"), "provider": provider}
