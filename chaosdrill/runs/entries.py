"""One run in a line of the catalogue: what it was, and how it ended."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chaosdrill.analysis.foreign import mapping, number, sequence, text
from chaosdrill.history.run_directory import HISTORY, experiment_of
from chaosdrill.runs.documents import open_regular
from chaosdrill.runs.summaries import Summary, read_summary
from chaosdrill.runs.tags import tags_of

FIGURES = ("recovery_fail_over_s", "recovery_fail_back_s", "lost_writes_after_failover", "lost_writes_after_failback")
LONGEST_LINE = 1_000_000
UNJUDGED = "unjudged"  # it ended without a summary: `runs judge` says what it proved
UNREADABLE = "unreadable"  # its summary is of a newer version, or is none: `runs verdict` says why


class Entry(NamedTuple):
    """What lists and filters need of a run. A tuple, as ten thousand of them are made for a list.

    :param run: its id, which is the name of its directory.
    :param experiment: its name: that of its file, without the ending.
    :param began: UTC, in ISO 8601; empty when nobody wrote it.
    :param verdict: the word of its summary; ``unjudged`` when it has none, ``unreadable`` when that cannot be used.
    :param source: who made the summary: ``drill``, ``rebuilt`` or ``imported``; empty when there is none to be used.
    :param seconds: how long it took; None when it did not end.
    :param broken: how its lab was broken on purpose.
    :param figures: values by name, of those that were measured.
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
        """:returns: it as JSON values."""
        return self._asdict()


def entry_of(directory: Path) -> Entry:
    """:returns: the entry of a run directory, in whatever state it is; it never raises for what is in the files."""
    opened = opened_of(directory)
    summary = read_summary(directory)
    said = summary.said
    return Entry(
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
    """:returns: the first event of a run's history, which alone is read; an empty one when it is not a drill's."""
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
