"""What must hold when an occurrence begins, checked by processes of their own that change nothing."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from chaoslib.exceptions import ChaosException
from chaoslib.loader import load_experiment

from chaosdrill.analysis.untrusted_json import mapping, sequence, text
from chaosdrill.errors import CannotSee, Refused, problem
from chaosdrill.gamedays.calendar import GameDay
from chaosdrill.gamedays.commands import chaos_run
from chaosdrill.runs.documents import json_document

WITHIN_S = 900.0  # of all checks together
_ALARMS = "alarm-"  # how the codes of alarms begin


def check_guards(game_day: GameDay, directory: Path, variables: Mapping[str, Any], environment: dict[str, str]) -> None:
    """Check the guards of a game day.

    A lab that the drill starts itself is checked by the drill, when it runs.

    :param directory: of the occurrence, with its variables.
    :raises Refused: with each check that refuses.
    :raises CannotSee: ``guard-unreadable``: the checks did not come to their end.
    """
    guards = game_day.guards
    if game_day.topology is not None and (guards.preflight or guards.alarms_quiet):
        _check_preflight(game_day, variables, environment)
    if guards.probes:
        _check_probes(game_day, directory, environment)


def _check_preflight(game_day: GameDay, variables: Mapping[str, Any], environment: dict[str, str]) -> None:
    named = [f"--var={name}:{_kind(value)}={value}" for name, value in variables.items() if _kind(value)]
    here = [sys.executable, "-m", "chaosdrill.cli", "preflight", str(game_day.experiment), "--json"]
    done = _run([*here, "--topology", str(game_day.topology), *named], environment, "the preflight")
    try:
        results = [mapping(one) for one in json.loads(done.stdout)]
    except ValueError as error:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise CannotSee(f"the preflight did not end with results: {said}", code="guard-unreadable") from error
    refused = [one for one in results if one.get("outcome") == "refuse" and _counts(game_day, one)]
    if refused:
        problems = [problem(text(one.get("code")), f"{one.get('what')}: {one.get('why')}") for one in refused]
        raise Refused("; ".join(problems), code=problems[0].code, problems=problems)


def _counts(game_day: GameDay, result: Mapping[str, Any]) -> bool:
    is_alarm = text(result.get("code")).startswith(_ALARMS)
    return game_day.guards.alarms_quiet if is_alarm else game_day.guards.preflight


def _kind(value: Any) -> str:
    """Return Chaos Toolkit's name of a variable's type; empty when its command line has none for it."""
    kinds = {str: "str", int: "int", float: "float"}
    return kinds.get(type(value), "")


def _check_probes(game_day: GameDay, directory: Path, environment: dict[str, str]) -> None:
    """Run the probes as the steady state of an experiment without a method, with Chaos Toolkit itself."""
    path = directory / "guards.yaml"
    path.write_text(yaml.safe_dump(_probing(game_day), allow_unicode=True))
    done = _run(chaos_run(path, directory, "guards"), environment, "the probes")
    before = mapping(mapping(json_document(directory / "guards.json").get("steady_states")).get("before"))
    if before.get("steady_state_met") is True:
        return
    failed = [mapping(one) for one in sequence(before.get("probes")) if mapping(one).get("tolerance_met") is not True]
    if not failed:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise CannotSee(f"the probes did not finish: {said[0]}", code="guard-unreadable")
    problems = [problem("guard-not-met", _in_words(one)) for one in failed]
    raise Refused("; ".join(problems), code="guard-not-met", problems=problems)


def _in_words(probe: Mapping[str, Any]) -> str:
    name = text(mapping(probe.get("activity")).get("name"))
    why = text(sequence(probe.get("exception"))[-1]).strip() if sequence(probe.get("exception")) else ""
    observed = why or f"it returned {probe.get('output')!r}"
    return f"the guard {name} does not hold: {observed}"


def _probing(game_day: GameDay) -> dict[str, Any]:
    """Return an experiment that only has the probes, with the configuration and secrets of the game day's own."""
    try:
        raw = load_experiment(str(game_day.experiment))
    except (ChaosException, OSError, ValueError) as error:
        raise CannotSee(f"{game_day.experiment} cannot be read: {error}", code="guard-unreadable") from error
    return {
        "title": f"Guards of {game_day.name}",
        "description": "They must hold before the drill begins.",
        "configuration": raw.get("configuration") or {},
        "secrets": raw.get("secrets") or {},
        "steady-state-hypothesis": {"title": "guards", "probes": [dict(one) for one in game_day.guards.probes]},
        "method": [],
    }


def _run(command: Sequence[str], environment: dict[str, str], what: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotSee(f"{what} did not finish: {error}", code="guard-unreadable") from error
