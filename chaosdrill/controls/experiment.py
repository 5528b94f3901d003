"""The experiment of ``chaos run``: its file, its name, and the options of the command line."""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from chaosdrill.analysis.undo_results import TRANSITIONS
from chaosdrill.bounded_yaml import load_yaml, problem_of_file
from chaosdrill.controls.activities import activities_by_phase
from chaosdrill.errors import problem
from chaosdrill.history import register_secret, secrets_within, to_json_safe, without_secrets
from chaosdrill.history.run_directory import EXPERIMENT, TOPOLOGY
from chaosdrill.history.whole_files import draft_of, write_whole

# ports, ids and paths of the machine
_CHOSEN_BY_LAB = re.compile(
    r"(?<=127\.0\.0\.1:)\d+|(?<= port: )\d+|(?<![\w.])[0-9a-f]{8,}(?!\w)|(?<=config_file: )/\S+|(?<=command: )/\S+"
)


@dataclass(frozen=True)
class ExperimentSource:
    """The origin of the experiment.

    :param path: its file; None when it is not a local file.
    :param name: of the experiment: its file's, without the ending, in Unicode's composed form (NFC).
    :param variables: names given with ``--var`` that were not used by the experiment's configuration.
    :param journal: where Chaos Toolkit writes its journal at the end; None: that is not known.
    """

    path: Path | None
    name: str
    variables: tuple[str, ...]
    journal: Path | None = None


def find_source() -> ExperimentSource:
    """Read the origin from the command line of ``chaos run``; Chaos Toolkit does not pass it to a control."""
    context = click.get_current_context(silent=True)
    given: Mapping[str, Any] = context.params if context is not None else {}
    path = Path(str(given.get("source") or ""))
    variables = tuple(given.get("var") or ())
    journal = Path(str(given["journal_path"])) if given.get("journal_path") else None
    if path.is_file():
        return ExperimentSource(path.absolute(), _name(path.stem), variables, journal)
    address = urlsplit(str(given.get("source") or ""))
    name = PurePosixPath(unquote(address.path)).stem if address.scheme in ("http", "https") else ""
    return ExperimentSource(None, _name(name), variables, journal)


def _name(name: str) -> str:
    """Normalize a name: macOS writes names decomposed, Linux as they were typed, and both are one experiment."""
    printable = name.encode(errors="surrogateescape").decode(errors="replace")
    return unicodedata.normalize("NFC", printable) or "drill"


def problems_of_journal(source: ExperimentSource) -> list[str]:
    """Return why Chaos Toolkit could not write its journal, which it would report after the drill, with a traceback."""
    path = source.journal
    if path is None:
        return []
    if not path.parent.is_dir():
        why = f"there is no directory {path.parent.absolute()}"
    elif path.is_dir():
        why = "that is a directory"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        why = "it cannot be written there"
    else:
        return []
    return [problem("journal-unwritable", f"--journal-path {path}: {why}: name a file that can be written")]


def problems_of_size(source: ExperimentSource) -> list[str]:
    """Return a problem if the experiment stands for too many values; it must not be loaded then."""
    why = "" if source.path is None else problem_of_file(source.path)
    return [problem("experiment-invalid", f"{source.path}: {why}")] if why else []


def problems_of_variables_given(source: ExperimentSource, experiment: Mapping[str, Any]) -> list[str]:
    """Return a problem for each ``--var`` that the experiment does not declare: Chaos Toolkit would ignore it."""
    declared = experiment.get("configuration") or {}
    known = ", ".join(declared) or "none"
    return [
        problem("variable-unused", f"--var {name}: the experiment declares no such variable; it declares: {known}")
        for name in source.variables
        if name not in declared
    ]


def keep_copy(source: ExperimentSource, experiment: Mapping[str, Any], directory: Path) -> str:
    """Copy the experiment into the run directory, byte by byte if it is a file without secrets.

    :returns: the SHA-256 of the original experiment, in hexadecimal.
    """
    if source.path is None:
        text = json.dumps(to_json_safe(experiment), indent=1, ensure_ascii=False)
        write_whole(directory / f"{EXPERIMENT}.json", text)
        return hashlib.sha256(text.encode()).hexdigest()
    original = source.path.read_bytes()
    copied = without_secrets(original.decode(errors="surrogateescape"))
    with draft_of(directory / f"{EXPERIMENT}{source.path.suffix}") as draft:
        draft.write(copied.encode(errors="surrogateescape"))
    return hashlib.sha256(original).hexdigest()


def keep_topology(path: Path, directory: Path) -> str:
    """Copy the topology into the run directory, without secrets.

    :returns: the SHA-256 of the original topology, in hexadecimal.
    """
    original = path.read_bytes()
    register_secret(*secrets_within(without_references(load_yaml(original.decode()))))
    write_whole(directory / TOPOLOGY, without_secrets(original.decode()))
    return hashlib.sha256(original).hexdigest()


def without_references(topology: Mapping[str, Any]) -> dict[str, Any]:
    """Return a topology without the headers that name a secret, ``{secret: NAME}``: the name itself is none."""
    heartbeat = topology.get("heartbeat") or {}
    operations = {name: one for name, one in heartbeat.items() if isinstance(one, Mapping)}
    literal = {
        name: {**one, "headers": {key: text for key, text in one["headers"].items() if isinstance(text, str)}}
        for name, one in operations.items()
        if isinstance(one.get("headers"), Mapping)
    }
    return {**topology, "heartbeat": {**heartbeat, **literal}}


def lab_topology_hash(path: Path) -> str:
    """Hash a lab's topology without the values that each lab chooses for itself: ports, ids and paths.

    :returns: the SHA-256 in hexadecimal; equal for two equal labs.
    """
    return hashlib.sha256(_CHOSEN_BY_LAB.sub("-", path.read_text()).encode()).hexdigest()


def transitions(experiment: Mapping[str, Any], setup: Any) -> list[str]:
    """Return the names of the activities of setup and method that move the application to another region, or allow
    an automatic failover. Those of the rollbacks are left out: they run only after a failure.
    """
    steps = [*(setup or ()), *activities_by_phase(experiment)["method"]]
    return [str(step.get("name") or step.get("ref")) for step in steps if is_transition(step)]


def is_transition(activity: Mapping[str, Any]) -> bool:
    """Return whether an activity moves the application to another region, or allows an automatic failover."""
    provider = activity.get("provider") or {}
    return provider.get("func") in TRANSITIONS and str(provider.get("module")).startswith("chaosdrill.")


def planned(experiment: Mapping[str, Any], setup: Any) -> dict[str, list[str]]:
    """Return the names of the activities of each stage that a complete drill runs."""
    names = {
        phase: [str(activity.get("name") or activity.get("ref")) for activity in activities]
        for phase, activities in {**activities_by_phase(experiment), "setup": setup}.items()
    }
    return {
        "setup": names["setup"],
        "steady-state-before": names["steady-state"],
        "method": names["method"],
        "steady-state-after": names["steady-state"],
        "rollbacks": names["rollbacks"],
    }
