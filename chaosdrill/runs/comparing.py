"""Stored runs as values that can be compared."""

from pathlib import Path

from chaosdrill.analysis.compared_run import ComparedRun, compared_run
from chaosdrill.errors import BadInput
from chaosdrill.history.run_directory import SUMMARY
from chaosdrill.runs.documents import json_document
from chaosdrill.runs.entries import experiment_of
from chaosdrill.runs.events import read_events

NEWEST_SUMMARY = 2


def read_compared_run(directory: Path) -> ComparedRun:
    """:returns: a stored run as far as it can be compared, by its own summary and history.

    :raises BadInput: when its summary is of a newer version than this chaosdrill knows, or there is none.
    """
    said = json_document(directory / SUMMARY)
    if not said:
        raise BadInput([f"{directory.name} has no summary: it did not come to its end; see `chaosdrill runs judge`"])
    version = said.get("version")
    if not isinstance(version, int) or version > NEWEST_SUMMARY:
        raise BadInput(
            [f"{directory.name}: its summary is of version {version}, this chaosdrill knows {NEWEST_SUMMARY}"]
        )
    events, _ = read_events(directory, still_open=True)
    return compared_run(directory.name, experiment_of(directory.name), events, said)
