"""Whole drills that start their own Locust or heartbeat on this machine: ``run: local``."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from chaosdrill.controls import confirmation
from tests import small_drills
from tests.contract import load_rig
from tests.running_lab import RunningLab

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def lab_home(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(lab.home))  # where a confirmation is kept


def own(lab: RunningLab, path: Path, run: str = "attach", **parts: Any) -> Path:
    """The lab's topology as that of a real system, with some parts of it otherwise.

    :param run: how load comes from it.
    """
    topology = yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
    topology["aws"]["config_file"] = str(lab.home / "lab" / topology["aws"]["config_file"])
    del topology["time_scale"]
    if run != "attach":
        topology["client"] = {**topology["client"], "run": run}
        del topology["client"]["url"]
    path.write_text(yaml.safe_dump({**topology, "target": "aws", **parts}))
    confirmation.confirm(path, "try-it.yaml", topology["accounts"][0])
    return path


def load(kind: str, func: str, part: str = "load", **arguments: Any) -> dict[str, Any]:
    module = f"chaosdrill.{part}.{kind}s"
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": kind, "name": func.replace("_", "-"), "provider": provider}


def test_a_drill_starts_watches_and_ends_its_own_locust(lab: RunningLab, tmp_path: Path) -> None:
    script = load_rig.script(tmp_path, load_rig.TWO_CLASSES)
    with load_rig.target() as server:
        started = load("action", "start_load", users=3, spawn_rate_per_s=10, host=server.url, locustfile=str(script))
        healthy = {"type": "regex", "target": "summary", "pattern": "^as meant$"}
        what = small_drills.experiment(
            method=[
                load("action", "change_load", users=5, spawn_rate_per_s=10),
                load("probe", "load_health") | {"tolerance": healthy},
            ],
            rollbacks=[load("action", "stop_load", undo_of="start-load")],
            steady=[load("probe", "failures", window_s=1, min_requests=1, endpoint="/call") | {"tolerance": 0}],
            control={"setup": [started]},
            configuration={
                "target": "aws",
                "topology": str(own(lab, tmp_path / "topology.yaml", run="local")),
                "change_ticket": "CHG-1",
            },
        )
        done = small_drills.run(tmp_path, what, **lab.environment)
    assert done.verdict == "passed", done.stdout + done.stderr
    assert done.summary["client_outage"]["seconds"] is not None, done.stdout
    kept = {path.name for path in done.run_directory.iterdir()}
    assert {"locust-report.html", "locust-statistics.json", "locust.log", "timeline.jsonl"} <= kept
    total = json.loads((done.run_directory / "locust-statistics.json").read_text())["stats"][-1]["num_requests"]
    rows = [json.loads(line) for line in (done.run_directory / "timeline.jsonl").read_text().splitlines()]
    assert sum(good + bad for _, good, bad in rows) == total > 0
    assert [row for row in done.events if row["event"] == "watch-failed"] == []
    assert [one for one in psutil.process_iter(["cmdline"]) if str(script) in " ".join(one.info["cmdline"] or ())] == []


def test_a_drill_starts_hears_and_ends_its_own_heartbeat(lab: RunningLab, tmp_path: Path) -> None:
    heartbeat = {"run": "local", "rate_per_s": 50, "read": {"method": "GET", "path": "/call"}}
    with load_rig.target() as server:
        begin = load("action", "start_heartbeat", "heartbeat", host=server.url)
        what = small_drills.experiment(
            method=[load("action", "stop_heartbeat", "heartbeat", recovery_within_s=20)],
            rollbacks=[],
            steady=[],
            control={"setup": [begin]},
            configuration={
                "target": "aws",
                "topology": str(own(lab, tmp_path / "topology.yaml", heartbeat=heartbeat)),
                "change_ticket": "CHG-1",
            },
        )
        done = small_drills.run(tmp_path, what, **lab.environment)
    assert done.verdict == "passed", done.stdout + done.stderr
    assert done.summary["judgement"]["figures"]["availability"]["value"] > 0.9, done.stdout  # not each in time
    answer = next(row["output"] for row in done.events if row.get("activity") == "stop-heartbeat" and "output" in row)
    assert answer["recovered"] is True
    stored = next(row for row in done.events if row["event"] == "records-stored" and row["file"] == "beats.parquet")
    assert stored["rows"] == answer["sent"]["read"] > 100
    ours = [
        one
        for one in psutil.process_iter(["cmdline", "environ"])
        if "chaosdrill.heartbeat" in (one.info["cmdline"] or ())
    ]
    assert [one for one in ours if str(lab.home) in (one.info["environ"] or {}).get("CHAOSDRILL_HOME", "")] == []


def test_a_topology_that_says_nothing_of_a_heartbeat_is_refused_before_anything_is_touched(
    lab: RunningLab, tmp_path: Path
) -> None:
    silent = own(lab, tmp_path / "topology.yaml", heartbeat=None)
    silent.write_text(silent.read_text().replace("heartbeat: null\n", ""))
    confirmation.confirm(silent, "try-it.yaml", "123456789012")
    what = small_drills.experiment(
        method=[load("action", "stop_heartbeat", "heartbeat")],
        control={"setup": [load("action", "start_load"), load("action", "start_heartbeat", "heartbeat")]},
        configuration={"target": "aws", "topology": str(silent), "change_ticket": "CHG-1"},
    )
    done = small_drills.run(tmp_path, what, **lab.environment)
    assert done.verdict == "refused", done.stdout + done.stderr
    assert small_drills.error_codes(done) == ["heartbeat-missing"]
    assert "`heartbeat:`" in done.stdout + done.stderr, "what to add"
    assert [row for row in done.events if row["event"] == "activity-started"] == []
