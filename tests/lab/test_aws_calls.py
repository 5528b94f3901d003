"""Every experiment as a whole drill: how it ends, and, by the lab's log of calls, what it asks of AWS: as little as it
must, and nothing that its policy forbids. What else may happen to them is in ``test_experiments``.
"""

import functools
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosdrill.experiment_files import configuration_of
from chaosdrill.lab import control_socket
from chaosdrill.lab.plan import HOME, STANDBY
from chaosdrill.policies import filled, policy_of
from chaosdrill.topology import load_topology
from tests import drills
from tests.iam_policy import ACCOUNT, Wanted, not_allowed, not_done, wanted
from tests.running_lab import RunningLab

pytestmark = pytest.mark.long

Calls = list[dict[str, Any]]
WINDOW_S = 9.9  # eleven looks that are a second apart do not fit into it, however a call or two came late
MOST_IN_IT = 10
# what the preflight reads once beside that, by service: each endpoint of the cluster, each statement of the policy
ONCE = {"route53-recovery-cluster": 5, "iam": 30}
TABLE = "chaosdrill-coordination"  # is written once a second to renew the lease, and for each owed undo
SERVED_BY_HOME, SERVED_BY_STANDBY = f"serving({HOME.name})", f"serving({STANDBY.name})"

Trouble = Callable[[RunningLab], object]


def halfway(lab: RunningLab) -> None:
    """The failover, and then the failback, cannot move the database: a rollback opens a stop flag by itself, as it
    would after the failover of any experiment.
    """
    lab.run("lab", "break", "aws", "rds", "server-error", "--operation", "FailoverGlobalCluster", "--everyone")


@dataclass(frozen=True)
class Run:
    """One drill: what happens once its load runs, and which steps must fail then; without any, every step must succeed,
    and the drill must pass.

    :param begins_in: makes it a drill on target aws: the lab that stands in for AWS is there, with this region serving,
        and the drill was rehearsed. Otherwise the drill starts its own lab.
    :param made_ahead: the rehearsal before it makes the template of its fault.
    """

    trouble: Trouble | None = None
    failing: frozenset[str] = frozenset()
    variables: tuple[str, ...] = ()
    begins_in: str = ""
    made_ahead: bool = False


BEGUN = "Action: start-load"
CLEAR = (drills.CLEAR,)
# Together an experiment's drills make every change that its policy allows; what a failover that ends halfway needs, the
# second drill of failover.yaml shows for every experiment. To add one, write experiments/iam/NAME.json and its drills
# here; what the test then says is what the policy lacks.
DRILLS: dict[str, tuple[Run, ...]] = {
    "failover.yaml": (
        Run(variables=CLEAR, begins_in=HOME.name, made_ahead=True),
        Run(halfway, frozenset({"fail-over", "fail-back"}), CLEAR),
    ),
    "failback.yaml": (Run(begins_in=STANDBY.name),),
    "packet-loss.json": (Run(variables=CLEAR, begins_in=HOME.name),),
    "auto-failover.yaml": (Run(begins_in=HOME.name),),
    "region-loss.yaml": (Run(begins_in=HOME.name),),
}


@dataclass(frozen=True)
class Recorded:
    """The calls of a drill and of its rehearsals, and the topology and the home of its lab."""

    calls: Calls
    rehearsals: Calls
    topology: Path
    lab: RunningLab

    def asked(self, calls: Calls) -> set[Wanted]:
        return wanted(calls)

    def policy(self, experiment: str) -> str:
        configuration = configuration_of(str(drills.EXPERIMENTS / experiment))
        return filled(policy_of(Path(experiment).stem), load_topology(self.topology), configuration)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], list[Recorded]]]:
    """Runs the drills of an experiment, once, at the same time: mostly they wait, each on a lab of its own."""
    pool = ThreadPoolExecutor()

    def run_one(experiment: str, one: Run, directory: Path) -> Recorded:
        lab, path = RunningLab(directory / "home"), drills.EXPERIMENTS / experiment
        if not one.begins_in:
            calls = calls_of(lab, directory, path, one, *drills.QUICK)
            return Recorded(calls, [], directory / "topology.yaml", lab)
        with taken_for_aws(lab, directory, path, one.begins_in) as given:
            variables = (*given, *one.variables)
            ahead = ["--make-template"] if one.made_ahead else []
            rehearse(lab, path, *variables, more=["--confirm", ACCOUNT, *ahead])
            before = calls_by_now(lab)
            calls = calls_of(lab, directory, path, one, *given)
            rehearse(lab, path, *variables)  # now FIS has a template to preview
            rehearsed = before + calls_by_now(lab)[len(calls) :]
        return Recorded(calls[len(before) :], rehearsed, directory / "topology.yaml", lab)

    @functools.cache
    def begun(experiment: str) -> list[Future[Recorded]]:
        name = Path(experiment).stem
        return [pool.submit(run_one, experiment, one, tmp_path_factory.mktemp(name)) for one in DRILLS[experiment]]

    def run(experiment: str) -> list[Recorded]:
        return [one.result() for one in begun(experiment)]  # one that failed fails every test of it, and runs once

    with pool:
        yield run


