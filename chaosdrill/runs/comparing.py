"""Reading of stored runs for comparisons."""

from collections.abc import Iterable
from pathlib import Path

from chaosdrill.analysis.comparability import ExcludedRun
from chaosdrill.analysis.compared_run import ComparedRun, compared_run
from chaosdrill.analysis.summary_fields import DRILL, summary_fields
from chaosdrill.errors import BadInput, problem
from chaosdrill.history.run_directory import experiment_of
from chaosdrill.messages import NOTHING, Sentence, sentence
from chaosdrill.runs.events import read_events
from chaosdrill.runs.summaries import Summary, read_summary

BEFORE_FIELDS = 2  # a summary of version 2 has no hypothesis: it is read from the history


def read_compared_run(directory: Path) -> ComparedRun:
    """Return the comparable part of a stored run, from its summary and history.

    :raises BadInput: when its summary is missing, or of a newer version than this chaosdrill knows.
    """
    summary = read_summary(directory)
    if why := _why_unread(summary):
        text = f"{directory.name}: {why}"
        found = problem("summary-missing", text) if summary.missing else problem("summary-unusable", text)
        raise BadInput([found])
    return _compared(directory, summary)


def _compared(directory: Path, summary: Summary) -> ComparedRun:
    said = summary.said
    if said["version"] <= BEFORE_FIELDS:
        events, _ = read_events(directory, still_open=True)
        said = {**summary_fields(experiment_of(directory.name), events, DRILL), **said}
    return compared_run(directory.name, said)


def read_compared_runs(directories: Iterable[Path]) -> tuple[list[ComparedRun], list[ExcludedRun]]:
    """Return the comparable parts of stored runs, and the runs that cannot be read, with the reason."""
    runs, left_out = [], []
    for directory in directories:
        summary = read_summary(directory)
        if why := _why_unread(summary):
            left_out.append(ExcludedRun(directory.name, why))
        else:
            runs.append(_compared(directory, summary))
    return runs, left_out


def _why_unread(summary: Summary) -> Sentence:
    if summary.missing:
        return sentence("it has no summary: it did not come to its end; see `chaosdrill runs judge`")
    return sentence("its summary {why}", why=summary.why_not) if summary.why_not else NOTHING
