"""The job that docs/comparing.md gives for a pipeline: its own commands, night after night, on made-up drills."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "comparing.md"
# in the place of Chaos Toolkit: a drill of a moment, with the recovery time and the verdict that the night is to have
DRILL = """#!{python}
import sys
sys.path.insert(0, {repository!r})
from pathlib import Path
from tests.compared_runs import judgement, write_run
assert sys.argv[1:] == ["run", "experiments/failover.yaml"], sys.argv
told = judgement({recovery_s}, lost_writes_after_failover={{"value": {lost}, "unit": "writes", "how": "",
                 "resolution": 1.0, "uncertainty": 0.0}})
write_run(Path({runs!r}), "202605{night:02}T020000Z-failover-0000", verdict={verdict!r}, judgement=told)
sys.exit({verdict!r} != "passed")
"""


def job() -> dict[str, Any]:
    (written,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(written)["jobs"]["nightly-drill"]
    return found


class Nights:
    """The job's own step, run by bash with the drill replaced."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._runs, self._night = directory, directory / "runs", 0
        self.script = next(step["run"] for step in job()["steps"] if step.get("name") == "drill and gate")

    def one(self, recovery_s: float | None, verdict: str = "passed", lost: float = 0.0) -> tuple[int, str]:
        self._night += 1
        chaos = self._directory / "bin" / "chaos"
        chaos.parent.mkdir(exist_ok=True)
        chaos.write_text(
            DRILL.format(
                python=sys.executable, repository=str(REPOSITORY), runs=str(self._runs), night=self._night,
                recovery_s=recovery_s, verdict=verdict, lost=lost,
            )
        )  # fmt: skip
        chaos.chmod(0o755)
        path = os.pathsep.join([str(chaos.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "CHAOSDRILL_RUNS": str(self._runs)}
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", self.script], env=environment, capture_output=True, text=True
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert (self._runs / "trend.html").exists() or recovery_s is None
        return done.returncode, done.stdout


@pytest.mark.long
def test_the_documented_job_holds_each_night_against_the_last_that_passed(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    code, said = nights.one(9.3)
    assert (code, re.findall(r"baseline: (\S+)", said)) == (2, ["none"]), said
    assert nights.one(9.9)[0] == 0
    code, said = nights.one(20.0)
    assert (code, "recovery_time_s.change <= 3 s" in said) == (1, True), said
    assert nights.one(9.5, "failed")[0] == 1
    code, said = nights.one(20.1)  # against the third night, which passed as a drill
    assert (code, "baseline: 20260503T020000Z-failover-0000" in said) == (0, True), said
    assert nights.one(None)[0] == 2
    assert nights.one(12.0, lost=2.0)[0] == 1


def test_the_job_keeps_the_runs_as_they_were_and_as_an_artifact() -> None:
    found = job()
    assert found["env"]["CHAOSDRILL_RUNS"].endswith("/runs")
    kept = [step["with"]["path"] for step in found["steps"] if "with" in step and "path" in step["with"]]
    assert kept == ["runs", "runs"]
    assert (REPOSITORY / "experiments" / "failover.yaml").exists()