STARTS = """\
import sys
from chaosdrill.lab import host
host.attach_or_start(float(sys.argv[1]), detached=True, starts_in=sys.argv[2], resync_s=30).close()
"""


@contextmanager
def taken_for_aws(lab: RunningLab, directory: Path, experiment: Path, begins_in: str) -> Iterator[list[str]]:
    """A lab whose topology says that it is AWS, and whose user has the printed policy and no other permission.

    :returns: the variables of a drill there.
    """
    scale, *short = drills.QUICK
    starts = [sys.executable, "-c", STARTS, scale.partition("=")[2], begins_in]
    subprocess.run(starts, env=lab.environment, check=True)
    try:
        topology = yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
        del topology["time_scale"]
        (directory / "aws.yaml").write_text(yaml.safe_dump({**topology, "target": "aws"}))
        policy = lab.run("iam", str(experiment), "--topology", str(directory / "aws.yaml")).stdout
        (directory / "policy.json").write_text(policy)
        lab.run("lab", "policy", str(directory / "policy.json"))
        yield [*short, "target:str=aws", f"topology:str={directory / 'aws.yaml'}", "change_ticket:str=CHG-1"]
    finally:
        lab.down()


def rehearse(lab: RunningLab, experiment: Path, *variables: str, more: Sequence[str] = ()) -> None:
    """Only one that confirms must find nothing in the way: after a failback the standby does not serve any more."""
    given = [part for variable in variables for part in ("--var", variable)]
    lab.run("rehearse", str(experiment), *given, *more, check="--confirm" in more)


def calls_by_now(lab: RunningLab) -> Calls:
    return [call for call in lab.aws_calls() if call["by"] == "chaosdrill"]


def calls_of(lab: RunningLab, directory: Path, experiment: Path, one: Run, *variables: str) -> Calls:
    """Run a drill on its lab, which a lease of ours keeps until its log was read.

    :returns: all calls by then.
    """
    with drills.start(lab, directory, *variables, *one.variables, experiment=experiment) as drill:
        drills.read_until(drill, BEGUN)
        with control_socket.Connection(lab.home / "lab" / "control.sock") as lease:
            lease.call("lease")
            if one.trouble:
                one.trouble(lab)
            said, _ = drill.communicate(timeout=400)
            failed = went_wrong(lab)
            assert one.failing <= failed if one.failing else not failed, said
            shutil.copy(lab.home / "lab" / "topology.yaml", directory)
            return calls_by_now(lab)


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
    assert {
        key: count for key, count in most.items() if key[3] != TABLE and count > MOST_IN_IT + ONCE.get(key[0], 0)
    } == {}
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
    _, halfway = recorded("failover.yaml")
    done = set[Wanted]().union(*(drill.asked(drill.calls) for drill in (*made, halfway)))
    assert not_done(made[0].policy(experiment), done) == []


@pytest.mark.parametrize("experiment", DRILLS)
def test_the_same_file_runs_on_aws_too(recorded: Any, experiment: str) -> None:
    """That every step succeeds, ``went_wrong`` has seen."""
    summary = drills.summary(recorded(experiment)[0].lab)
    assert (summary["target"], summary["verdict"]) == ("aws", "passed")


def states_and_outputs(recorded: Any, experiment: str) -> tuple[list[str], dict[str, Any]]:
    """The states that were seen in the drill that must pass, and what each activity answered, the last time it ran."""
    lab: RunningLab = recorded(experiment)[0].lab
    states = [row["state"] for row in drills.summary(lab)["region_states"]]
    return states, {name: drills.output(lab, name) for name in drills.statuses(lab)}


