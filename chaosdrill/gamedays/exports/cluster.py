"""What Kubernetes and ECS have in common: containers, which start on any machine and leave nothing on it."""

import json
import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from chaosdrill.errors import BadInput, Problem, problem
from chaosdrill.gamedays.calendar import Calendar
from chaosdrill.gamedays.exports.plan import MARK, Export
from chaosdrill.topology import Topology, load_topology

NAME = "chaosdrill"  # of the container, and of what exists once
PLACE = "/etc/chaosdrill"  # of calendar, experiments and topologies in the image
HOME = "/var/lib/chaosdrill"
USER = 10001
LONGEST_TICK_S = 300  # after which a tick is ended, so that it keeps no other one from starting
CALENDAR_VARIABLE = "CHAOSDRILL_GAMEDAYS"


def check_cluster(export: Export) -> dict[Path, Topology]:
    """Check that game days can run in containers, on machines that change.

    :returns: the topology of each file.
    :raises BadInput: with each reason why not.
    """
    topologies = {path: load_topology(path) for path in export.topologies}
    if problems := [*_ledger(export.calendar), *_targets(export, topologies), *_outside(export)]:
        raise BadInput(problems)
    return topologies


def _ledger(calendar: Calendar) -> Iterator[Problem]:
    if calendar.ledger is None:
        why = "the ledger is a file of this machine, and each container would have one of its own"
        fix = "name the topology whose coordination table has it (`ledger:` in the calendar)"
        yield problem("export-ledger-local", f"{calendar.file}: {why}: {fix}")
    elif load_topology(calendar.ledger).coordination is None:
        why = f"{calendar.ledger}: the topology of the ledger names no table: add `coordination:` to it"
        yield problem("coordination-missing", why)


def _targets(export: Export, topologies: dict[Path, Topology]) -> Iterator[Problem]:
    for one in export.game_days:
        path = one.game_day.topology
        if path is None or topologies[path].target == "lab":
            why = f"{one.game_day.id}: it runs in the lab, which is on one machine"
            yield problem("export-target-lab", f"{why}: use systemd (`chaosdrill gameday export systemd`)")


def _outside(export: Export) -> Iterator[Problem]:
    for path in export.files:
        if (inside := _inside(export, path)).startswith("../"):
            fix = "put it beside or below the calendar, so that the image has it"
            yield problem(
                "export-file-outside", f"{path}: it is outside {export.calendar.file.parent} ({inside}): {fix}"
            )


def _inside(export: Export, path: Path) -> str:
    """Return the path of a file as seen from the directory of the calendar, without any detour."""
    return os.path.relpath(path, export.calendar.file.parent)


def path_in_image(export: Export, path: Path) -> str:
    """Return the path of a file in the image."""
    return f"{PLACE}/{_inside(export, path)}"


def container_environment(export: Export) -> dict[str, str]:
    """Return the environment of the containers, without secrets."""
    return {CALENDAR_VARIABLE: path_in_image(export, export.calendar.file), "CHAOSDRILL_HOME": HOME, "HOME": "/tmp"}


def run_arguments(game_day: str, occurrence: str) -> list[str]:
    """Return the arguments of chaosdrill that run one occurrence of a game day."""
    return ["gameday", "run", game_day, "--occurrence", occurrence]


def tick_arguments() -> list[str]:
    """Return the arguments of chaosdrill for a tick that launches nothing: the engine does."""
    return ["gameday", "tick", "--no-launch"]


def rescue_arguments(topology: str) -> list[str]:
    """Return the arguments of chaosdrill that rescue a system whose driver died."""
    return ["rescue", topology, "--when-stale"]


def render_cluster_files(export: Export, steps: str, documents: Iterable[Any]) -> dict[str, str]:
    """Write what an engine reads, as YAML, and the recipe of the image.

    :param steps: what to do before the first game day, beside pushing the image; of several lines.
    :returns: the text of each file, by its name.
    """
    head = f"{MARK}. Push the image of the Containerfile, {steps}".replace("\n", "\n# ")
    body = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=120)
    return {"gamedays.yaml": f"{head}\n{body}", "Containerfile": render_containerfile(export)}


def render_containerfile(export: Export) -> str:
    """Write the recipe of the image: chaosdrill's wheel, and the files of the calendar."""
    copied = dict.fromkeys(_inside(export, path) for path in export.files)
    lines = [
        f"{MARK}. Build it in the directory of the calendar, with chaosdrill's wheel in it:",
        "#   podman build --file DIRECTORY/Containerfile --tag IMAGE .",
        "FROM docker.io/library/python:3.13-slim",
        f"RUN useradd --uid {USER} --no-create-home chaosdrill && install -d -o chaosdrill -g chaosdrill {HOME}",
        "COPY chaosdrill-*.whl /tmp/wheel/",
        'RUN pip install --no-cache-dir "$(echo /tmp/wheel/chaosdrill-*.whl)[report,notify]" && rm -r /tmp/wheel',
        *(f"COPY {json.dumps([path, f'{PLACE}/{path}'])}" for path in copied),
        f"ENV CHAOSDRILL_HOME={HOME} {CALENDAR_VARIABLE}={shlex.quote(path_in_image(export, export.calendar.file))}",
        f"WORKDIR {HOME}",
        f"USER {USER}",
        'ENTRYPOINT ["chaosdrill"]',
    ]
    return "\n".join(lines) + "\n"


class _Dumper(yaml.SafeDumper):
    """Writes a value that stands in several places in each of them, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
