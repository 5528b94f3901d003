"""The clients' observations, downsampled for a figure without losing an outage or an extreme."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from chaosdrill.analysis.expected_beats import SERVED, UNKNOWN, UNSERVED, states
from chaosdrill.analysis.records import Beats, Requests
from chaosdrill.records.rows import OK
from chaosdrill.report.view.downsampling import merged, pixel_ns, runs, thinned

Array = numpy.ndarray[Any, Any]

BINS = 900  # about the width of a figure in pixels
LEAST_BIN_NS = 1_000_000_000
NICE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
QUANTILES = (0.50, 0.95, 0.99)
MOST_POINTS = 8_000  # of single beats; of more, the extremes of each pixel, and the unserved ones if they are few
MOST_SPANS = 1500
LOAD = "load"


@dataclass(frozen=True, eq=False)
class Ratios:
    """The share of failures in each bin; bins without beats or requests are empty.

    :param of: the heartbeat's operation, or ``load``.
    :param at_ns: the beginning of each bin.
    """

    of: str
    at_ns: Array
    width_ns: int
    bad: Array
    count: Array


@dataclass(frozen=True, eq=False)
class Percentiles:
    """Latencies in each bin: p50, p95 and p99 of the expected responses, and the slowest of all.

    :param values_ms: a row for each of ``QUANTILES``.
    :param slowest_at_ns: when the slowest one of each bin began.
    """

    of: str
    at_ns: Array
    width_ns: int
    values_ms: Array
    slowest_at_ns: Array
    slowest_ms: Array


@dataclass(frozen=True, eq=False)
class Points:
    """Single beats.

    :param kind: the region that served them; ``unserved``; ``unknown``.
    :param of_all: how many there were before downsampling.
    """

    operation: str
    kind: str
    at_ns: Array
    latency_ms: Array
    of_all: int

    @property
    def shown(self) -> int:
        """How many are left after downsampling."""
        return len(self.at_ns)


@dataclass(frozen=True, eq=False)
class Spans:
    """Sequences of beats or requests of one kind, exactly from the first to the last.

    :param kind: the region that served them; ``mixed``: several, too short to separate; ``failed``.
    """

    of: str
    kind: str
    since_ns: Array
    until_ns: Array
    count: Array


@dataclass(frozen=True, eq=False)
class ClientObservations:
    """All observations of clients."""

    ratios: tuple[Ratios, ...]
    percentiles: Percentiles | None
    points: tuple[Points, ...]
    served: tuple[Spans, ...]
    failing: tuple[Spans, ...]


def clients(beats: Beats | None, requests: Requests | None) -> ClientObservations:
    """Return the observations of clients."""
    has_beats = beats is not None and len(beats.due_ns) > 0
    has_requests = requests is not None and len(requests.start_ns) > 0
    ratios, percentiles = [], None
    points: list[Points] = []
    served: list[Spans] = []
    failing: list[Spans] = []
    if beats is not None and has_beats:
        state = states(beats)
        known = state != UNKNOWN
        ratios.append(_ratios("heartbeat", beats.due_ns[known], state[known] == UNSERVED))
        points = list(_points(beats, state))
        served = list(_served(beats, state))
        failing = list(_unserved(beats, state))
        percentiles = _percentiles("heartbeat", beats.due_ns, beats.duration_us, state == SERVED)
    if requests is not None and has_requests:
        bad = requests.outcome != OK
        ratios.append(_ratios(LOAD, requests.start_ns, bad))
        percentiles = _percentiles(LOAD, requests.start_ns, requests.duration_us, ~bad)
        failing.append(_in_a_row(LOAD, requests.start_ns, bad))
    return ClientObservations(tuple(ratios), percentiles, tuple(points), tuple(served), tuple(failing))


def width_ns(at_ns: Array) -> int:
    """Return the width of a bin: a round number of seconds that gives at most ``BINS`` bins."""
    least_s = (int(at_ns[-1]) - int(at_ns[0])) / 1e9 / BINS
    return next((seconds for seconds in NICE_S if seconds >= least_s), int(least_s) + 1) * 1_000_000_000


def _bins(at_ns: Array) -> tuple[Array, int, int]:
    """Return the bin of each moment, the beginning of the first bin, and the width."""
    width = width_ns(at_ns)
    begin_ns = int(at_ns[0]) // width * width
    return (at_ns - begin_ns) // width, begin_ns, width


def _ratios(of: str, at_ns: Array, bad: Array) -> Ratios:
    if not len(at_ns):
        return Ratios(of, at_ns, LEAST_BIN_NS, at_ns, at_ns)
    bins, begin_ns, width = _bins(at_ns)
    count = numpy.bincount(bins)
    failed = numpy.bincount(bins, weights=bad).astype(numpy.int64)
    return Ratios(of, begin_ns + numpy.arange(len(count)) * width, width, failed, count)


def _percentiles(of: str, at_ns: Array, duration_us: Array, good: Array) -> Percentiles:
    bins, begin_ns, width = _bins(at_ns)
    number = int(bins[-1]) + 1
    values = numpy.full((len(QUANTILES), number), numpy.nan)
    keys = numpy.sort((bins[good] << 32) | numpy.clip(duration_us[good], 0, 2**32 - 1))  # by bin, then by duration
    first = numpy.searchsorted(keys, numpy.arange(number + 1) << 32)
    count = numpy.diff(first)
    some = count > 0
    for row, quantile in enumerate(QUANTILES):
        place = first[:-1][some] + numpy.ceil(count[some] * quantile).astype(numpy.int64) - 1
        values[row, some] = (keys[place] & (2**32 - 1)) / 1000
    slowest = _last_of_each_bin(bins, duration_us)
    at = begin_ns + numpy.arange(number) * width
    return Percentiles(of, at, width, values, at_ns[slowest], duration_us[slowest] / 1000)


def _last_of_each_bin(bins: Array, duration_us: Array) -> Array:
    """Return the index of the slowest in each non-empty bin."""
    order = numpy.lexsort((duration_us, bins))
    ends = numpy.flatnonzero(numpy.append(numpy.diff(bins[order]) > 0, True))
    found: Array = order[ends]
    return found


def _points(beats: Beats, state: Array) -> Iterator[Points]:
    for operation, named in enumerate(beats.operations):
        mine = numpy.flatnonzero(beats.operation == operation)
        share = max(200, MOST_POINTS // max(1, len(beats.operations)))
        for kind, chosen in _kinds(beats, state, mine):
            kept = chosen if len(mine) <= share else chosen[_thin(beats, chosen, kind, share // 2)]
            yield Points(named.name, kind, beats.due_ns[kept], beats.duration_us[kept] / 1000, len(chosen))


def _kinds(beats: Beats, state: Array, mine: Array) -> Iterator[tuple[str, Array]]:
    for number, region in enumerate(beats.regions):
        chosen = mine[(state[mine] == SERVED) & (beats.region[mine] == number)]
        if len(chosen):
            yield region, chosen
    for kind, word in (("unserved", UNSERVED), ("unknown", UNKNOWN)):
        chosen = mine[state[mine] == word]
        if len(chosen):
            yield kind, chosen


def _thin(beats: Beats, chosen: Array, kind: str, most: int) -> Array:
    """Return the indices of the points to keep: all unserved ones if they are few."""
    if kind == "unserved" and len(chosen) <= most:
        return numpy.arange(len(chosen))
    span_ns = int(beats.due_ns[-1]) - int(beats.due_ns[0])
    return thinned(beats.due_ns[chosen], beats.duration_us[chosen], pixel_ns(span_ns, most // 4))


def _served(beats: Beats, state: Array) -> Iterator[Spans]:
    """Yield by operation and region the sequences that one region served, regardless of unserved beats in between."""
    span_ns = int(beats.due_ns[-1]) - int(beats.due_ns[0])
    for operation, named in enumerate(beats.operations):
        mine = numpy.flatnonzero((beats.operation == operation) & (state == SERVED))
        if not len(mine):
            continue
        first, last = runs(beats.region[mine])
        kinds = beats.region[mine][first]
        since, until, count = beats.due_ns[mine][first], beats.due_ns[mine][last], last - first + 1
        since, until, kinds, count = merged(since, until, kinds, count, MOST_SPANS, pixel_ns(span_ns, BINS))
        for kind in numpy.unique(kinds):
            those = kinds == kind
            name = beats.regions[kind] if kind >= 0 else "mixed"
            yield Spans(named.name, name, since[those], until[those], count[those])


def _unserved(beats: Beats, state: Array) -> Iterator[Spans]:
    """Yield the sequences of unserved beats by operation."""
    for operation, named in enumerate(beats.operations):
        mine = numpy.flatnonzero(beats.operation == operation)
        yield _in_a_row(named.name, beats.due_ns[mine], state[mine] == UNSERVED)


def _in_a_row(of: str, at_ns: Array, bad: Array) -> Spans:
    """Return the sequences of failures; of too many the nearest ones are merged."""
    first, last = runs(bad)
    failed = bad[first]
    first, last = first[failed], last[failed]
    since, until, count = at_ns[first], at_ns[last], last - first + 1
    kinds = numpy.zeros(len(first), numpy.int64)
    since, until, _, count = merged(since, until, kinds, count, MOST_SPANS, 0)
    return Spans(of, "failed", since, until, count)
