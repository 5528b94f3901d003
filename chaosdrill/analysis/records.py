"""Records as arrays: every beat of the heartbeat and every request of the load, on the recorder's timeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaosdrill.analysis.clocks import UNMEASURED, Offset
from chaosdrill.records.rows import OK

if TYPE_CHECKING:
    from numpy import ndarray

    Array = ndarray[Any, Any]

# a beat that the heartbeat did not send, or did not wait for, says nothing about the application
NOT_SENT, GIVEN_UP = "not-sent", "given-up"
DEADLINE_S, TIMEOUT_S, LONGEST_S = 1.0, 5.0, 1e9
_MOST = {"outcome": 2**7, "duration_us": 2**31 - 1, "late_us": 2**31 - 1, "status": 2**15 - 1, "resends": 2**15 - 1}


@dataclass(frozen=True)
class RecordedOperation:
    """A kind of beat: what it does, how many are sent per second, and by which heartbeat."""

    name: str
    rate_per_s: float
    source: str = "heartbeat"


@dataclass(frozen=True)
class DnsLookup:
    """A DNS lookup of the heartbeat.

    :param ttl_s: the remaining TTL of the response.
    :param error: why there is no response; empty if there is one.
    """

    at_ns: int
    addresses: tuple[str, ...]
    ttl_s: float
    error: str = ""


@dataclass(frozen=True)
class Beats:
    """Every beat once, sorted by due time.

    :param operation: for each beat the index of its operation in ``operations``.
    :param due_ns: when the beat was due to be sent, UTC nanoseconds by the recorder's clock.
    :param late_us: how late it was sent.
    :param duration_us: from the due time to the end of the response, or to giving up.
    :param outcome: of ``records.rows.OUTCOMES``.
    :param region: for each beat the index of the region that responded in ``regions``.
    :param watermark_ns: every beat that was due before this time is included.
    :param ended: whether the heartbeat recorded its end.
    :param clock_uncertainty_ns: the uncertainty of its clock; None when it was never compared with the recorder's.
    :param by_address: whether regions are derived from server addresses, because responses do not name them.
    :param silent: for each beat whether it proves nothing, because it was not sent or not waited for; None: no beat is.
    """

    operations: tuple[RecordedOperation, ...]
    operation: "Array"
    seq: "Array"
    due_ns: "Array"
    late_us: "Array"
    duration_us: "Array"
    outcome: "Array"
    status: "Array"
    region: "Array"
    regions: tuple[str, ...]
    watermark_ns: int | None
    deadline_s: float
    timeout_s: float
    lookups: tuple[DnsLookup, ...] = ()
    ended: bool = True
    clock_uncertainty_ns: int | None = 0
    silent: "Array | None" = None
    by_address: bool = False


@dataclass(frozen=True)
class Requests:
    """Every request of the load, sorted by its start.

    :param source: an index into ``sources``; likewise ``name`` into ``names`` and ``region`` into ``regions``.
    :param clock_uncertainty_ns: the largest uncertainty of the sources' clocks; None: one was never compared.
    :param watermark_ns: every request of every source that ended before this time is included; None when a source has
        none.
    """

    sources: tuple[str, ...]
    source: "Array"
    start_ns: "Array"
    duration_us: "Array"
    name: "Array"
    names: tuple[str, ...]
    outcome: "Array"
    status: "Array"
    region: "Array"
    regions: tuple[str, ...]
    resends: "Array"
    clock_uncertainty_ns: int | None = 0
    watermark_ns: int | None = None
    ended: bool = True


def is_served(beats: Beats) -> "Array":
    """Return for each beat whether it got the expected response within the deadline."""
    found: Array = (beats.outcome == OK) & (beats.duration_us <= beats.deadline_s * 1e6)
    return found


def beats_of(
    headers: Sequence[Mapping[str, Any]],
    columns: Mapping[str, "Array"],
    names: Mapping[str, Sequence[str]],
    offsets: Mapping[str, Offset] | None = None,
    lookups: Mapping[str, Sequence[Sequence[Any]]] | None = None,
    watermarks: Mapping[str, int | None] | None = None,
    ended: Mapping[str, bool] | None = None,
) -> Beats:
    """Put the records of one or several heartbeats on the recorder's timeline, sorted, each beat once.

    If a beat occurs twice with different contents, the worse one counts. The order of the rows, of the sources and of
    the texts makes no difference.

    :param headers: the headers of the sources.
    :param columns: the stored columns; times by the source's clock; texts as numbers.
    :param names: the texts of each text column.
    :param offsets: the clock offset of each source; a missing one counts as 0 with an unknown uncertainty.
    :param lookups: the raw rows of DNS lookups of each source.
    :param watermarks: the watermark of each source.
    :param ended: for each source whether it recorded its end.
    """
    from chaosdrill.analysis import columns as arrays

    sources = sorted({*(str(header.get("source")) for header in headers), *names["source"]})
    known = {source: (offsets or {}).get(source, UNMEASURED) for source in sources}
    operation, operations = arrays.operations(headers, columns, names)
    region, regions = arrays.texts(columns["region"], names["region"])
    rows = {
        "due_ns": arrays.shifted(columns["due_ns"], columns["source"], names["source"], known),
        "operation": operation,
        "seq": arrays.narrow(columns["seq"]),
        **{name: arrays.narrow(columns[name], most) for name, most in _MOST.items() if name != "resends"},
        "region": region,
        "silent": arrays.any_of(columns.get("error"), names.get("error", ()), (NOT_SENT, GIVEN_UP)),
    }
    kept = arrays.once(rows, 3, worst=("outcome", "duration_us"))
    found = [
        lookup for source, told in (lookups or {}).items() for lookup in _lookups(told, known.get(source, UNMEASURED))
    ]
    return Beats(
        **kept,
        operations=operations,
        regions=regions,
        watermark_ns=_earliest(sources, known, watermarks or {}),
        deadline_s=max((_seconds(header, "deadline_s", DEADLINE_S) for header in headers), default=DEADLINE_S),
        timeout_s=max((_seconds(header, "timeout_s", TIMEOUT_S) for header in headers), default=TIMEOUT_S),
        lookups=tuple(sorted(found, key=lambda one: (one.at_ns, one.addresses, one.ttl_s, one.error))),
        ended=all((ended or {}).get(source, False) for source in sources),
        clock_uncertainty_ns=_worst(known),
    )


def requests_of(
    columns: Mapping[str, "Array"],
    names: Mapping[str, Sequence[str]],
    offsets: Mapping[str, Offset] | None = None,
    watermarks: Mapping[str, int | None] | None = None,
    ended: Mapping[str, bool] | None = None,
) -> Requests:
    """Put the records of all of the load's processes on the recorder's timeline, sorted, each request once.

    The parameters are those of :func:`beats_of`.
    """
    from chaosdrill.analysis import columns as arrays

    known = {source: (offsets or {}).get(source, UNMEASURED) for source in names["source"]}
    texts = {name: arrays.texts(columns[name], names[name]) for name in ("source", "name", "region")}
    rows = {
        "start_ns": arrays.shifted(columns["start_ns"], columns["source"], names["source"], known),
        "source": texts["source"][0],
        **{name: arrays.narrow(columns[name], most) for name, most in _MOST.items() if name != "late_us"},
        **{name: texts[name][0] for name in ("name", "region")},
    }
    return Requests(
        **arrays.once(rows, len(rows)),
        sources=texts["source"][1],
        names=texts["name"][1],
        regions=texts["region"][1],
        clock_uncertainty_ns=_worst(known),
        watermark_ns=_earliest(known, known, watermarks or {}),
        ended=all((ended or {}).get(source, False) for source in known),
    )


def _earliest(
    sources: Sequence[str] | Mapping[str, Offset], offsets: Mapping[str, Offset], watermarks: Mapping[str, int | None]
) -> int | None:
    moments = [
        None if (mark := watermarks.get(source)) is None else int(offsets[source].to_recorder(mark))
        for source in sources
    ]
    told = [moment for moment in moments if moment is not None]
    return min(told) if told and len(told) == len(moments) else None


def _worst(offsets: Mapping[str, Offset]) -> int | None:
    if not all(offset.measured for offset in offsets.values()):
        return None
    return max((offset.uncertainty_ns for offset in offsets.values()), default=None)


def _lookups(rows: Sequence[Sequence[Any]], offset: Offset) -> list[DnsLookup]:
    found = []
    for row in rows:
        addresses = row[2] if len(row) > 2 and isinstance(row[2], list) else []
        ttl_s = row[3] if len(row) > 3 and isinstance(row[3], (int, float)) else 0.0
        error = str(row[4]) if len(row) > 4 and row[4] else ""
        found.append(DnsLookup(int(offset.to_recorder(row[1])), tuple(map(str, addresses)), float(ttl_s), error))
    return found


def _seconds(header: Mapping[str, Any], name: str, default: float) -> float:
    value = header.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < LONGEST_S:
        return default
    return float(value)
