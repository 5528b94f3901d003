"""What a run says for notifications: verdict, figures, and how they have changed since the last comparable run."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chaosdrill.analysis.compared_figures import measured_of
from chaosdrill.analysis.compared_run import COMPARABLE, ComparedRun
from chaosdrill.analysis.comparison import Comparison, comparison, exceeds
from chaosdrill.analysis.untrusted_json import mapping, text
from chaosdrill.messages import Sentence, as_it_is, sentences_from_json
from chaosdrill.runs.catalogue import catalogue
from chaosdrill.runs.comparing import read_compared_run
from chaosdrill.runs.summaries import read_summary

logger = logging.getLogger("chaosdrill")

FIGURES = ("recovery_", "lost_writes_after_")  # how the names of those begin that people are notified of
MOST_READ = 100  # earlier runs in which a comparable one is looked for


def run_facts(directory: Path) -> dict[str, Any]:
    """Read the facts of a run that has ended, as :mod:`chaosdrill.gamedays.notifications.texts` shows them.

    :param directory: of the run, beside the runs with which it may be compared.
    :returns: ``run``; ``verdict`` and ``reason`` when it has any, ``figures``, ``compared`` and ``report``.
    """
    facts: dict[str, Any] = {"run": directory.name}
    summary = read_summary(directory)
    if not summary.said:
        return facts
    said, judgement = summary.said, mapping(summary.said.get("judgement"))
    words = {**sentences_from_json(said.get("said")), **sentences_from_json(judgement.get("said"))}
    facts["verdict"] = summary.verdict
    if summary.reasons:
        facts["reason"] = words.get(summary.reasons[0]) or as_it_is(summary.reasons[0])
    facts["figures"] = dict(_figures(mapping(judgement.get("figures")), words))
    if (compared := _compared(directory)) is not None:
        facts["compared"] = compared
    if report := text(said.get("report")):
        facts["report"] = str(directory / report)
    return facts


def _figures(figures: Mapping[str, Any], words: Mapping[str, Sentence]) -> Iterator[tuple[str, Sentence]]:
    for name, value in figures.items():
        if name.startswith(FIGURES) and (figure := measured_of(value, words)) is not None:
            yield name, figure.in_words()


def _compared(directory: Path) -> dict[str, Any] | None:
    """Compare a run with the last one before it that can be compared.

    :returns: its ``run`` and the ``changes``; without a run when none can; None when this run proved nothing, or the
        comparison failed.
    """
    try:
        run = read_compared_run(directory)
        if run.why_not:
            return None
        found = next(_comparisons(directory, run), None)
    except Exception as error:  # noqa: BLE001 - people learn of the run all the same, above all of a failed rollback
        logger.warning("%s was not compared with earlier runs: %s: %s", directory.name, type(error).__name__, error)
        return None
    return {"run": "", "changes": {}} if found is None else {"run": found.baseline.run, "changes": _changes(found)}


def _comparisons(directory: Path, run: ComparedRun) -> Iterator[Comparison]:
    """Yield the comparisons with earlier runs that are possible, the latest one first."""
    entries = [one for one in catalogue(directory.parent) if one.run < run.run and one.verdict in COMPARABLE]
    for entry in [one for one in reversed(entries) if one.experiment == run.experiment][:MOST_READ]:
        compared = comparison(read_compared_run(directory.parent / entry.run), run)
        if not compared.why_not:
            yield compared


def _changes(compared: Comparison) -> dict[str, dict[str, Any]]:
    return {
        one.name: {"change": one.change.in_words(), "exceeds": _exceeds(one.change.uncertainty, exceeds(one.change))}
        for one in compared.differences
        if one.name.startswith(FIGURES) and one.change is not None
    }


def _exceeds(uncertainty: float | None, is_more: bool) -> bool | None:
    return None if uncertainty is None else is_more
