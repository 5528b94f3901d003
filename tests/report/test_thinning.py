"""A million points for a figure of a thousand pixels: nothing that stands out is lost, and edges are exact."""

import json
import sys
from pathlib import Path

import numpy
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from chaosdrill.analysis.records import Beats, RecordedOperation, Requests
from chaosdrill.report.figures.waterfall import waterfall
from chaosdrill.report.texts import Words
from chaosdrill.report.view.clients import MOST_SPANS, clients
from chaosdrill.report.view.downsampling import MIXED, merged, runs, thinned
from chaosdrill.report.view.timeline import Timeline

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

NS, T0 = 10**9, 1_800_000_000 * 10**9
REGIONS = ("ap-northeast-1", "ap-northeast-3")
COUNT = 1_000_000
OUTAGE_AT, OUTAGE_NS, SLOW_AT, SLOW_US = 654_321, 100_000_000, 123_456, 59_876_543


def requests_of(start_ns, duration_us, outcome):
    count = len(start_ns)
    zeros, codes = numpy.zeros(count, numpy.int16), numpy.zeros(count, numpy.int32)
    return Requests(
        ("locust-1",), codes, start_ns, duration_us, codes, ("/x",), outcome, zeros, codes, REGIONS, zeros
    )  # fmt: skip


def beats_of(due_ns, duration_us, outcome, region=None, rate=20.0):
    count = len(due_ns)
    zeros = numpy.zeros(count, numpy.int64)
    region = zeros if region is None else region
    return Beats(
        (RecordedOperation("read", rate),), zeros, numpy.arange(count), due_ns, zeros, duration_us, outcome, zeros,
        region, REGIONS, None, 1.0, 5.0,
    )  # fmt: skip


def planted():
    """A million moments, 25 ms apart, with a failure of 100 ms (5 in a row) and one extreme latency."""
    at_ns = T0 + numpy.arange(COUNT) * (NS // 40)
    random = numpy.random.default_rng(1)
    duration_us = random.integers(2_000, 30_000, COUNT)
    outcome = numpy.zeros(COUNT, numpy.int8)
    bad = (at_ns >= at_ns[OUTAGE_AT]) & (at_ns <= at_ns[OUTAGE_AT] + OUTAGE_NS)
    outcome[bad], duration_us[bad] = 3, 5_000
    duration_us[SLOW_AT] = SLOW_US
    return at_ns, duration_us, outcome


def numbers_of(told):
    """What Plotly reads."""
    import base64

    kinds = {"f8": numpy.float64, "f4": numpy.float32, "i4": numpy.int32}
    return numpy.frombuffer(base64.b64decode(told["bdata"]), kinds[told["dtype"]])


def figure_of(found):
    timeline = Timeline(T0, T0 + COUNT * (NS // 40), ())
    return json.loads(json.dumps(waterfall(timeline, found, REGIONS, Words("en"))))


def drawn(figure, trace, field):
    return numpy.concatenate([numbers_of(one[field]) for one in figure["data"] if trace(one)])


def test_an_outage_of_100_ms_and_one_extreme_in_a_million_requests_are_in_the_page_s_data():
    at_ns, duration_us, outcome = planted()
    figure = figure_of(clients(None, requests_of(at_ns, duration_us, outcome)))

    def failing(trace):
        return trace["type"] == "bar" and trace["name"] == "bad"

    assert drawn(figure, failing, "base").tolist() == [at_ns[OUTAGE_AT] / 1e6]
    assert drawn(figure, failing, "x").tolist() == [100.0]  # milliseconds, to the edge
    slowest = [one for one in figure["data"] if one["name"] == "slowest"]
    values, moments = numbers_of(slowest[0]["y"]), numbers_of(slowest[0]["x"])
    assert values.max() == SLOW_US / 1000
    assert moments[values.argmax()] == pytest.approx(at_ns[SLOW_AT] / 1e6, abs=0.001)
    assert len(json.dumps(figure)) < 500_000


def test_and_in_a_million_beats():
    at_ns, duration_us, outcome = planted()
    duration_us[SLOW_AT] = 900_000  # served, and slower than any other
    region = (numpy.arange(COUNT) >= 777_777).astype(numpy.int64)
    region[500_000] = 1  # a single beat that another region served
    figure = figure_of(clients(beats_of(at_ns, duration_us, outcome, region, 40.0), None))

    def points(kind):
        return lambda trace: trace["type"] == "scatter" and trace["mode"] == "markers" and kind in trace["name"]

    unserved = drawn(figure, points("not served"), "x")
    assert unserved.tolist() == [one / 1e6 for one in at_ns[OUTAGE_AT : OUTAGE_AT + 5]]
    first = points("served by ap-northeast-1")
    values, moments = drawn(figure, first, "y"), drawn(figure, first, "x")
    assert moments[values.argmax()] == at_ns[SLOW_AT] / 1e6
    assert values.max() == 900

    def spans(role):
        return lambda trace: trace["type"] == "bar" and trace["name"] == role

    assert drawn(figure, spans("bad"), "base").tolist() == [at_ns[OUTAGE_AT] / 1e6]
    begins = drawn(figure, spans("region-2"), "base").tolist()
    assert begins == [at_ns[500_000] / 1e6, at_ns[777_777] / 1e6]  # every change of region, exactly
    assert len(json.dumps(figure)) < 1_500_000


def test_too_many_to_draw_one_by_one_become_spans_whose_edges_are_exact():
    count = 100_000
    at_ns = T0 + numpy.arange(count) * (NS // 20)
    outcome = (numpy.random.default_rng(2).random(count) < 0.3).astype(numpy.int8)
    outcome[:100] = 0
    found = clients(beats_of(at_ns, numpy.full(count, 4_000), outcome), None)
    spans = found.failing[0]
    bad = numpy.flatnonzero(outcome)
    assert len(spans.since_ns) <= MOST_SPANS
    assert set(spans.since_ns) <= set(at_ns[bad])
    assert set(spans.until_ns) <= set(at_ns[bad])
    inside = numpy.searchsorted(spans.since_ns, at_ns[bad], "right") - 1
    assert (at_ns[bad] <= spans.until_ns[inside]).all()  # none is left out
    assert spans.count.sum() == len(bad)
    assert spans.since_ns[0] == at_ns[bad[0]]
    assert spans.until_ns[-1] == at_ns[bad[-1]]


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 50)), max_size=300), st.integers(1, 3000))
def test_of_each_pixel_the_first_the_last_and_the_extremes_stay(points, pixel):
    points.sort(key=lambda one: one[0])
    at, values = (numpy.array([one[part] for one in points], numpy.int64) for part in (0, 1))
    kept = thinned(at, values, pixel)
    assert sorted(set(kept.tolist())) == kept.tolist()
    bins = (at - at[0]) // pixel if len(at) else at
    for number in set(bins.tolist()):
        mine = numpy.flatnonzero(bins == number)
        chosen = [place for place in kept.tolist() if bins[place] == number]
        assert {mine[0], mine[-1]} <= set(chosen)
        assert {values[chosen].min(), values[chosen].max()} == {values[mine].min(), values[mine].max()}
    assert len(kept) <= 4 * len(set(bins.tolist()))


