"""A whole drill that starts its own Locust: ``load_generator: {run: local}``."""

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

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def lab_home(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(lab.home))  # where a confirmation is kept


def own_locust(lab: RunningLab, path: Path) -> Path:
    """The lab's topology as that of a real system whose drill starts its own Locust."""
    topology = yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
    topology["aws"]["config_file"] = str(lab.home / "lab" / topology["aws"]["config_file"])
    del topology["time_scale"]
    path.write_text(yaml.safe_dump({**topology, "target": "aws", "load_generator": {"run": "local"}}))
    confirmation.confirm(path, "try-it.yaml", topology["accounts"][0])
    return path


def load(kind: str, func: str, **arguments: Any) -> dict[str, Any]:
    module = f"chaosdrill.load.{kind}s"
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
            steady=[load("probe", "failures", window_s=1, min_requests=10, endpoint="/call") | {"tolerance": 0}],
            control={"setup": [started]},
            configuration={
                "target": "aws",
                "topology": str(own_locust(lab, tmp_path / "topology.yaml")),
                "change_ticket": "CHG-1",
            },
        )
        done = small_drills.run(tmp_path, what, **lab.environment)
    assert done.verdict == "passed", done.stdout + done.stderr
    assert done.said("client outage").startswith("0.0 s"), done.stdout
    kept = {path.name for path in done.run_directory.iterdir()}
    assert {"locust-report.html", "locust-statistics.json", "locust.log", "timeline.jsonl"} <= kept
    total = json.loads((done.run_directory / "locust-statistics.json").read_text())["stats"][-1]["num_requests"]
    rows = [json.loads(line) for line in (done.run_directory / "timeline.jsonl").read_text().splitlines()]
    assert sum(good + bad for _, good, bad in rows) == total > 0
    assert [row for row in done.events if row["event"] == "watch-failed"] == []
    assert [one for one in psutil.process_iter(["cmdline"]) if str(script) in " ".join(one.info["cmdline"] or ())] == []
