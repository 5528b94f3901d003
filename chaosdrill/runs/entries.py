"""Catalogue entries of runs: what each run was, and how it ended."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.history.run_directory import HISTORY, experiment_of
from chaosdrill.runs.documents import open_regular
from chaosdrill.runs.summaries import Summary, read_summary
from chaosdrill.runs.tags import tags_of

FIGURES = ("recovery_fail_over_s", "recovery_fail_back_s", "lost_writes_after_failover", "lost_writes_after_failback")
LONGEST_LINE = 1_000_000
UNJUDGED = "unjudged"  # it ended without a summary: `runs judge` judges it
UNREADABLE = "unreadable"  # its summary is of a newer version, or invalid: `runs verdict` gives the reason


class RunEntry(NamedTuple):
    """The fields of a run that lists and filters use. A tuple, because a list may create ten thousand of them.

    :param run: its id, which is the name of its directory.
    :param experiment: the name of its experiment: that of the file, without the ending.
    :param began: UTC, in ISO 8601; empty when it was not recorded.
    :param verdict: the verdict of its summary; ``unjudged`` without a summary, ``unreadable`` if it cannot be used.
    :param source: the origin of the summary: ``drill``, ``rebuilt`` or ``imported``; empty without a usable one.
    :param seconds: its duration; None when it did not end.
    :param broken: how its lab was broken on purpose.
    :param figures: the values of the measured figures, by name.
    """

    run: str
    experiment: str = ""
    title: str = ""
    began: str = ""
    target: str = ""
    scale: float | None = None
    verdict: str = UNJUDGED
    seconds: float | None = None
    operator: str = ""
    change_ticket: str = ""
    broken: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    figures: Mapping[str, float] | None = None
    source: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return self._asdict()


def entry_of(directory: Path) -> RunEntry:
    """Return the entry of a run directory in any state; it never raises because of file contents."""
    opened = opened_of(directory)
    summary = read_summary(directory)
    said = summary.said
    return RunEntry(
        run=directory.name,
        experiment=text(said.get("experiment")) or experiment_of(directory.name, opened),
        title=text(said.get("title") or opened.get("title")),
        began=text(opened.get("at") or said.get("began")),
        target=text(said.get("target") or opened.get("target")),
        scale=number(said.get("scale")),
        verdict=_verdict(summary),
        seconds=number(said.get("seconds")),
        operator=text(mapping(opened.get("origin")).get("operator")),
        change_ticket=text(opened.get("change_ticket")),
        broken=tuple(map(str, sequence(said.get("broken")))),
        tags=tags_of(directory),
        figures=_figures(said),
        source=summary.source,
    )


def opened_of(directory: Path) -> Mapping[str, Any]:
    """Return the first event of a run's history without reading the rest; empty when it is not a drill's."""
    try:
        with open_regular(directory / HISTORY) as history:
            first = json.loads(history.readline(LONGEST_LINE))
    except (OSError, ValueError, RecursionError):
        return {}
    return first if isinstance(first, dict) and first.get("event") == "drill-opened" else {}


def _verdict(summary: Summary) -> str:
    if summary.why_not:
        return UNJUDGED if summary.missing else UNREADABLE
    return summary.verdict


def _figures(said: Mapping[str, Any]) -> dict[str, float]:
    figures = mapping(mapping(said.get("judgement")).get("figures"))
    values = {name: number(mapping(figures.get(name)).get("value")) for name in FIGURES}
    return {name: value for name, value in values.items() if value is not None}
