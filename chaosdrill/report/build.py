"""Building of a run's report: read the run in any state, judge it, and write the page."""

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from chaosdrill.history.run_directory import EXPERIMENT, HISTORY, REPORT, SUMMARY, TOPOLOGY
from chaosdrill.history.whole_files import draft_of
from chaosdrill.messages import Sentence, sentence
from chaosdrill.report.embedding import NoReport, not_installed
from chaosdrill.runs.documents import read_regular
from chaosdrill.runs.summaries import read_summary
from chaosdrill.time_zones import Zone

if TYPE_CHECKING:
    from chaosdrill.analysis.judgement import Judgement
    from chaosdrill.analysis.run import Run
    from chaosdrill.report.view.inputs import ReportInputs

    JudgedRun = tuple[Run, Judgement]


LONGEST_TEXT = 200_000  # bytes of an experiment or a topology


def why_no_report() -> str:
    """Return why no report can be built on this machine, and what to do; empty when one can."""
    return "" if find_spec("plotly") is not None and find_spec("jinja2") is not None else not_installed()


def write_report(
    directory: Path,
    language: str = "en",
    into: Path | None = None,
    zone: Zone = None,
    judged: "JudgedRun | None" = None,
) -> Path:
    """Write a run's report.

    :param directory: the run directory.
    :param language: ``en`` or ``ja``.
    :param into: the file; default: ``report.html`` in the run directory.
    :param zone: the time zone of the local times shown next to UTC; default: that of this machine.
    :param judged: the run as it was read and judged a moment ago; default: both are done here.
    :returns: the file.
    :raises NoReport: when it cannot be built, with the reason.
    :raises OSError: when it cannot be written.
    """
    path = into or directory / REPORT
    whole = report_of(directory, language, zone, judged).encode("utf-8", "backslashreplace")
    with draft_of(path, private=into is None) as draft:
        draft.write(whole)
    return path


def report_of(directory: Path, language: str = "en", zone: Zone = None, judged: "JudgedRun | None" = None) -> str:
    """Return the report of a run as HTML.

    :raises NoReport: when it cannot be built, with the reason.
    """
    if why := why_no_report():
        raise NoReport(why, code="report-not-installed")
    from chaosdrill.report.run_page import run_page
    from chaosdrill.report.view import view_of

    return run_page(view_of(read_given(directory, judged)), language, zone)


def read_given(directory: Path, judged: "JudgedRun | None" = None) -> "ReportInputs":
    """Return the inputs of a run's report.

    :param judged: the run as it was judged while its history was still open; its events are read again.
    :raises NoReport: when the directory contains no run.
    """
    from chaosdrill.analysis.judgement import judge
    from chaosdrill.report.view.inputs import ReportInputs
    from chaosdrill.runs import read_run
    from chaosdrill.runs.events import read_events

    if judged is None:
        run = read_run(directory)
        judgement = judge(run)
    else:
        run, judgement = judged
        run = replace(run, events=tuple(read_events(directory, still_open=False)[0]))
    summary = read_summary(directory)
    if not run.events and not summary.said:
        why = "" if summary.missing else f", and its {SUMMARY} {summary.why_not}"
        raise NoReport(f"{directory} is no run: there is no event in a {HISTORY}{why}", code="run-empty")
    notes: tuple[Sentence, ...] = ()
    if summary.why_not and not summary.missing:
        notes = (sentence("{file} {why}", file=SUMMARY, why=summary.why_not),)
    return ReportInputs(
        directory.resolve().name,
        run,
        judgement,
        summary.said,
        _text(directory / TOPOLOGY),
        next(
            (text for ending in (".yaml", ".yml", ".json") if (text := _text(directory / f"{EXPERIMENT}{ending}"))), ""
        ),
        _sha256(directory / HISTORY),
        notes,
    )


def _text(path: Path) -> str:
    try:
        return read_regular(path, LONGEST_TEXT).decode("utf-8", "replace")
    except OSError:
        return ""


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
