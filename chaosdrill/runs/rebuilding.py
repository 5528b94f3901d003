"""Rebuilding of journal and summary from the history of a drill that died, by any later command."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from chaosdrill.analysis.summary_fields import REBUILT
from chaosdrill.bounded_yaml import LONGEST_TEXT, load_yaml
from chaosdrill.history.json_safe import to_json_safe
from chaosdrill.history.run_directory import EXPERIMENT, JOURNAL, SUMMARY
from chaosdrill.history.whole_files import write_new
from chaosdrill.runs.documents import json_document, read_regular
from chaosdrill.runs.entries import opened_of
from chaosdrill.runs.events import read_events
from chaosdrill.runs.journals import journal_of
from chaosdrill.runs.liveness import lock_dead_run
from chaosdrill.runs.lookup import names_of_runs

if TYPE_CHECKING:
    from chaosdrill.analysis.judgement import Judgement
    from chaosdrill.analysis.run import Run


def rebuild_journals(runs: Path) -> list[str]:
    """Rebuild the journal of every run in a store whose drill died; this checks each run for a summary.

    :returns: the runs whose journal was made. Runs that cannot be written are skipped and tried again next time.
    """
    found = []
    for name in names_of_runs(runs):
        if os.path.lexists(f"{runs}/{name}/{SUMMARY}"):
            continue
        with suppress(OSError):
            if rebuild_journal(runs / name):
                found.append(name)
    return found


def rebuild_journal(directory: Path) -> bool:
    """Rebuild the journal of a run whose drill died, from its history.

    A journal that the drill wrote is never replaced.

    :returns: whether it was made.
    :raises OSError: when it cannot be written.
    """
    return _rebuilt(directory, JOURNAL, lambda: journal_of(read_events(directory, True)[0], experiment_in(directory)))


def rebuild_summary(directory: Path, run: "Run", judgement: "Judgement") -> bool:
    """Rebuild the summary of a run whose drill died; a summary written by the drill is never replaced.

    :param run: what the drill recorded.
    :param judgement: the judgement of the run.
    :returns: whether it was made.
    :raises OSError: when it cannot be written.
    """
    from chaosdrill.runs.making_summaries import summary_of  # imports numpy, which the opening of a drill must not

    return _rebuilt(directory, SUMMARY, lambda: summary_of(directory, run, judgement, REBUILT))


def experiment_in(directory: Path) -> dict[str, Any]:
    """Return the experiment from its copy in a run directory; empty when it cannot be read."""
    for path in sorted(directory.glob(f"{EXPERIMENT}.*")):
        if path.suffix == ".json":
            return json_document(path)
        try:
            found = load_yaml(read_regular(path, LONGEST_TEXT).decode())
        except (OSError, ValueError, yaml.YAMLError):
            return {}
        return found if isinstance(found, dict) else {}
    return {}


def _rebuilt(directory: Path, name: str, document: Callable[[], Mapping[str, Any]]) -> bool:
    path = directory / name
    if os.path.lexists(path) or not opened_of(directory):
        return False
    with lock_dead_run(directory) as left:
        if not left:
            return False
        with suppress(FileExistsError):  # another process was faster
            write_new(path, json.dumps(to_json_safe(document()), indent=1) + "\n")
            return True
    return False
