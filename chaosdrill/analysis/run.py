"""A whole run as values: the input of :func:`chaosdrill.analysis.judgement.judge`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chaosdrill.analysis.findings import Finding
from chaosdrill.analysis.ledger import WriteLedger

if TYPE_CHECKING:
    from chaosdrill.analysis.ledger_comparison import Truth
    from chaosdrill.analysis.load_outage import Bucket
    from chaosdrill.analysis.records import Beats, Requests

Event = Mapping[str, Any]


@dataclass(frozen=True)
class RecordSource:
    """A writer of records, and how far its records reach. Times are UTC nanoseconds by the recorder's clock.

    :param name: such as ``heartbeat`` or ``locust-123``.
    :param kind: beats or requests.
    :param watermark_ns: everything before it is recorded; None without a watermark.
    :param ended: whether it recorded its end.
    :param silences: start and end of the times without a watermark, each longer than 5 s.
    """

    name: str
    kind: str
    watermark_ns: int | None
    ended: bool
    silences: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Run:
    """Everything that a drill recorded.

    :param events: its history, oldest first.
    :param beats: the heartbeat's records; None when there are none.
    :param requests: the load generator's records; None when there are none.
    :param ledger: the heartbeat's ledger of writes; None when there is none.
    :param buckets: ``(start_s, succeeded, failed)`` per 0.1 s of load, by the load generator's clock.
    :param sources: the writers of beats and requests, and how far their records reach.
    :param problems: problems found while the run was read.
    :param truths: the databases' own account at each read-back; only a lab has one.
    """

    events: Sequence[Event]
    beats: "Beats | None" = None
    requests: "Requests | None" = None
    ledger: WriteLedger | None = None
    buckets: "Sequence[Bucket]" = ()
    sources: tuple[RecordSource, ...] = ()
    problems: tuple[Finding, ...] = ()
    truths: "tuple[Truth, ...]" = ()

    def named(self, *names: str) -> Iterator[Event]:
        """Return the events of these names, oldest first."""
        return (event for event in self.events if event.get("event") in names)

    def first(self, *names: str) -> Event:
        """Return the first event of these names; an empty one when there is none."""
        return next(self.named(*names), {})


def at_ns(event: Event) -> int | None:
    """Return when an event was written, UTC nanoseconds by the recorder's clock; None when it does not record it."""
    return moment_ns(event.get("at"))


def moment_ns(text: Any) -> int | None:
    """Return a UTC time in ISO 8601 as nanoseconds since the epoch; None when it is invalid."""
    try:
        moment = datetime.fromisoformat(text)
        return round(moment.timestamp() * 1000) * 1_000_000 if moment.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
