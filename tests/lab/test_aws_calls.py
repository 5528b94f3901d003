"""What a drill asks of AWS, by the lab's log of calls: as little as it must, and nothing that its policy forbids."""

import functools
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosdrill.cli.iam import filled, policy_of
from chaosdrill.lab import wire
from chaosdrill.topology import load_topology
from tests import drills
from tests.contract.lab_aws import get
from tests.iam_policy import Wanted, not_allowed, not_done, wanted
from tests.running_lab import RunningLab

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

Calls = list[dict[str, Any]]
WINDOW_S = 10.0
MOST_A_SECOND = 1.5  # of one operation on one resource, over 10 s: a watch each second, and a step that looks, too

# What is done to a drill, and its verdict. Together an experiment's drills make every change that its policy allows. To
# add one, write experiments/iam/NAME.json and its drills here; what the test then says is what the policy lacks.
HALFWAY = ("rds", "server-error", "--operation", "FailoverGlobalCluster", "--everyone")  # a rollback opens a stop flag
DRILLS: dict[str, dict[tuple[str, ...], str]] = {
    "failover": {(): "passed", HALFWAY: "failed"},
    "failback": {(): "passed", HALFWAY: "failed"},
}


@dataclass(frozen=True)
class Recorded:
    """The calls of a drill, and the topology of its lab."""

    calls: Calls
    topology: Path

    @property
    def asked(self) -> set[Wanted]:
        return wanted(self.calls, yaml.safe_load(self.topology.read_text()))

    def policy(self, experiment: str) -> str:
        return filled(policy_of(experiment), load_topology(self.topology))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Recorded]]:
    """Runs the drills of an experiment, once."""

    @functools.cache
    def run(experiment: str) -> list[Recorded]:
        found = []
        for broken, verdict in DRILLS[experiment].items():
            directory = tmp_path_factory.mktemp(experiment)
            calls = calls_of(RunningLab(directory / "home"), directory, experiment, broken, verdict)
            found.append(Recorded(calls, directory / "topology.yaml"))
        return found

    return run


def calls_of(lab: RunningLab, directory: Path, experiment: str, broken: tuple[str, ...], verdict: str) -> Calls:
    """Run a drill on a lab of its own, which a lease of ours keeps until its log was read."""
    with drills.start(lab, directory, *drills.QUICK, experiment=drills.EXPERIMENTS / f"{experiment}.yaml") as drill:
        drills.read_until(drill, "Action: start-load")
        with wire.Connection(lab.home / "lab" / "control.sock") as lease:
            lease.call("lease")
            if broken:
                lab.run("lab", "break", "aws", *broken)
            said, _ = drill.communicate(timeout=170)
            assert drills.summary(lab)["verdict"] == verdict, said
            shutil.copy(lab.home / "lab" / "topology.yaml", directory)
            port = lab.status()["ports"]["aws"]
            found = get(f"http://127.0.0.1:{port}/chaosdrill/calls")[1]["calls"]
    return [call for call in found if call["by"] == "chaosdrill"]


def most_in_a_window(times: list[float]) -> int:
    return max(sum(begin <= time < begin + WINDOW_S for time in times) for begin in times)


def test_a_drill_polls_each_resource_about_once_a_second(recorded: Any) -> None:
    calls = recorded("failover")[0].calls
    looks = [call for call in calls if call["service"] != "ssm"]  # commands: what the experiment asks for, not polling
    of_resource: dict[tuple[str, ...], list[float]] = {}
    for call in looks:
        region = call["region"] if call["service"] != "route53-recovery-cluster" else "any endpoint"
        of_resource.setdefault((call["service"], region, call["operation"], call["resource"]), []).append(call["at_s"])
    most = {key: most_in_a_window(times) for key, times in of_resource.items()}
    assert {key: count for key, count in most.items() if count > MOST_A_SECOND * WINDOW_S} == {}
    seconds = calls[-1]["at_s"] - calls[0]["at_s"]
    each = {key: round(len(times) / seconds, 2) for key, times in of_resource.items()}
    assert max(each.values()) < 1.25, each
    assert len(calls) / seconds < 10, Counter(call["operation"] for call in calls)


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (drills.EXPERIMENTS / "iam").iterdir()))
def test_a_policy_is_what_the_drills_need_and_allows_no_other_change(recorded: Any, experiment: str) -> None:
    made: list[Recorded] = recorded(experiment)
    assert [found for drill in made for found in not_allowed(drill.policy(experiment), drill.asked)] == []
    assert not_done(made[0].policy(experiment), set[Wanted]().union(*(drill.asked for drill in made))) == []


def test_the_command_prints_it_for_a_topology(recorded: Any, tmp_path: Path) -> None:
    made: Recorded = recorded("failover")[0]
    chaosdrill = RunningLab(tmp_path / "home")
    printed = chaosdrill.run("iam", "experiments/failover.yaml", "--topology", str(made.topology)).stdout
    assert printed.strip() == made.policy("failover")
    assert "<" not in printed
    refused = chaosdrill.run("iam", "nobody", "--topology", str(made.topology), check=False)
    assert refused.returncode == 1
    assert "no policy for the experiment 'nobody': there are fail" in refused.stderr
