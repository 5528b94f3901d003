"""The rate at which the system settled writes in earlier drills, for comparison with a planned rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from chaosdrill.analysis.untrusted_json import mapping, number
from chaosdrill.bounded_yaml import LONGEST_TEXT, load_yaml
from chaosdrill.history.log import read_history
from chaosdrill.history.run_directory import HISTORY, TOPOLOGY
from chaosdrill.paths import runs_directory
from chaosdrill.runs.documents import read_regular
from chaosdrill.topology import Topology

MOST_RUNS = 20  # of the newest runs
MEASURED = "settlement-measured"


@dataclass(frozen=True)
class MeasuredSettlement:
    """The measurement of a run.

    :param capacity_per_s: how many writes per second were settled under the load.
    """

    run: str
    capacity_per_s: float


def settled_before(topology: Topology) -> MeasuredSettlement | None:
    """Return the measurement of the newest run on the same system; None when no run has one."""
    return next(_measured(topology), None)


def _measured(topology: Topology) -> Iterator[MeasuredSettlement]:
    runs = sorted(runs_directory().glob("*"), key=lambda run: run.name, reverse=True)[:MOST_RUNS]
    for run in runs:
        capacity_per_s = _capacity(run) if _is_same_system(run, topology) else None
        if capacity_per_s:
            yield MeasuredSettlement(run.name, capacity_per_s)


def _is_same_system(run: Path, topology: Topology) -> bool:
    try:
        raw = mapping(load_yaml(read_regular(run / TOPOLOGY, LONGEST_TEXT).decode()))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    known = (raw.get("target"), str(raw.get("domain")).rstrip("."), raw.get("accounts"))
    return known == (topology.target, topology.domain, list(topology.accounts))


def _capacity(run: Path) -> float | None:
    try:
        events: list[dict[str, Any]] = read_history(run / HISTORY)
    except (OSError, ValueError):
        return None
    found = [number(event.get("capacity_per_s")) for event in events if event.get("event") == MEASURED]
    return found[-1] if found else None
