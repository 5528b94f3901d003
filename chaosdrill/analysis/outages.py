"""Values for times without service: start and end with their uncertainty, shortest and longest duration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.expected_beats import NS, Slots
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.spans import Span, length
from chaosdrill.messages import NOTHING, sentence

ANY = ""


@dataclass(frozen=True)
class Outage:
    """A time without service. Times are UTC nanoseconds by the recorder's clock.

    :param operation: the operation without service; empty: at each moment some operation was.
    :param since_ns: when the outage began, plus or minus ``since_uncertainty_ns``.
    :param until_ns: when it ended, or was last observed, plus or minus ``until_uncertainty_ns``.
    :param sure: the certain parts, each from an unserved beat to an unserved beat.
    :param possible: the served beats before and after it; None where there is none, so that it may be longer.
    :param beats: how many beats in it were not served.
    :param unknown: the times in it without usable beats.
    :param resolution_ns: the time between two beats.
    """

    operation: str
    since_ns: int
    until_ns: int
    since_uncertainty_ns: int
    until_uncertainty_ns: int
    sure: tuple[Span, ...]
    possible: tuple[int | None, int | None]
    beats: int
    unknown: tuple[Span, ...]
    resolution_ns: int
    deadline_s: float

    @property
    def began(self) -> bool:
        """Whether its beginning was observed."""
        return self.possible[0] is not None

    @property
    def ended(self) -> bool:
        """Whether its end was observed."""
        return self.possible[1] is not None

    @property
    def unknown_ns(self) -> int:
        """How much of it is unknown."""
        return length(self.unknown)

    @property
    def at_least_ns(self) -> int:
        """How long it certainly was."""
        return length(self.sure)

    @property
    def at_most_ns(self) -> int | None:
        """The longest that it can have been; None when its beginning or its end was not observed."""
        since_ns, until_ns = self.possible
        return None if since_ns is None or until_ns is None else until_ns - since_ns

    @property
    def seconds(self) -> Measured:
        """How long it was."""
        value_ns, most_ns = self.until_ns - self.since_ns, self.at_most_ns
        edges_ns = self.since_uncertainty_ns + self.until_uncertainty_ns
        values = {"deadline_s": self.deadline_s, "beats": self.beats}
        how = sentence(
            "heartbeat: no beat of some operation was answered within {deadline_s:g} s ({beats} beats)", **values
        )
        if self.operation:
            how = sentence(
                "heartbeat: no beat ({operation}) was answered within {deadline_s:g} s ({beats} beats)",
                operation=self.operation,
                **values,
            )
        unknown_s = self.unknown_ns / NS
        why = sentence("nothing is known of {seconds:.2g} s of it", seconds=unknown_s) if unknown_s else NOTHING
        if most_ns is None:
            return Measured(self.at_least_ns / NS, "s", how, self.resolution_ns / NS, None, why, at_least=True)
        about_ns = max(edges_ns, value_ns - self.at_least_ns, most_ns - value_ns)
        return Measured(value_ns / NS, "s", how, self.resolution_ns / NS, about_ns / NS, why)

    def as_json(self) -> dict[str, Any]:
        """Return the outage as JSON values."""
        return {
            "operation": self.operation or None,
            "since_ns": self.since_ns,
            "until_ns": self.until_ns,
            "since_uncertainty_s": self.since_uncertainty_ns / NS,
            "until_uncertainty_s": self.until_uncertainty_ns / NS,
            "began": self.began,
            "ended": self.ended,
            "at_least_s": self.at_least_ns / NS,
            "at_most_s": None if self.at_most_ns is None else self.at_most_ns / NS,
            "unknown_s": self.unknown_ns / NS,
            "beats": self.beats,
            "seconds": self.seconds.as_json(),
        }


@dataclass(frozen=True)
class UnknownSpan:
    """A time in which it is unknown whether an operation was without service.

    :param is_open: no beat was served before it, or none after it.
    """

    operation: str
    since_ns: int
    until_ns: int
    is_open: bool


@dataclass(frozen=True)
class Unavailability:
    """All times without service in a span.

    :param by_operation: the outages of each operation, in order, none adjacent to another.
    :param overall: the outages in which some operation was without service.
    :param unknown: the times in which the service is unknown.
    :param slots: the beats that were due, by operation.
    """

    span_ns: Span
    by_operation: Mapping[str, tuple[Outage, ...]]
    overall: tuple[Outage, ...]
    unknown: tuple[UnknownSpan, ...]
    slots: tuple[Slots, ...]
    deadline_s: float

    @property
    def at_least_ns(self) -> int:
        """How long some operation certainly was without service, over all outages."""
        return length(part for outage in self.overall for part in outage.sure)

    @property
    def at_most_ns(self) -> int:
        """The longest that some operation can have been without service in the span: unknown time counts."""
        begin, end = self.span_ns
        ends = [(begin if a is None else a, end if b is None else b) for a, b in (one.possible for one in self.overall)]
        return length([*ends, *((one.since_ns, one.until_ns) for one in self.unknown)])

    @property
    def total(self) -> Measured:
        """How long some operation was without service, over all outages."""
        value_ns = sum(outage.until_ns - outage.since_ns for outage in self.overall)
        about_ns = max(value_ns - self.at_least_ns, self.at_most_ns - value_ns, 0)
        how = sentence(
            "heartbeat: some operation's beats were not answered within {deadline_s:g} s; all outages together",
            deadline_s=self.deadline_s,
        )
        resolution_ns = max((one.interval_ns for one in self.slots), default=0)
        return Measured(value_ns / NS, "s", how, resolution_ns / NS, about_ns / NS)

    def without_service(self, operation: str = ANY) -> tuple[Span, ...]:
        """Return when the operation was without service; default: when some operation was."""
        found = self.overall if operation == ANY else self.by_operation.get(operation, ())
        return tuple((outage.since_ns, outage.until_ns) for outage in found)
