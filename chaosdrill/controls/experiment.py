"""The experiment as it was given to ``chaos run``: its file, its name, and what was typed on the command line."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from chaosdrill.controls.arguments import activities_by_phase
from chaosdrill.history.plain import plain
from chaosdrill.history.run_directory import EXPERIMENT, write_whole


@dataclass(frozen=True)
class Source:
    """Where the experiment came from.

    :param path: its file; None when it is not a local file.
    :param name: short name for the run, from the file's.
    :param variables: names given with ``--var`` that were not used by the experiment's configuration.
    """

    path: Path | None
    name: str
    variables: tuple[str, ...]


def find_source() -> Source:
    """:returns: what the command line of ``chaos run`` says; Chaos Toolkit does not tell a control."""
    context = click.get_current_context(silent=True)
    given: Mapping[str, Any] = context.params if context is not None else {}
    path = Path(str(given.get("source") or ""))
    variables = tuple(given.get("var") or ())
    return Source(path.absolute(), path.stem, variables) if path.is_file() else Source(None, "drill", variables)


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
    """Copy the experiment into the run directory, byte by byte where it is a file.

    :returns: the SHA-256 of what was copied, in hexadecimal.
    """
    if source.path is not None:
        copied = directory / f"{EXPERIMENT}{source.path.suffix}"
        shutil.copyfile(source.path, copied)
    else:
        copied = directory / f"{EXPERIMENT}.json"
        write_whole(copied, json.dumps(plain(experiment), indent=1, ensure_ascii=False))
    return hashlib.sha256(copied.read_bytes()).hexdigest()


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
