"""The directory a drill leaves behind: ``<home>/runs/<run id>/`` with the experiment, the history and the summary."""

import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

EXPERIMENT, TOPOLOGY, JOURNAL = "experiment", "topology.yaml", "journal.json"
HISTORY, TIMELINE, SUMMARY = "history.jsonl", "timeline.jsonl", "summary.json"
REPORT = "report.html"  # made from the rest, at any time


def new_run_id(name: str) -> str:
    """:returns: such as ``20260501T093000Z-failover-ab12``: sorts by time and tells the experiment."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "drill"
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{words}-{secrets.token_hex(2)}"


def experiment_of(run: str) -> str:
    """:returns: the experiment that a run's id tells: ``20260501T093000Z-failover-ab12`` is of ``failover``."""
    return run.partition("-")[2].rpartition("-")[0] or run


def make_run_directory(runs: Path, name: str) -> Path:
    """:returns: a new, empty directory in ``runs`` for one run, readable by this user only; its name is the run id."""
    path = runs / new_run_id(name)
    path.mkdir(mode=0o700)
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or nothing, also after a crash."""
    draft = path.with_name(path.name + ".part")
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
