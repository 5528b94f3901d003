"""``chaos run`` in a process of its own, on a small experiment made of ``tests.steps``."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import chaosdrill
from chaosdrill.history import Event, read_history
from tests.waiting import LONG_S, wait_for

REPOSITORY = Path(chaosdrill.__file__).parents[1]
HOME_SERVES = "serving(ap-northeast-1)"
Step = dict[str, Any]


def step(kind: str, name: str, func: str, tolerance: Any = None, **arguments: Any) -> Step:
    """An activity from ``tests.steps``."""
    provider = {"type": "python", "module": "tests.steps", "func": func, "arguments": arguments}
    made = {"type": kind, "name": name, "provider": provider}
    return made if tolerance is None else {**made, "tolerance": tolerance}


def do(name: str, **more: Any) -> Step:
    return {**step("action", name, "do", what=name), **more}


def undo(name: str, undo_of: str) -> Step:
    return step("action", name, "undo", what=name, undo_of=undo_of)


def experiment(
    method: Sequence[Step] = (),
    rollbacks: Sequence[Step] = (),
    steady: Sequence[Step] = (),
    control: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An experiment with the drill control."""
    arguments = {"expect": HOME_SERVES, **(control or {})}
    provider = {"type": "python", "module": "chaosdrill.controls.drill", "arguments": arguments}
    made: dict[str, Any] = {
        "title": "a test",
        "description": "of the drill control",
        "configuration": {"target": "lab", "scale": 0.1},
        "runtime": {"rollbacks": {"strategy": "always"}},
        "controls": [{"name": "drill", "provider": provider}],
        "method": list(method),
        "rollbacks": list(rollbacks),
    }
    if steady:
        made["steady-state-hypothesis"] = {"title": "steady", "probes": list(steady)}
    return {**made, **more}


@dataclass
class Ran:
    """What a ``chaos run`` left behind."""

    exit_code: int
    stdout: str
    stderr: str
    directory: Path

    @property
    def steps(self) -> list[str]:
        """What activities of ``tests.steps`` did, in order."""
        path = self.directory / "steps"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def journal(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.directory / "journal.json").read_text())
        return read

    @property
    def summary(self) -> dict[str, Any]:
        """What the drill wrote into Chaos Toolkit's journal; also of one that was refused before it had a run."""
        found: dict[str, Any] = self.journal["chaosdrill"]
        return found

    @property
    def verdict(self) -> str:
        return str(self.summary["verdict"])

    @property
    def why(self) -> str:
        """Every reason."""
        return " / ".join(self.summary["reasons"])

    def said(self, label: str) -> str:
        """:returns: ``why`` and ``verdict`` of the summary."""
        return {"why": self.why, "verdict": self.verdict}[label]

    @property
    def region_states(self) -> list[str]:
        return [one["state"] for one in self.summary["region_states"]]

    @property
    def last_lines(self) -> dict[str, str]:
        """The last lines on the screen: text by label."""
        lines = self.stdout.strip().splitlines()
        return {label: text.strip() for label, _, text in (line.partition(":") for line in lines)}

    @property
    def run_directory(self) -> Path:
        return Path(self.summary["run_directory"])

    @property
    def events(self) -> list[Event]:
        return read_history(self.run_directory / "history.jsonl")


def findings(ran: Ran) -> list[dict[str, Any]]:
    """The findings of the judgement, as ``summary.json`` has them."""
    read = json.loads((ran.run_directory / "summary.json").read_text())
    found: list[dict[str, Any]] = read["judgement"]["findings"]
    return found


def has_finding(ran: Ran, name: str, *values: str) -> bool:
    """:returns: whether the judgement found that, with these values: names of steps and regions, numbers."""
    return any(one["name"] == name and all(value in one["text"] for value in values) for one in findings(ran))


def error_codes(ran: Ran) -> list[str]:
    """The codes of the errors behind the findings, as the journal has them; also of a drill that was never judged."""
    judgement = ran.summary["judgement"]
    found = ran.summary["findings"] if judgement is None else judgement["findings"]
    return [code for one in found for code in one.get("codes", ())]


class Drill:
    """A ``chaos run`` that goes on.

    :param inside: a command that is given the command of the drill, and runs it.
    """

    def __init__(
        self, directory: Path, what: Mapping[str, Any], *options: str, inside: Sequence[str] = (), **variables: str
    ) -> None:
        self.directory = directory
        path = directory / "try-it.yaml"
        path.write_text(yaml.safe_dump(dict(what)))
        self._out, self._err = directory / "stdout", directory / "stderr"
        environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONWARNINGS": "",
            "STEPS_FILE": str(directory / "steps"),
            **variables,
        }
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.process = subprocess.Popen(
                [*inside, sys.executable, "-m", "chaostoolkit", "--no-version-check", "run", *options, str(path)],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def wait_for_step(self, text: str) -> None:
        """Wait until an activity has left ``text``."""
        steps = self.directory / "steps"
        look: Callable[[], list[str]] = lambda: steps.read_text().splitlines() if steps.exists() else []  # noqa: E731
        wait_for(look, lambda seen: text in seen or self.process.poll() is not None, f"step {text!r}")
        assert self.process.poll() is None, self._err.read_text()

    def signal(self, name: str) -> None:
        self.process.send_signal(signal.Signals[name])

    def end(self) -> Ran:
        """Wait until it has ended; kill it if it does not."""
        try:
            self.process.wait(LONG_S)
        finally:
            self.process.kill()
            self.process.wait()
        return Ran(self.process.returncode, self._out.read_text(), self._err.read_text(), self.directory)


def run(directory: Path, what: Mapping[str, Any], *options: str, **variables: str) -> Ran:
    """Run an experiment to its end."""
    return Drill(directory, what, *options, **variables).end()
