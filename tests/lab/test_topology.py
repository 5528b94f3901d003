"""The commands about topologies, as a user types them, on the whole lab."""

import json
from pathlib import Path

import pytest
import yaml

from tests.contract.activities_rig import OSAKA, TOKYO
from tests.running_lab import RunningLab

DISCOVER = f"chaosdrill topology discover --profile chaosdrill-lab --home {TOKYO} --standby {OSAKA}"
# what belongs to a lab alone, and the table that discovery leaves to whoever drills
LAB_ONLY = ("target", "aws", "packet_loss", "time_scale", "coordination")


@pytest.mark.long
def test_the_lab_is_discovered_as_it_describes_itself(lab: RunningLab, tmp_path: Path) -> None:
    """What no account knows is left to fill in; the recipe that is printed fills it in."""
    path = tmp_path / "found.yaml"
    done = lab.shell(f"{DISCOVER} --output {path}", check=False)
    assert done.returncode == 1, done.stderr
    recipe = done.stderr.splitlines()[-1].partition("fill them in: ")[2]
    lab.shell(recipe)
    found, own = yaml.safe_load(path.read_text()), yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
    for one in (found, own):
        del one["client"]["url"]  # Locust's own port may be that of another lab on this machine
    assert {key: found[key] for key in own if key not in LAB_ONLY} == {k: own[k] for k in own if k not in LAB_ONLY}
    assert set(found) - set(own) == set()
    assert lab.shell(f"chaosdrill topology check {path}", check=False).returncode == 0


@pytest.mark.long
def test_every_part_of_the_lab_can_be_read(lab: RunningLab) -> None:
    assert lab.shell("chaosdrill topology check", check=False).returncode == 0
    seen = json.loads(lab.shell("chaosdrill topology check --json").stdout)
    assert all(row["ok"] for row in seen)
    generator = next(row for row in seen if row["what"].startswith("Locust"))
    assert "plugin" in generator["value"]


@pytest.mark.long
def test_the_settlement_of_writes_is_flat_and_is_not_with_a_slow_worker(lab: RunningLab) -> None:
    command = "chaosdrill topology check --conformance --settlement 10 --json"

    def settlement() -> dict[str, str]:
        rows = json.loads(lab.shell(command, check=False).stdout)
        (found,) = [row for row in rows if row["subject"].startswith("settlement")]
        return dict(found)

    found = settlement()
    assert found["state"] == "as assumed", found
    lab.run("lab", "break", "worker-slow", "--seconds", "0.5")
    try:
        found = settlement()
    finally:
        lab.run("lab", "break", "--clear")
    assert found["state"] == "differs", found
    lab.shell("chaosdrill topology check")  # and leaves nothing on the client host that disturbs
