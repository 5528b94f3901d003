"""The experiment as it was given to ``chaos run``: its file, its name, and what was typed on the command line."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from chaosdrill.controls.arguments import activities_by_phase
from chaosdrill.history import plain, without_secrets
from chaosdrill.history.run_directory import EXPERIMENT, TOPOLOGY, write_whole


@dataclass(frozen=True)
class Source:
    """Where the experiment came from.

    :param path: its file; None when it is not a local file.
    :param name: short name for the run, from the file's.
    :param variables: names given with ``--var`` that were not used by the experiment's configuration.
    :param journal: where Chaos Toolkit writes its journal at the end; None: that is not known.
    """

    path: Path | None
    name: str
    variables: tuple[str, ...]
    journal: Path | None = None


def find_source() -> Source:
    """:returns: what the command line of ``chaos run`` says; Chaos Toolkit does not tell a control."""
    context = click.get_current_context(silent=True)
    given: Mapping[str, Any] = context.params if context is not None else {}
    path = Path(str(given.get("source") or ""))
    variables = tuple(given.get("var") or ())
    journal = Path(str(given["journal_path"])) if given.get("journal_path") else None
    if not path.is_file():
        return Source(None, "drill", variables, journal)
    return Source(path.absolute(), path.stem, variables, journal)


def problems_of_journal(source: Source) -> list[str]:
    """:returns: why Chaos Toolkit could not write its journal: it would say so after the drill, with a traceback."""
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
    return [f"--journal-path {path}: {why}: name a file that can be written"]


def problems_of_variables_given(source: Source, experiment: Mapping[str, Any]) -> list[str]:
    """:returns: a problem for each ``--var`` that the experiment does not declare: Chaos Toolkit would ignore it."""
    declared = experiment.get("configuration") or {}
    known = ", ".join(declared) or "none"
    return [
        f"--var {name}: the experiment declares no such variable; it declares: {known}"
        for name in source.variables
        if name not in declared
    ]


def keep_copy(source: Source, experiment: Mapping[str, Any], directory: Path) -> str:
    """Copy the experiment into the run directory, byte by byte where it is a file that holds no secret.

    :returns: the SHA-256 of the experiment as it was, in hexadecimal.
    """
    if source.path is None:
        text = json.dumps(plain(experiment), indent=1, ensure_ascii=False)
        write_whole(directory / f"{EXPERIMENT}.json", text)
        return hashlib.sha256(text.encode()).hexdigest()
    original = source.path.read_bytes()
    copied = without_secrets(original.decode(errors="surrogateescape"))
    (directory / f"{EXPERIMENT}{source.path.suffix}").write_bytes(copied.encode(errors="surrogateescape"))
    return hashlib.sha256(original).hexdigest()


def keep_topology(path: Path, directory: Path) -> str:
    """Copy the topology into the run directory, without secrets.

    :returns: the SHA-256 of the topology as it was, in hexadecimal.
    """
    original = path.read_bytes()
    write_whole(directory / TOPOLOGY, without_secrets(original.decode()))
    return hashlib.sha256(original).hexdigest()


def planned(experiment: Mapping[str, Any], setup: Any) -> dict[str, list[str]]:
    """:returns: names of the activities of each phase that a whole drill runs."""
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
