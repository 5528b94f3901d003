"""A lab in which drills are killed, and a rescue of it from a machine that has its topology and credentials only."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chaosdrill.automatic_failover.triggers import rule_state
from chaosdrill.aws import System, system_of
from chaosdrill.aws.polling import poll_until
from chaosdrill.client.host.leftovers import PROGRAMS, program_on_host
from chaosdrill.client.locust_rest import LoadGenerator
from chaosdrill.errors import CannotSee
from chaosdrill.lab import endpoint_page
from chaosdrill.load.load_control import IDLE
from chaosdrill.load.test_state import UNPOLLED_VARIABLE
from chaosdrill.parts.registry import parts_of
from chaosdrill.rescue.execute import facts_of, read_facts
from chaosdrill.service.ecs import Service, counts
from tests.kill.points import SHORT, Point, may_lose
from tests.running_lab import RunningLab

REPOSITORY = Path(__file__).parents[2]
POINTS_CONTROL = {"name": "points", "provider": {"type": "python", "module": "tests.kill.control"}}
SCALE = 1 / 60
DRILL_WITHIN_S, RESCUE_WITHIN_S, READ_WITHIN_S = 900.0, 900.0, 300.0
SETTLED_WITHIN_S = 60.0
UNPOLLED_S = "15"  # how long the load goes on after the driver's last poll: a rescue waits for that
RENEWS_LEASE = "dynamodb:UpdateItem"  # sent each second, in a thread that passes no points
RULE, SERVICE = "start-failover-on-alarm", "transaction"
BEGINS_IN_STANDBY, MOVES_HOME = "failback", "fail-back/states:StartExecution#1/after-send"
LEFT, REFUSED = 1, 2  # exit codes
SHOWN = ("failure", "left", "runs", "owed", "unreadable", "leftovers", "unknown_runs")

# writes all the time, as customers do; prints the id of each write that was accepted
_WRITER = """
import http.client, json, sys, time
while True:
    connection = http.client.HTTPConnection("api.example.com", 80, timeout=5)
    try:
        headers = {"X_ACCOUNT_ID": sys.argv[1], "Content-Type": "application/json"}
        connection.request("POST", "/transaction/deposit", json.dumps({"quantity": 1}), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            print(json.loads(body)["transactionId"], flush=True)
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        pass
    finally:
        connection.close()
    time.sleep(float(sys.argv[2]))
"""


@dataclass
class Result:
    """What became of a point.

    :param problems: what is not as it must be after the rescue; empty: it passed.
    :param is_reached: whether the drill came to the point.
    :param states: the states that the rescue found.
    :param lost: accepted writes that were neither settled nor rolled back.
    """

    name: str
    problems: list[str] = field(default_factory=list)
    is_reached: bool = True
    drill: str = ""
    states: list[str] = field(default_factory=list)
    lost: int = 0
    seconds: float = 0.0

    @property
    def has_passed(self) -> bool:
        """Whether everything was as it must be."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it as a line of the results."""
        return {**asdict(self), "passed": self.has_passed}


@dataclass(frozen=True)
class Said:
    """What a command of chaosdrill said.

    :param found: the JSON that it printed.
    """

    exit_code: int
    found: Mapping[str, Any]
    text: str

    def __str__(self) -> str:
        parts = {name: self.found[name] for name in SHOWN if self.found.get(name)}
        return f"exit {self.exit_code} {json.dumps(parts)[:900] if parts else ''} {self.text[-300:]}".strip()


class KillLab:
    """A running lab with a customer that writes.

    :param directory: its home, the drills and what they print.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lab = RunningLab(directory / "home")
        self.lab.environment |= {"PYTHONPATH": str(REPOSITORY), UNPOLLED_VARIABLE: UNPOLLED_S}
        self._writer: subprocess.Popen[bytes] | None = None
        self._accepted = directory / "accepted"
        self.at_rest: dict[str, dict[str, Any]] = {}  # by region state

    def __enter__(self) -> "KillLab":
        self.lab.home.mkdir(parents=True, exist_ok=True)
        try:
            self.lab.run("lab", "up", "--detach", "--scale", str(SCALE), "--resync", "30", timeout_s=DRILL_WITHIN_S)
            self.topology = Path(shutil.copy(self.lab.plan.topology_file, self.directory / "elsewhere.yaml"))
            self.home, self.standby = (
                f"serving({one})" for one in (self.lab.plan.home.name, self.lab.plan.standby.name)
            )
            self.at_rest[self.home] = self.world()
            self._start_writer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.kill()
            self._writer.wait()
        self.lab.run("lab", "down", "--force", check=False, timeout_s=DRILL_WITHIN_S)

    # What is so -----------------------------------------------------------------------------------------------------

    def world(self) -> dict[str, Any]:
        """Read what a drill may change."""
        system = system_of({"topology": str(self.topology)})
        return poll_until(lambda: _world(system), lambda found: found["facts"]["database"].endswith("-ready"), 30.0)

    def begin_in_standby(self) -> None:
        """Move the application to the standby region, as a drill has done that ended there on purpose."""
        self.move(self.lab.plan.standby.name)
        self.at_rest.setdefault(self.standby, self.world())

    def move(self, region: str) -> None:
        """Move the application to a region with its state machine, unless it serves there."""
        system = system_of({"topology": str(self.topology)})
        orchestrator: Any = next(part for part in parts_of(system.topology) if part.role == "orchestrator")
        orchestrator.move(system, region, f"by-hand-{uuid.uuid4().hex[:8]}", [], DRILL_WITHIN_S)

    def accepted(self) -> list[str]:
        """List the customer's writes that were accepted, oldest first."""
        lines = self._accepted.read_bytes().split(b"\n")[:-1]  # the last one may not be whole
        return [line.decode() for line in lines]

    def lost(self, accepted: list[str]) -> list[str]:
        """List the writes that are not settled, after a while."""
        return poll_until(lambda: self._unsettled(accepted), lambda found: not found, SETTLED_WITHIN_S)

    def _unsettled(self, accepted: list[str]) -> list[str]:
        found = self.lab.call("truth")["transactions"]
        facts = [(one, found.get(one)) for one in accepted]
        return [one for one, fact in facts if fact is None or not (fact["settled"] == 1 or fact["undone"])]

    def _start_writer(self) -> None:
        command = self.lab.entering(sys.executable, "-c", _WRITER, f"account-{uuid.uuid4()}", "0.5")
        with self._accepted.open("ab") as file:
            self._writer = subprocess.Popen(**command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL)

    # A drill --------------------------------------------------------------------------------------------------------

    def drill(self, directory: Path, experiment: str = SHORT, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a drill in a process group of its own."""
        directory.mkdir(parents=True, exist_ok=True)
        hurry = {"KILL_HURRY": "yes"} if experiment == SHORT else {}
        points = {"CHAOSDRILL_SCALE": str(SCALE), "POINTS_FILE": str(directory / "points"), **hurry}
        with (directory / "printed").open("wb") as printed:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "chaostoolkit",
                    "--no-version-check",
                    "run",
                    str(_with_points(experiment, directory)),
                ],
                cwd=directory,
                env={**self.lab.environment, **points, **variables},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, part: str) -> None:
        """Kill a part of the lab."""
        if part == "aws":
            os.kill(self.lab.process("chaosdrill.lab.aws"), signal.SIGKILL)
        elif part == "locust":
            self.lab.on_client("pkill", "-KILL", "-f", "locust -f", check=False)
        elif part == "heartbeat":
            self.lab.on_client("pkill", "-KILL", "-f", "heartbeat.*pyz", check=False)
        else:
            os.kill(self._application(self._region(part)), signal.SIGKILL)

    def start_application(self, part: str) -> None:
        """Start an application that was killed."""
        for running in (False, True):
            self.lab.call("application.run", region=self._region(part), running=running)

    def start_locust(self) -> None:
        """Start the Locust that was killed, as a person does."""
        self.lab.call("load_generator.start", locustfile="")
        url = system_of({"topology": str(self.topology)}).topology.client.url
        poll_until(lambda: LoadGenerator(url).state(), lambda _: True, READ_WITHIN_S)

    def _region(self, part: str) -> str:
        plan = self.lab.plan
        return str((plan.home if part == "home-application" else plan.standby).name)

    def _application(self, region: str) -> int:
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            words = command.read_bytes().split(b"\0")
            is_ours = str(self.lab.home / "lab" / "plan.json").encode() in words and region.encode() in words
            if is_ours and b"chaosdrill.lab.application" in words:
                return int(command.parent.name)
        raise AssertionError(f"the lab runs no application in {region}")

    def lose_answers(self, what: str, calls: int) -> None:
        """Lose the answers of an operation: so many, or (0) all of them."""
        service, _, operation = what.partition(":")
        fault: dict[str, Any] = {"service": service, "kind": "lost-answer", "operation": operation}
        endpoint_page.ask(self.lab.plan, "PUT", "/chaosdrill/faults", fault | ({"calls": calls} if calls else {}))

    # Another machine ------------------------------------------------------------------------------------------------

    def elsewhere(self, directory: Path, module: str, *words: str, within_s: float = READ_WITHIN_S) -> Said:
        """Run a program on a machine that has the topology and the credentials only."""
        empty = {"CHAOSDRILL_HOME": str(directory / "empty"), "CHAOSDRILL_RUNS": str(directory / "no-runs")}
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            env={**self.lab.environment, **empty},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        with (directory / "elsewhere.log").open("a") as log:
            log.write(f"{module} {words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}\n")
        try:
            return Said(done.returncode, json.loads(done.stdout), done.stderr)
        except ValueError:
            return Said(done.returncode, {}, done.stdout + done.stderr)

    def rescue(self, directory: Path) -> Said:
        """Rescue the system from there."""
        words = ("rescue", str(self.topology), "--yes", "--json")
        return self.elsewhere(directory, "chaosdrill.cli", *words, within_s=RESCUE_WITHIN_S)

    def checks(self, directory: Path) -> dict[str, Said]:
        """Run a second rescue, ``status`` and ``sweep`` there, by command."""
        done = self.elsewhere(directory, "tests.kill.checks", str(self.topology), within_s=RESCUE_WITHIN_S)
        failed = {"exit": done.exit_code, "json": {}, "said": done.text}
        found = {command: done.found.get(command, failed) for command in ("rescue", "status", "sweep")}
        return {command: Said(one["exit"], one["json"], one["said"]) for command, one in found.items()}


def carry_out(lab: KillLab, point: Point, directory: Path) -> Result:
    """Run a drill that is killed at a point, rescue the lab from elsewhere, and check what is so then."""
    if point.experiment == BEGINS_IN_STANDBY:
        lab.begin_in_standby()
    began, result, since = time.monotonic(), Result(point.name), len(lab.accepted())
    _run(lab, point, directory, result)
    if point.what == "aws" and result.is_reached:
        _check_endpoint_gone(lab, directory, result)
    else:
        if point.what == "locust" and result.is_reached:
            _check_load_left(lab, directory, result)
            lab.start_locust()
        passed = _points(directory)
        stays = point.experiment == BEGINS_IN_STANDBY and MOVES_HOME not in passed
        _rescue(lab, directory, result, [lab.home, lab.standby] if stays else [lab.home])
        if point.what.endswith("-application"):
            lab.start_application(point.what)  # what it has accepted is settled when it runs again
        lost = lab.lost(lab.accepted()[since:])
        result.lost = len(lost)
        if lost and not may_lose(passed):
            result.problems.append(f"accepted writes are lost: {lost[:5]}")
    result.seconds = round(time.monotonic() - began, 1)
    if point.experiment == BEGINS_IN_STANDBY and result.has_passed:
        lab.move(lab.lab.plan.home.name)
    return result


def _run(lab: KillLab, point: Point, directory: Path, result: Result) -> None:
    """Run the drill to its death, or to its end."""
    variables = {"KILL_AT": point.at, "KILL_WHAT": point.what if point.kind in ("runner", "group") else "hold"}
    directory.mkdir(parents=True, exist_ok=True)
    if point.kind == "lost-answer":
        lab.lose_answers(point.what, point.calls)
    drill = lab.drill(directory, point.experiment, **variables)
    try:
        if point.kind == "part":
            result.is_reached = _wait_until_held(drill, directory)
            if result.is_reached:
                lab.kill(point.what)
            (directory / "points.go").touch()
        drill.wait(DRILL_WITHIN_S)
    except subprocess.TimeoutExpired:
        result.problems.append(f"the drill did not end in {DRILL_WITHIN_S:g} s")
    finally:
        if drill.poll() is None:
            os.killpg(drill.pid, signal.SIGKILL)
            drill.wait()
        if point.kind == "lost-answer":
            endpoint_page.ask(lab.lab.plan, "DELETE", "/chaosdrill/faults")
    if point.kind in ("runner", "group"):
        result.is_reached = drill.returncode == -signal.SIGKILL
    if point.kind == "lost-answer":
        was_sent = any(one.endswith(f"/{point.what}#1/before-send") for one in _points(directory))
        result.is_reached = was_sent or point.what == RENEWS_LEASE
    result.drill = f"exit {drill.returncode}"


def _points(directory: Path) -> list[str]:
    """List the points that a drill has passed."""
    return (directory / "points").read_text().split() if (directory / "points").exists() else []


def _wait_until_held(drill: "subprocess.Popen[bytes]", directory: Path) -> bool:
    give_up = time.monotonic() + DRILL_WITHIN_S
    while not (directory / "points.held").exists():
        if drill.poll() is not None or time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


def _check_endpoint_gone(lab: KillLab, directory: Path, result: Result) -> None:
    """Without the lab's AWS endpoint nothing can be read: the rescue must say so, and change nothing."""
    done = lab.rescue(directory)
    if done.exit_code != REFUSED:
        result.problems.append(f"rescue without the AWS endpoint: {done}")


def _check_load_left(lab: KillLab, directory: Path, result: Result) -> None:
    """Without its Locust it cannot be read whether the load runs: the rescue leaves that alone to a person."""
    done = lab.rescue(directory)
    left = {undo["undo"] for undo in done.found.get("left", [])}
    region = (done.found.get("region") or {}).get("state")
    if (done.exit_code, left, region) != (LEFT, {"stop_load"}, lab.home):
        result.problems.append(f"rescue without Locust: {done}")


def _rescue(lab: KillLab, directory: Path, result: Result, ends: Sequence[str]) -> None:
    """Rescue the system, and check what is so then.

    :param ends: the region states of which one must be reached.
    """
    done = lab.rescue(directory)
    result.states = [state for run in done.found.get("runs", []) for state in run["states"]]
    if done.exit_code != 0 or not done.found.get("is_paid"):
        result.problems.append(f"rescue: {done}")
    checks = lab.checks(directory)
    again, status, swept = checks["rescue"], checks["status"], checks["sweep"]
    if again.exit_code != 0 or not again.found.get("idle") or again.found.get("runs"):
        result.problems.append(f"second rescue: {again}")
    region = str((status.found.get("region") or {}).get("state"))
    if status.exit_code != 0 or status.found.get("owed") or region not in ends:
        result.problems.append(f"status: {region}: {status}")
    if swept.exit_code != 0:
        result.problems.append(f"sweep: {swept}")
    if differs := _differences(lab.at_rest[region if region in ends else lab.home], lab.world()):
        result.problems.append(f"not as before the drill: {differs}")


def _with_points(experiment: str, directory: Path) -> Path:
    """Write an experiment with the control that counts its points, before the drill's own: its hooks run first."""
    folder = Path(__file__).parent if experiment == SHORT else REPOSITORY / "experiments"
    (found,) = folder.glob(f"{experiment}.*")
    drill = yaml.safe_load(found.read_text())
    drill["controls"].insert(0, POINTS_CONTROL)
    path = directory / f"{experiment}.json"
    path.write_text(json.dumps(drill))
    return path


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"was": before[name], "is": now[name]} for name in before if before[name] != now[name]}


def _world(system: System) -> dict[str, Any]:
    topology = system.topology
    parts = parts_of(topology)
    facts = facts_of(parts, read_facts(system, parts, "", []))
    service = Service(topology.regions.standby, "osaka-app", SERVICE)
    return {
        "facts": asdict(facts),
        "rule": rule_state(system, topology.regions.standby, RULE),
        "desired count": counts(system, service).desired,
        "load runs": _load_runs(topology.client.url),
        "client host": {name: program_on_host(system, name) for name in PROGRAMS},
    }


def _load_runs(url: str) -> bool:
    try:
        return LoadGenerator(url).state().state not in IDLE
    except CannotSee:
        return False  # its Locust has died
