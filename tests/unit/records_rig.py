"""Records of a heartbeat from a picture: ``o`` served, ``x`` not answered, ``r`` refused, ``s`` slowly, ``-`` missing,
``?`` late.
"""

from collections.abc import Mapping
from typing import Any

import numpy

from chaosdrill.analysis.clocks import Offset
from chaosdrill.analysis.records import Beats, Requests, beats_of, requests_of

NS = 1_000_000_000
T0 = 1_800_000_000 * NS
RATE = 20
BEAT = NS // RATE
FAST_US, SLOW_US, GIVEN_UP_US = 10_000, 800_000, 5_000_000
HEADER = {
    "source": "heartbeat",
    "deadline_s": 1.0,
    "timeout_s": 5.0,
    "operations": [{"name": "read", "rate_per_s": RATE}, {"name": "write", "rate_per_s": RATE}],
}
MEASURED = {"heartbeat": Offset(0, 1000)}
Columns = dict[str, numpy.ndarray[Any, Any]]


def columns_of(pictures: Mapping[str, str], t0: int = T0) -> tuple[Columns, dict[str, list[str]]]:
    """:returns: the stored columns of such a heartbeat, and the texts of those that are numbers of texts."""
    names = list(pictures)
    rows = [
        (number, seq, t0 + seq * BEAT + number * BEAT // max(1, len(names)), mark)
        for number, name in enumerate(names)
        for seq, mark in enumerate(pictures[name])
        if mark != "-"
    ]
    marks = numpy.array([row[3] for row in rows], "U1")
    integers = {name: numpy.array([row[at] for row in rows], numpy.int64)
                for at, name in enumerate(("operation", "seq", "due_ns"))}  # fmt: skip
    zeros = numpy.zeros(len(rows), numpy.int64)
    durations = numpy.where(marks == "x", GIVEN_UP_US, numpy.where(marks == "s", SLOW_US, FAST_US))
    return {
        **integers,
        "source": zeros,
        "late_us": numpy.where(marks == "?", 400_000, 0),
        "duration_us": durations,
        "outcome": numpy.where(marks == "x", 2, numpy.where(marks == "r", 1, 0)),
        "status": numpy.where(marks == "x", 0, numpy.where(marks == "r", 503, 200)),
        "region": numpy.where(marks == "x", 0, 1),
    }, {"source": ["heartbeat"], "operation": names, "region": ["", "ap-northeast-1"]}


def beats(read: str = "", write: str | None = None, t0: int = T0) -> Beats:
    """:returns: a heartbeat's records; without ``write`` it only reads."""
    pictures = {"read": read, "write": write} if write is not None else {"read": read}
    operations = [one for one in HEADER["operations"] if one["name"] in pictures]  # type: ignore[attr-defined]
    return beats_of([{**HEADER, "operations": operations}], *columns_of(pictures, t0), MEASURED)


def simulated(
    seconds: float, failing: Any = None, seed: int = 0, rate: int = RATE, loss: float = 0.0, refusing: Any = None
) -> Beats:
    """:returns: a heartbeat that reads and writes for so long.

    :param failing: given the moments in seconds, which beats are not answered.
    :param loss: the probability that a beat fails by itself.
    :param refusing: given the moments in seconds, which writes a closed region answers with 503.
    """
    random = numpy.random.default_rng(seed)
    count = round(seconds * rate)
    seq, operation = numpy.tile(numpy.arange(count), 2), numpy.repeat([0, 1], count)
    due_ns = T0 + numpy.rint(seq * NS / rate).astype(numpy.int64) + operation * (NS // rate // 2)
    bad = random.random(2 * count) < loss
    if failing is not None:
        bad |= failing((due_ns - T0) / NS)
    refused = numpy.zeros(2 * count, bool)
    if refusing is not None:
        refused = refusing((due_ns - T0) / NS) & (operation == 1)
    bad &= ~refused
    latency_us = random.integers(2_000, 20_000, 2 * count)
    columns = {
        "source": numpy.zeros(2 * count, numpy.int64),
        "operation": operation,
        "seq": seq,
        "due_ns": due_ns,
        "late_us": random.integers(0, 1000, 2 * count),
        "duration_us": numpy.where(bad, GIVEN_UP_US, latency_us),
        "outcome": numpy.where(refused, 1, numpy.where(bad, 2, 0)),
        "status": numpy.where(refused, 503, numpy.where(bad, 0, 200)),
        "region": numpy.zeros(2 * count, numpy.int64),
    }
    rates = [{"name": name, "rate_per_s": rate} for name in ("read", "write")]
    names = {"source": ["heartbeat"], "operation": ["read", "write"], "region": [""]}
    return beats_of([{**HEADER, "operations": rates}], columns, names, MEASURED)


def requests(rows: list[tuple[str, float, float, int]], offsets: Mapping[str, Offset] | None = None) -> Requests:
    """:returns: a load's requests.

    :param rows: source, start in seconds, duration in seconds, outcome.
    """
    sources = list(dict.fromkeys(row[0] for row in rows))
    zeros = numpy.zeros(len(rows), numpy.int64)
    columns = {
        "source": numpy.array([sources.index(row[0]) for row in rows], numpy.int64),
        "start_ns": numpy.array([T0 + round(row[1] * NS) for row in rows], numpy.int64),
        "duration_us": numpy.array([round(row[2] * 1e6) for row in rows], numpy.int64),
        "outcome": numpy.array([row[3] for row in rows], numpy.int64),
        **dict.fromkeys(("status", "resends", "name", "region"), zeros),
    }
    return requests_of(columns, {"source": sources, "name": ["/"], "region": [""]}, offsets)


def same(one: Any, other: Any) -> bool:
    """:returns: whether two records are the same in every value."""
    mine, theirs = vars(one), vars(other)
    return mine.keys() == theirs.keys() and all(numpy.array_equal(mine[name], theirs[name]) for name in mine)


def at(moment_ns: int) -> float:
    """:returns: a moment in seconds from the beginning."""
    return (moment_ns - T0) / NS
