"""Stored runs as values that can be compared."""

from pathlib import Path

from chaosdrill.analysis.compared_run import ComparedRun, compared_run
from chaosdrill.analysis.summary_fields import DRILL, summary_fields
from chaosdrill.errors import BadInput
from chaosdrill.history.run_directory import SUMMARY, experiment_of
from chaosdrill.runs.documents import json_document
from chaosdrill.runs.events import read_events

NEWEST_SUMMARY, BEFORE_FIELDS = 3, 2  # a summary of version 2 leaves its hypothesis to the history


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
    if version <= BEFORE_FIELDS:
        events, _ = read_events(directory, still_open=True)
        said = {**summary_fields(experiment_of(directory.name), events, DRILL), **said}
    return compared_run(directory.name, said)
