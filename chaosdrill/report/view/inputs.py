"""The inputs of a report, and safe access to values of an untrusted history."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chaosdrill.analysis.findings import Finding
from chaosdrill.analysis.run import Event, Run, at_ns
from chaosdrill.analysis.untrusted_json import number
from chaosdrill.messages import Sentence
from chaosdrill.report.sanitizing import on_one_line

if TYPE_CHECKING:
    from chaosdrill.analysis.judgement import Judgement

NS = 1_000_000_000


@dataclass(frozen=True)
class ReportInputs:
    """A run, its judgement, and the other inputs of its report.

    :param name: the id of the run, or the name of its directory.
    :param said: its ``summary.json``; empty when it is missing or unusable.
    :param topology: the text of its topology file; empty when there is none.
    :param experiment: the text of its experiment file.
    :param history_sha256: the hash of the history as it was read; empty when there is none.
    :param notes: what a reader must know before anything else, such as that a file is of a newer version.
    """

    name: str
    run: Run
    judgement: "Judgement"
    said: Mapping[str, Any] = field(default_factory=dict)
    topology: str = ""
    experiment: str = ""
    history_sha256: str = ""
    notes: tuple[Sentence, ...] = ()

    @property
    def opened(self) -> Event:
        """The event that opened the drill; an empty one when there is none."""
        return self.run.first("drill-opened")

    @property
    def target(self) -> str:
        """The target of the drill: ``lab`` or ``aws``; empty if it was not recorded."""
        opened = self.run.first("target-opened")
        return label(opened.get("target") or self.opened.get("target") or self.said.get("target"))

    @property
    def scale(self) -> float | None:
        """The scale of the lab's waits; None if it was not recorded."""
        return number(self.run.first("target-opened").get("scale")) or number(self.said.get("scale"))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, the gravest first."""
        return self.judgement.findings

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """The first and the last moment of the history; None without any."""
        moments = [moment for event in self.run.events if (moment := at_ns(event)) is not None]
        return (min(moments), max(moments)) if moments else None


def label(value: Any) -> str:
    """Return a value that should be text, on one line; any other value as JSON."""
    return "" if value is None else on_one_line(value)


def timed(events: Iterator[Event]) -> Iterator[tuple[int, Event]]:
    """Yield the events that have a time, with that time."""
    return ((moment, event) for event in events if (moment := at_ns(event)) is not None)
