"""What a drill asks of AWS, by the lab's log of calls: as little as it must, and nothing that its policy forbids."""

import functools
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosdrill.cli.iam import configuration_of, filled, policy_of
from chaosdrill.lab import wire
from chaosdrill.lab.plan import HOME, STANDBY
from chaosdrill.topology import load_topology
from tests import drills
from tests.iam_policy import ACCOUNT, Wanted, not_allowed, not_done, wanted
from tests.running_lab import RunningLab

pytestmark = pytest.mark.long

Calls = list[dict[str, Any]]
WINDOW_S = 9.9  # eleven looks that are a second apart do not fit into it, however a call or two came late
MOST_IN_IT = 10

Trouble = Callable[[RunningLab], object]


def halfway(lab: RunningLab) -> None:
    """The failover, and then the failback, cannot move the database: a rollback opens a stop flag by itself."""
    lab.run("lab", "break", "aws", "rds", "server-error", "--operation", "FailoverGlobalCluster", "--everyone")


def home_is_down_and_the_failover_ends_halfway(lab: RunningLab) -> None:
    """Clients do not recover, so that a rollback fails over, and another one back."""
    lab.call("application.run", region=HOME.name, running=False)
    halfway(lab)


def home_is_up_again(lab: RunningLab) -> None:
    """Else the drill would wait long for clients to recover."""
    lab.call("application.run", region=HOME.name, running=True)


@dataclass(frozen=True)
class Run:
    """One drill: what happens to it when it says some words, in this order, and which steps must fail then; without
    any, every step must succeed. What clients and measurements make of it is not judged here.

    :param begins_in: makes it a drill on target aws: the lab that stands in for AWS is there, with this region serving,
        and the drill was rehearsed. Otherwise the drill starts its own lab.
    :param made_ahead: the rehearsal before it makes the template of its fault.
    """

    troubles: tuple[tuple[str, Trouble], ...] = ()
    failing: frozenset[str] = frozenset()
    variables: tuple[str, ...] = ()
    begins_in: str = ""
    made_ahead: bool = False


BEGUN = "Action: start-load"
CLEAR = (drills.CLEAR,)
# Together an experiment's drills make every change that its policy allows. To add one, write experiments/iam/NAME.json
# and its drills here; what the test then says is what the policy lacks.
DRILLS: dict[str, tuple[Run, ...]] = {
    "failover.yaml": (
        Run(variables=CLEAR, begins_in=HOME.name, made_ahead=True),
        Run(((BEGUN, halfway),), frozenset({"fail-over", "fail-back"}), CLEAR),
    ),
    "failback.yaml": (
        Run(begins_in=STANDBY.name),
        Run(((BEGUN, halfway),), frozenset({"fail-back", "fail-over-again"})),
    ),
    "packet-loss.json": (
        Run(variables=CLEAR, begins_in=HOME.name),
        Run(
            (
                ("Action: heal-packet-loss", home_is_down_and_the_failover_ends_halfway),
                ("Rollback: fail-over-when", home_is_up_again),
            ),
            frozenset({"fail-over-when-clients-have-not-recovered"}),  # it opens home again, so that is left to nobody
            CLEAR,
        ),
    ),
    "auto-failover.yaml": (
        Run(begins_in=HOME.name),
        Run(((BEGUN, halfway),), frozenset({"automatic-failover", "fail-back"})),
    ),
    "region-loss.yaml": (Run(begins_in=HOME.name),),
}


