"""The commands about topologies, as a user types them, on the whole lab."""

import json
from pathlib import Path

import yaml

from tests.contract.activities_rig import OSAKA, TOKYO
from tests.running_lab import RunningLab

DISCOVER = f"chaosdrill topology discover --profile chaosdrill-lab --home {TOKYO} --standby {OSAKA}"
# what discovery cannot know: it reads an account, and these belong to the machine that asks, or to a lab alone
LAB_ONLY = ("target", "aws", "dns", "packet_loss", "heartbeat", "time_scale")


def test_the_lab_is_discovered_as_it_describes_itself(lab: RunningLab) -> None:
    done = lab.shell(DISCOVER)
    assert done.stderr.endswith("complete\n")
    found, own = yaml.safe_load(done.stdout), yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
    own["client"]["url"] = "http://127.0.0.1:8089"  # nor where Locust's page is
    assert {key: found[key] for key in own if key not in LAB_ONLY} == {k: own[k] for k in own if k not in LAB_ONLY}
    assert set(found) - set(own) == set()


def test_every_part_of_the_lab_can_be_read(lab: RunningLab) -> None:
    table = lab.shell("chaosdrill topology check").stdout
    assert "all 18 are well" in table
    seen = json.loads(lab.shell("chaosdrill topology check --json").stdout)
    assert all(row["ok"] for row in seen)
    generator = next(row for row in seen if row["what"].startswith("Locust"))
    assert "chaosdrill's plugin" in generator["value"]


def test_what_was_discovered_is_as_readable_as_the_lab_s_own(lab: RunningLab, tmp_path: Path) -> None:
    path = tmp_path / "found.yaml"
    lab.shell(f"{DISCOVER} --output {path}")
    own = yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
    completed = {**yaml.safe_load(path.read_text()), "dns": own["dns"], "client": own["client"]}
    path.write_text(yaml.safe_dump(completed))
    assert "all 18 are well" in lab.shell(f"chaosdrill topology check {path}").stdout
