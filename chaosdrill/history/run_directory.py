"""The directory of a run: ``<home>/runs/<run id>/`` with the experiment, the history and the summary."""

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

EXPERIMENT, TOPOLOGY, JOURNAL = "experiment", "topology.yaml", "journal.json"
HISTORY, TIMELINE, SUMMARY = "history.jsonl", "timeline.jsonl", "summary.json"
MOST_WORDS = 40  # characters of an experiment's name in a run id
REPORT = "report.html"  # can be made from the other files at any time
OCCURRENCE_VARIABLE = "CHAOSDRILL_OCCURRENCE"  # the game day occurrence of this drill
EVIDENCE = "evidence"  # directory of the records of other services about the drill: Step Functions, FIS


def new_run_id(name: str) -> str:
    """Return an id such as ``20260501T093000Z-failover-ab12``, which sorts by time and names the experiment."""
    return run_id(name, datetime.now(UTC), secrets.token_hex(2))


def run_id(name: str, began: datetime, suffix: str) -> str:
    """Return the id of a run that began at ``began`` (UTC); the suffix distinguishes runs of the same second."""
    words = _words(name)[:MOST_WORDS] or "drill"
    return f"{began:%Y%m%dT%H%M%SZ}-{words}-{suffix}"


def is_told_by_run_id(name: str) -> bool:
    """Return whether the run ids made from a name contain all of its letters and digits."""
    return name.isascii() and len(_words(name)) <= MOST_WORDS


def _words(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def experiment_of(run: str, opened: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return the experiment's name of a run.

    :param run: its id.
    :param opened: the first event of its history.
    :returns: the name in that event. Without it, the name is taken from the id: ``20260501T093000Z-failover-ab12`` is
        of ``failover``.
    """
    name = opened.get("experiment")
    return name if isinstance(name, str) and name else run.partition("-")[2].rpartition("-")[0] or run


def make_run_directory(runs: Path, name: str) -> Path:
    """Create a new, empty directory in ``runs`` for one run, readable by this user only; its name is the run id."""
    path = runs / new_run_id(name)
    path.mkdir(mode=0o700)
    return path
