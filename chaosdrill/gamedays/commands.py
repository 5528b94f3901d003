"""The commands of Chaos Toolkit and chaosdrill that the drill of an occurrence is made of."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaosdrill.errors import BadInput, problem
from chaosdrill.gamedays.calendar import Calendar, GameDay, Occurrence
from chaosdrill.gamedays.decisions import Snapshot
from chaosdrill.gamedays.launch import name_of_directory, occurrences_directory
from chaosdrill.gamedays.tick_inputs import run_directory_of
from chaosdrill.history.run_directory import OCCURRENCE_VARIABLE
from chaosdrill.history.whole_files import write_whole
from chaosdrill.topology import load_topology

VARIABLES = "variables.json"  # of a drill, in the directory of its occurrence
LEFT_S = 86_400  # longer than it takes until a drill has read its variables


def chaos_run(experiment: Path, directory: Path, name: str) -> list[str]:
    """Return the command that runs an experiment with the variables of a game day.

    :param directory: with the variables; the journal and Chaos Toolkit's log are written there.
    :param name: of the journal, without an ending.
    """
    toolkit = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--log-file", f"{directory}/{name}.log"]
    written = ["--journal-path", f"{directory}/{name}.json", "--var-file", str(directory / VARIABLES)]
    return [*toolkit, "run", *written, str(experiment.absolute())]


def write_variables(game_day: GameDay, directory: Path) -> dict[str, Any]:
    """Write the variables of a drill, readable by this user only: Chaos Toolkit reads them from a file.

    The objectives of the game day, and target and topology are among them; a variable of the game day comes first.

    :returns: them, with secrets resolved.
    :raises BadInput: when a secret is not in the environment, or the topology cannot be used.
    """
    known: dict[str, Any] = {**game_day.objectives, **_system(game_day), **game_day.variables}
    values = {name: _resolved(name, value) for name, value in known.items()}
    write_whole(directory / VARIABLES, json.dumps({"configuration": values}))
    return values


def remove_left_variables(snapshot: Snapshot) -> None:
    """Remove variables of drills whose process was killed before it did: secrets are among them.

    Those of a drill that is about to begin stay; so do those of occurrences that the snapshot does not have, for a day.
    """
    names = {name_of_directory(one): one for one in snapshot.records}
    for path in occurrences_directory().glob(f"*/{VARIABLES}"):
        occurrence = names.get(path.parent.name)
        with suppress(OSError):  # another process removes it, too
            if occurrence is None:
                is_left = time.time() - path.stat().st_mtime > LEFT_S
            else:
                is_left = not _will_read(snapshot, occurrence)
            if is_left:
                path.unlink()


def _will_read(snapshot: Snapshot, occurrence: Occurrence) -> bool:
    """Tell whether a drill may yet read its variables: it has no run before."""
    record = snapshot.records[occurrence]
    may_begin = record.is_open and occurrence not in snapshot.dead
    return may_begin and run_directory_of(record.entry) is None


def environment_of(calendar: Calendar, game_day: GameDay, occurrence: Occurrence) -> dict[str, str]:
    """Return the environment of a drill: where the experiment reads it, target and topology are the game day's."""
    system = {f"CHAOSDRILL_{name.upper()}": value for name, value in _system(game_day).items()}
    return {**os.environ, **system, OCCURRENCE_VARIABLE: occurrence.key}


def _system(game_day: GameDay) -> dict[str, str]:
    if game_day.topology is None:
        return {}
    return {"target": load_topology(game_day.topology).target, "topology": str(game_day.topology.absolute())}


def _resolved(name: str, value: Any) -> Any:
    """Return a variable's value; of ``{secret: NAME}`` that of the environment variable."""
    if not (isinstance(value, Mapping) and set(value) == {"secret"}):
        return value
    if (secret := os.environ.get(str(value["secret"]))) is None:
        why = f"the environment variable {value['secret']} of the variable {name} is not set"
        raise BadInput([problem("argument-missing", why)])
    return secret
