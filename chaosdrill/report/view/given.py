"""What a report is made of; and values of a history that anybody may have written, taken for what they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.analysis.findings import Finding
from chaosdrill.analysis.judgement import Judgement
from chaosdrill.analysis.run import Event, Run, at_ns

NS = 1_000_000_000


@dataclass(frozen=True)
class Given:
    """A run, its judgement, and what stands beside it.

    :param name: of the run: its id, or its directory's.
    :param said: its ``summary.json``; empty when there is none, or none that can be understood.
    :param topology: the text of its topology file; empty when there is none.
    :param experiment: the text of its experiment file.
    :param history_sha256: of the history as it was read; empty when there is none.
    :param notes: what a reader must know before anything else, such as that a file is of a newer version.
    """

    name: str
    run: Run
    judgement: Judgement
    said: Mapping[str, Any] = field(default_factory=dict)
    topology: str = ""
    experiment: str = ""
    history_sha256: str = ""
    notes: tuple[str, ...] = ()

    @property
    def opened(self) -> Event:
        """The event that opened the drill; an empty one when there is none."""
        return self.run.first("drill-opened")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, the gravest first."""
        return self.judgement.findings

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """From the first moment of the history to the last; None when it tells of none."""
        moments = [moment for event in self.run.events if (moment := at_ns(event)) is not None]
        return (min(moments), max(moments)) if moments else None


def mapping(value: Any) -> Mapping[str, Any]:
    """:returns: it when it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """:returns: it when it is a list, else an empty one."""
    return value if isinstance(value, (list, tuple)) else ()


def text(value: Any) -> str:
    """:returns: it when it is a text, nothing when it is None, else it written out."""
    return "" if value is None else value if isinstance(value, str) else str(value)


def number(value: Any) -> float | None:
    """:returns: it when it is a number that there is, else None."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18
    return float(value) if known else None


def timed(events: Iterator[Event]) -> Iterator[tuple[int, Event]]:
    """:returns: the events that say when they were written, with that moment."""
    return ((moment, event) for event in events if (moment := at_ns(event)) is not None)