@dataclass(frozen=True)
class Recorded:
    """The calls of a drill and of its rehearsals, the target it ran on, and the topology of its lab."""

    calls: Calls
    rehearsals: Calls
    target: str
    topology: Path

    def asked(self, calls: Calls) -> set[Wanted]:
        return wanted(calls, yaml.safe_load(self.topology.read_text()))

    def policy(self, experiment: str) -> str:
        configuration = configuration_of(str(drills.EXPERIMENTS / experiment))
        return filled(policy_of(Path(experiment).stem), load_topology(self.topology), configuration)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Recorded]]:
    """Runs the drills of an experiment, once, at the same time: mostly they wait, each on a lab of its own."""

    def run_one(experiment: str, one: Run, directory: Path) -> Recorded:
        lab, path = RunningLab(directory / "home"), drills.EXPERIMENTS / experiment
        if not one.begins_in:
            calls, target = calls_of(lab, directory, path, one, *drills.QUICK)
            return Recorded(calls, [], target, directory / "topology.yaml")
        with taken_for_aws(lab, directory, one.begins_in) as given:
            variables = (*given, *one.variables)
            ahead = ["--make-template"] if one.made_ahead else []
            rehearse(lab, path, *variables, more=["--confirm", ACCOUNT, *ahead])
            before = calls_by_now(lab)
            calls, target = calls_of(lab, directory, path, one, *given)
            rehearse(lab, path, *variables)  # now FIS has a template to preview
            rehearsed = before + calls_by_now(lab)[len(calls) :]
        return Recorded(calls[len(before) :], rehearsed, target, directory / "topology.yaml")

    @functools.cache
    def run(experiment: str) -> list[Recorded]:
        directories = [tmp_path_factory.mktemp(Path(experiment).stem) for _ in DRILLS[experiment]]
        with ThreadPoolExecutor() as pool:
            return list(pool.map(functools.partial(run_one, experiment), DRILLS[experiment], directories))

    return run


STARTS = """\
import sys
from chaosdrill.lab import host
host.attach_or_start(float(sys.argv[1]), detached=True, starts_in=sys.argv[2], resync_s=30).close()
"""


@contextmanager
def taken_for_aws(lab: RunningLab, directory: Path, begins_in: str) -> Iterator[list[str]]:
    """A lab whose topology says that it is AWS.

    :returns: the variables of a drill there.
    """
    scale, *short = drills.QUICK
    starts = [sys.executable, "-c", STARTS, scale.partition("=")[2], begins_in]
    subprocess.run(starts, env=lab.environment, check=True)
    try:
        topology = yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
        del topology["time_scale"]
        (directory / "aws.yaml").write_text(yaml.safe_dump({**topology, "target": "aws"}))
        yield [*short, "target:str=aws", f"topology:str={directory / 'aws.yaml'}", "change_ticket:str=CHG-1"]
    finally:
        lab.down()


def rehearse(lab: RunningLab, experiment: Path, *variables: str, more: Sequence[str] = ()) -> None:
    """Only one that confirms must find nothing in the way: after a failback the standby does not serve any more."""
    given = [part for variable in variables for part in ("--var", variable)]
    lab.run("rehearse", str(experiment), *given, *more, check="--confirm" in more)


def calls_by_now(lab: RunningLab) -> Calls:
    return [call for call in lab.aws_calls() if call["by"] == "chaosdrill"]


def calls_of(lab: RunningLab, directory: Path, experiment: Path, one: Run, *variables: str) -> tuple[Calls, str]:
    """Run a drill on its lab, which a lease of ours keeps until its log was read.

    :returns: all calls by then, and the target that the drill ran on.
    """
    with drills.start(lab, directory, *variables, *one.variables, experiment=experiment) as drill:
        drills.read_until(drill, BEGUN)
        with wire.Connection(lab.home / "lab" / "control.sock") as lease:
            lease.call("lease")
            for words, trouble in one.troubles:
                if words != BEGUN:
                    drills.read_until(drill, words)
                trouble(lab)
            said, _ = drill.communicate(timeout=400)
            failed = went_wrong(lab)
            assert one.failing <= failed if one.failing else not failed, said
            shutil.copy(lab.home / "lab" / "topology.yaml", directory)
            return calls_by_now(lab), drills.summary(lab)["target"]


def went_wrong(lab: RunningLab) -> set[str]:
    """The steps that failed, or did not see what they must."""
    ended = {row["activity"]: row for row in drills.history(lab) if row["event"] == "activity-ended"}
    return {name for name, row in ended.items() if row["status"] != "succeeded" or row["tolerance_met"] is False}


