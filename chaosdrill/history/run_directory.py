"""The directory a drill leaves behind: ``<home>/runs/<run id>/`` with the experiment, the history and the summary."""

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
REPORT = "report.html"  # made from the rest, at any time
OCCURRENCE_VARIABLE = "CHAOSDRILL_OCCURRENCE"  # names the occurrence of a game day that a drill is of
EVIDENCE = "evidence"  # the directory of what others recorded of the drill: Step Functions, FIS


def new_run_id(name: str) -> str:
    """:returns: such as ``20260501T093000Z-failover-ab12``: sorts by time and tells the experiment."""
    return run_id(name, datetime.now(UTC), secrets.token_hex(2))


def run_id(name: str, began: datetime, suffix: str) -> str:
    """:returns: the id of a run that began then (UTC); the suffix tells it from others of the same second."""
    words = _words(name)[:MOST_WORDS] or "drill"
    return f"{began:%Y%m%dT%H%M%SZ}-{words}-{suffix}"


def is_told_by_run_id(name: str) -> bool:
    """:returns: whether a name's letters and digits are all in the run ids that are made of it."""
    return name.isascii() and len(_words(name)) <= MOST_WORDS


def _words(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def experiment_of(run: str, opened: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Name the experiment of a run.

    :param run: its id.
    :param opened: the first event of its history.
    :returns: the name in that event. A run that was recorded without it is named by its id:
        ``20260501T093000Z-failover-ab12`` is of ``failover``.
    """
    name = opened.get("experiment")
    return name if isinstance(name, str) and name else run.partition("-")[2].rpartition("-")[0] or run


def make_run_directory(runs: Path, name: str) -> Path:
    """:returns: a new, empty directory in ``runs`` for one run, readable by this user only; its name is the run id."""
    path = runs / new_run_id(name)
    path.mkdir(mode=0o700)
    return path