@given(st.lists(st.integers(0, 3), max_size=100))
def test_runs_are_whole_and_no_longer(values):
    first, last = runs(numpy.array(values, numpy.int64))
    rebuilt = [values[begin] for begin, end in zip(first, last, strict=True) for _ in range(begin, end + 1)]
    assert rebuilt == values
    assert all(values[one] != values[other] for one, other in zip(last[:-1], first[1:], strict=True))


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 1000), st.integers(0, 2)), min_size=1, max_size=80),
    st.integers(1, 40),
    st.integers(1, 500),
)
def test_merged_spans_have_edges_of_given_ones_and_lose_none(parts, most, pixel):
    since, until, at = [], [], 0
    for gap, length, _ in parts:
        since.append(at + gap)
        at = at + gap + length
        until.append(at)
    kinds = numpy.array([one[2] for one in parts])
    count = numpy.ones(len(parts), numpy.int64)
    begins, ends, named, counted = merged(numpy.array(since), numpy.array(until), kinds, count, most, pixel)
    assert len(begins) == min(most, len(parts))
    assert set(begins.tolist()) <= set(since)
    assert set(ends.tolist()) <= set(until)
    assert counted.sum() == len(parts)
    for begin, end, kind in zip(begins, ends, named, strict=True):
        inside = {k for s, u, k in zip(since, until, kinds.tolist(), strict=True) if begin <= s and u <= end}
        assert kind == (inside.pop() if len(inside) == 1 else MIXED)


@pytest.mark.long
def test_a_run_of_a_million_requests_makes_a_page_of_a_few_megabytes(tmp_path):
    """The whole way: Parquet, judgement, page. How long it takes is for `benchmarks/report.py`."""
    from judging import make

    from chaosdrill.report.build import write_report

    make(tmp_path, 2 * COUNT)
    table = parquet.read_table(tmp_path / "records" / "requests.parquet")
    assert isinstance(table, pyarrow.Table)
    assert len(table) == COUNT
    page = write_report(tmp_path, into=tmp_path / "page.html")
    assert page.stat().st_size <= 8_000_000