def most_in_a_window(times: list[float]) -> int:
    return max(sum(begin <= time < begin + WINDOW_S for time in times) for begin in times)


def test_a_drill_asks_about_each_resource_at_most_once_a_second(recorded: Any) -> None:
    calls = recorded("failover.yaml")[0].calls
    looks = [call for call in calls if call["service"] != "ssm"]  # commands: what the experiment asks for, not polling
    of_resource: dict[tuple[str, ...], list[float]] = {}
    for call in looks:
        region = call["region"] if call["service"] != "route53-recovery-cluster" else "any endpoint"
        of_resource.setdefault((call["service"], region, call["operation"], call["resource"]), []).append(call["at_s"])
    most = {key: most_in_a_window(times) for key, times in of_resource.items()}
    assert {key: count for key, count in most.items() if count > MOST_IN_IT} == {}
    seconds = calls[-1]["at_s"] - calls[0]["at_s"]
    assert len(calls) / seconds < 10, Counter(call["operation"] for call in calls)


def test_every_experiment_has_a_policy_and_drills_that_prove_it() -> None:
    shipped = {path.name for path in drills.EXPERIMENTS.iterdir() if path.is_file()}
    assert shipped == set(DRILLS)
    assert {path.stem for path in (drills.EXPERIMENTS / "iam").iterdir()} == {Path(name).stem for name in shipped}


@pytest.mark.parametrize("experiment", DRILLS)
def test_a_policy_is_what_the_drills_need_and_allows_no_other_change(recorded: Any, experiment: str) -> None:
    made: list[Recorded] = recorded(experiment)
    for drill in made:
        assert not_allowed(drill.policy(experiment), drill.asked(drill.calls + drill.rehearsals)) == []
    assert (
        not_done(made[0].policy(experiment), set[Wanted]().union(*(drill.asked(drill.calls) for drill in made))) == []
    )


@pytest.mark.parametrize("experiment", DRILLS)
def test_the_same_file_runs_on_aws_too(recorded: Any, experiment: str) -> None:
    """Where every step must succeed: see ``Run``."""
    assert "aws" in [drill.target for drill in recorded(experiment)]


def test_a_drill_uses_the_template_that_its_rehearsal_has_made(recorded: Any) -> None:
    """That the policy allows it, the test of the policies says."""
    made: Recorded = recorded("failover.yaml")[0]
    asked = [call["operation"] for call in made.rehearsals]
    assert [asked.count(name) for name in ("CreateRole", "PutRolePolicy", "CreateExperimentTemplate")] == [0, 0, 1]
    assert asked.count("StartExperiment") == asked.count("ListExperimentResolvedTargets") == 2, "before and after"
    drilled = [call["operation"] for call in made.calls]
    assert drilled.count("StartExperiment") == 1
    assert not {"CreateRole", "PutRolePolicy", "CreateExperimentTemplate"} & set(drilled)


def test_a_rehearsal_asks_fis_for_a_preview_as_soon_as_there_is_a_template(recorded: Any) -> None:
    for experiment in ("packet-loss.json", "region-loss.yaml"):
        asked = [call["operation"] for call in recorded(experiment)[0].rehearsals]
        assert asked.count("StartExperiment") == asked.count("ListExperimentResolvedTargets") == 1


def test_the_command_prints_it_for_a_topology(recorded: Any, tmp_path: Path) -> None:
    made: Recorded = recorded("failover.yaml")[0]
    chaosdrill = RunningLab(tmp_path / "home")
    printed = chaosdrill.run("iam", "experiments/failover.yaml", "--topology", str(made.topology)).stdout
    assert printed.strip() == made.policy("failover.yaml")
    assert "<" not in printed
    refused = chaosdrill.run("iam", "nobody", "--topology", str(made.topology), check=False)
    assert refused.returncode == 1
    assert "no policy for the experiment 'nobody': there are auto-fail" in refused.stderr