def test_failback_begins_in_the_standby_region_and_ends_at_home(recorded: Any) -> None:
    states, answered = states_and_outputs(recorded, "failback.yaml")
    assert (states[0], states[-1]) == (SERVED_BY_STANDBY, SERVED_BY_HOME)
    expected = {
        "resolve-domain": STANDBY.name,
        "standby-is-closed": True,
        "home-is-open": False,
        "standby-routing-off": "Off",
        "home-routing-on": "On",
        "writer-is-home": HOME.name,
        "clients-resolve-home": HOME.name,
        "load-without-errors-at-home": 0,
        "locust-failures": 0,
    }
    assert {name: answered[name] for name in expected} == expected
    assert answered["fail-back"]["status"] == "SUCCEEDED"
    assert answered["fail-over-again"]["done"] is False
    assert drills.summary(recorded("failback.yaml")[0].lab)["client_outage"]["seconds"] > 0.5


def test_packet_loss_is_healed_and_nobody_fails_over(recorded: Any) -> None:
    states, answered = states_and_outputs(recorded, "packet-loss.json")
    assert states == [SERVED_BY_HOME]
    assert answered["fault-landed"] is True
    (healed,) = answered["heal-packet-loss"]["experiments"]
    assert healed["state"] == "stopped"
    idle = ("heal-what-is-left", "fail-over-when-clients-have-not-recovered", "fail-back")
    assert [answered[name]["done"] for name in idle] == [False, False, False]
    assert (answered["locust-failures"], answered["home-serves-again"]) == (0, SERVED_BY_HOME)


def test_the_system_fails_over_by_itself_when_the_service_is_taken_away(recorded: Any) -> None:
    states, answered = states_and_outputs(recorded, "auto-failover.yaml")
    assert (states[0], states[-1]) == (SERVED_BY_HOME, SERVED_BY_HOME)
    assert SERVED_BY_STANDBY in states
    taken, returned = answered["take-service-away"], answered["give-service-back"]
    assert (taken["done"], taken["was"], taken["is"]) == (True, 2, 0)
    assert [(one["service"], one["is"]) for one in returned["services"]] == [("transaction", 2)]
    failover = answered["automatic-failover"]
    assert failover["status"] == "SUCCEEDED"
    assert "chaosdrill" not in failover["execution_arn"].rsplit(":", 1)[1]  # the initiator's, not the drill's own
    # two canaries in a row, 60 s apart: the second comes 60 to 120 s after the service went
    assert failover["waited_s"] > 60 * 0.1 * 0.5
    assert answered["disable-automatic-failover"]["was"] == "ENABLED"
    assert answered["fail-back"]["status"] == "SUCCEEDED"
    assert (answered["load-without-errors-in-standby"], answered["home-serves-again"]) == (0, SERVED_BY_HOME)


def test_the_standby_takes_over_when_home_is_lost(recorded: Any) -> None:
    states, answered = states_and_outputs(recorded, "region-loss.yaml")
    assert (states[0], states[-1]) == (SERVED_BY_HOME, SERVED_BY_HOME)
    assert SERVED_BY_STANDBY in states
    assert len(answered["isolate-home"]["subnets"]) == 4
    assert 0 <= answered["replica-lag-before"] < 1
    findings = drills.summary(recorded("region-loss.yaml")[0].lab)["judgement"]["findings"]
    assert "replication-continued" in [one["name"] for one in findings if one["verdict"] == "told"]
    assert answered["clients-are-cut-off"] >= 0.9
    moved = answered["fail-over-database"]
    assert (moved["done"], moved["region"], moved["was"]) == (True, STANDBY.name, HOME.name)
    expected = {
        "writer-moved": STANDBY.name,
        "clients-resolve-standby": STANDBY.name,
        "load-without-errors-in-standby": 0,
        "home-serves-again": SERVED_BY_HOME,
    }
    assert {name: answered[name] for name in expected} == expected
    assert answered["fail-back"]["status"] == "SUCCEEDED"


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
    assert all(name in refused.stderr for name in ("'nobody'", "auto-fail")), "what is there is named"
