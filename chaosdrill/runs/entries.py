"""One run in a line of the catalogue: what it was, and how it ended."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaosdrill.history.run_directory import HISTORY, SUMMARY, experiment_of
from chaosdrill.runs.documents import json_document
from chaosdrill.runs.tags import tags_of

FIGURES = ("recovery_fail_over_s", "recovery_fail_back_s", "lost_writes_after_failover", "lost_writes_after_failback")
LONGEST_LINE = 1_000_000
UNJUDGED = "unjudged"  # it ended without a summary: `runs judge` says what it proved


@dataclass(frozen=True)
class Entry:
    """What lists and filters need of a run.

    :param run: its id, which is the name of its directory.
    :param experiment: the name of the experiment's file, without its ending.
    :param began: UTC, in ISO 8601; empty when nobody wrote it.
    :param verdict: the word of its summary; ``unjudged`` when it has none.
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

    def as_json(self) -> dict[str, Any]:
        """:returns: it as JSON values."""
        return asdict(self)


def entry_of_json(values: Mapping[str, Any]) -> Entry:
    """:returns: what :meth:`Entry.as_json` gave.

    :raises KeyError, TypeError: when it is something else.
    """
    return Entry(**{**values, "broken": tuple(values["broken"]), "tags": tuple(values["tags"])})


def entry_of(directory: Path) -> Entry:
    """:returns: the entry of a run directory, in whatever state it is; it never raises for what is in the files."""
    opened = _opened(directory)
    said = json_document(directory / SUMMARY)
    origin = _mapping(opened.get("origin"))
    return Entry(
        run=directory.name,
        experiment=experiment_of(directory.name),
        title=_text(said.get("title") or opened.get("title")),
        began=_text(opened.get("at")),
        target=_text(said.get("target") or opened.get("target")),
        scale=_number(said.get("scale")),
        verdict=_text(said.get("verdict")) or UNJUDGED,
        seconds=_number(said.get("seconds")),
        operator=_text(origin.get("operator")),
        change_ticket=_text(opened.get("change_ticket")),
        broken=tuple(map(str, said.get("broken") or ())) if isinstance(said.get("broken"), list) else (),
        tags=tags_of(directory),
        figures=_figures(said),
    )


def _opened(directory: Path) -> Mapping[str, Any]:
    """The first event of the history, which alone is read."""
    try:
        with open(directory / HISTORY, "rb") as history:
            first = json.loads(history.readline(LONGEST_LINE))
    except (OSError, ValueError, RecursionError):
        return {}
    return first if isinstance(first, dict) and first.get("event") == "drill-opened" else {}


def _figures(said: Mapping[str, Any]) -> dict[str, float]:
    figures = _mapping(_mapping(said.get("judgement")).get("figures"))
    values = {name: _number(_mapping(figures.get(name)).get("value")) for name in FIGURES}
    return {name: value for name, value in values.items() if value is not None}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
