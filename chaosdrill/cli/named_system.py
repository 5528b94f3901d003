"""Selection of the system for commands such as ``chaosdrill status``: by a run, by a topology, or the default one."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaosdrill.errors import BadInput, Refused, problem

if TYPE_CHECKING:
    from chaosdrill.aws import System
    from chaosdrill.coordination.interface import Coordination, Lease
    from chaosdrill.topology import Topology

TOPOLOGY_VARIABLE = "CHAOSDRILL_TOPOLOGY"
_ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class NamedSystem:
    """The system that a command's argument names.

    :param run: the run's ID, or the beginning of it; empty when no run is named.
    :param topology: the topology file; None when none is known.
    :param is_here: whether the run is in this machine's store.
    """

    run: str
    topology: Path | None
    is_here: bool = False


def named_system(text: str) -> NamedSystem:
    """Resolve a command's argument to a run and its system.

    :param text: a topology file, a run's ID or the beginning of it, a run directory, or empty.
    :returns: the run and its system. The topology of a run on this machine is the one with which it was started;
        otherwise that of ``CHAOSDRILL_TOPOLOGY``, or that of the running lab on this machine.
    :raises BadInput: when there is no such file, or several runs on this machine match.
    """
    if os.path.isfile(text):
        return NamedSystem("", Path(text))
    if text.endswith(_ENDINGS):
        raise BadInput([problem("topology-unreadable", f"{text}: there is no such topology file: check the path")])
    directory = _directory(text) if text else None
    if directory is None:
        return NamedSystem(text, _usual_topology())
    return NamedSystem(directory.name, _topology_of(directory) or _usual_topology(), is_here=True)


def drilled_system(named: NamedSystem) -> "System":
    """Return access to the system of a drill.

    :raises BadInput: when no topology is known, or it cannot be used.
    """
    from chaosdrill.aws import system_of

    if named.topology is None:
        how = "name its topology, or set CHAOSDRILL_TOPOLOGY"
        raise BadInput([problem("topology-missing", f"the system of the drill is unknown: {how}")])
    return system_of({"topology": str(named.topology)})


def live_run(coordination: "Coordination", topology: "Topology", named: str) -> str:
    """Return the named run, or the one that holds the system's lease.

    :param named: the run's ID, or the beginning of it; empty: none is named.
    :raises Refused: ``run-not-live``: no run holds it.
    :raises BadInput: ``run-ambiguous``: several runs hold a lease, and none is named.
    """
    from chaosdrill.parts.registry import lease_keys

    held = [one for one in coordination.read(lease_keys(topology)).holding() if one.run.startswith(named)]
    if len(held) == 1 or named in (one.run for one in held):
        return held[0].run if len(held) == 1 else named
    if held:
        raise BadInput([problem("run-ambiguous", f"several runs hold a lease of this system: name one: {_ids(held)}")])
    if named:
        return named  # the coordination's record of the run shows why it is not live
    why = f"no run holds the lease of {topology.path} in {coordination}"
    raise Refused(f"{why}: `chaosdrill status` shows its state", code="run-not-live")


def _ids(leases: "Sequence[Lease]") -> str:
    return ", ".join(lease.run for lease in leases)


def _directory(text: str) -> Path | None:
    """Return the directory of a run on this machine; None when it may be on another machine."""
    from chaosdrill.runs.lookup import find_run

    try:
        return find_run(text)
    except BadInput as error:
        if "run-missing" in error.codes:
            return None
        raise


def _topology_of(directory: Path) -> Path | None:
    from chaosdrill.analysis.untrusted_json import mapping, text
    from chaosdrill.runs.entries import opened_of

    opened = opened_of(directory)
    path = text(mapping(opened.get("configuration")).get("topology"))
    return Path(path) if opened.get("target") == "aws" and path and os.path.isfile(path) else None


def _usual_topology() -> Path | None:
    from chaosdrill.lab.running_lab import running_plan

    if named := os.environ.get(TOPOLOGY_VARIABLE):
        return Path(named)
    plan = running_plan()
    return plan.topology_file if plan else None
