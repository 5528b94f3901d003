"""Rows of requests, how requests end, counting many at once, clocks: all pure."""

import json

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.client.clocks import measure, reading
from chaosdrill.load.buckets import CLASS_RATIO, class_ms, latency_class
from chaosdrill.load.outcomes import outcome_of
from chaosdrill.load.request_rows import MOST_KEPT, RequestRows
from chaosdrill.load.timeline import BucketTimeline
from chaosdrill.records.rows import ERROR, OK, REFUSED, TIMED_OUT

EPOCH_NS = 1_795_398_412_000_000_000


class _Answer:
    def __init__(self, status_code: object, error: object = None) -> None:
        self.status_code, self.error = status_code, error


def _raised(outer: Exception, cause: Exception) -> Exception:
    outer.__cause__ = cause
    return outer


BROKEN = requests.ConnectionError(_raised(RuntimeError("pool"), ConnectionResetError(104, "reset")))
SLOW = requests.ReadTimeout(_raised(RuntimeError("pool"), TimeoutError("slow")))


@pytest.mark.parametrize(
    ("failed", "answer", "expected"),
    [
        (None, _Answer(200), (OK, 200, "")),
        (None, _Answer(0, BROKEN), (OK, 0, "ConnectionResetError")),
        (None, None, (OK, 0, "")),
        (requests.HTTPError("503"), _Answer(503), (REFUSED, 503, "")),
        (ValueError("not what it should be"), _Answer(200), (REFUSED, 200, "ValueError")),
        (requests.JSONDecodeError("no", "", 0), _Answer(200), (REFUSED, 200, "JSONDecodeError")),
        (ValueError("a script's word"), _Answer(0, SLOW), (TIMED_OUT, 0, "TimeoutError")),
        (BROKEN, _Answer(0, BROKEN), (ERROR, 0, "ConnectionResetError")),
        (ConnectionResetError(104, "in the body"), _Answer(200), (ERROR, 200, "ConnectionResetError")),
        (TimeoutError("in the body"), _Answer(200), (TIMED_OUT, 200, "TimeoutError")),
        (RuntimeError("rolled back"), None, (ERROR, 0, "RuntimeError")),
        ("UNAVAILABLE", None, (ERROR, 0, "UNAVAILABLE")),
        ("UNAVAILABLE", _Answer(503), (REFUSED, 503, "UNAVAILABLE")),
        ("two\nlines", None, (ERROR, 0, "two")),
        ("x" * 500, None, (ERROR, 0, "x" * 80)),
        (TimeoutError, None, (TIMED_OUT, 0, "TimeoutError")),
        ({"code": 14}, None, (ERROR, 0, "dict")),
        ("", None, (OK, 0, "")),
        (0, _Answer(200), (OK, 200, "")),
        (None, _Answer("UNAVAILABLE"), (OK, 0, "")),
        (None, _Answer(10**9), (OK, 0, "")),
        (None, _Answer(200, "a text"), (OK, 200, "")),
    ],
)
def test_an_outcome_is_locusts_word_and_status_and_error_are_the_truth(
    failed: object, answer: _Answer | None, expected: tuple[int, int, str]
) -> None:
    assert outcome_of(failed, answer) == expected


@given(name=st.text(), size=st.integers(0, 10**9), milliseconds=st.floats(0, 10**6), error=st.text(max_size=20))
def test_a_row_is_one_line_of_json_whatever_is_in_it(name: str, size: int, milliseconds: float, error: str) -> None:
    kind = ("GET", name, ERROR, 0, error, "east", "10.0.0.1", 2)
    (line,) = RequestRows(EPOCH_NS).lines(kind, [7, 5, milliseconds, size])
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    us = int(milliseconds * 1000)
    assert json.loads(line) == ["r", EPOCH_NS + 5, us, "GET", name, ERROR, 0, error, size, "east", "10.0.0.1", 2]


def test_a_script_that_names_every_request_otherwise_is_recorded_all_the_same() -> None:
    rows = RequestRows(EPOCH_NS)
    for number in range(MOST_KEPT + 10):
        kind = ("GET", f"/item/{number}", OK, 200, "", "", "", 0)
        (line,) = rows.lines(kind, [2, 1, 1.0, 2])
        assert json.loads(line)[4] == f"/item/{number}"


times = st.lists(st.tuples(st.integers(0, 3000).map(lambda ms: ms * 10**6), st.floats(0.001, 10**5)), max_size=30)


@given(seen=times, failed=st.booleans())
def test_requests_count_together_as_they_do_one_by_one(seen: list[tuple[int, float]], failed: bool) -> None:
    seen.sort()
    together, single = BucketTimeline(), BucketTimeline()
    together.requests(("GET", "/a"), failed, [EPOCH_NS + at for at, _ in seen], [one for _, one in seen])
    for at_ns, milliseconds in seen:
        single.request((EPOCH_NS + at_ns) / 1e9, milliseconds, failed, ("GET", "/a"))
    since_s = EPOCH_NS / 1e9
    a, b = together.between(since_s, since_s + 4), single.between(since_s, since_s + 4)
    assert (a.requests, a.failures, a.max_ms, a.classes) == (b.requests, b.failures, b.max_ms, b.classes)
    assert together.counts(since_s, since_s + 4) == single.counts(since_s, since_s + 4)
    assert a.sum_ms == pytest.approx(b.sum_ms)


@given(st.floats(0.01, 10**6))
def test_a_class_is_within_its_ratio(milliseconds: float) -> None:
    assert class_ms(latency_class(milliseconds)) == pytest.approx(milliseconds, rel=CLASS_RATIO**0.5 - 1 + 1e-9)


@given(
    offset_ns=st.integers(-(10**12), 10**12),
    ways=st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=6),
)
def test_a_clock_is_within_its_uncertainty_however_long_each_way_takes(
    offset_ns: int, ways: list[tuple[int, int]]
) -> None:
    now_ns, left = EPOCH_NS, iter(ways)
    back_ns = 0

    def ask() -> int:
        nonlocal now_ns, back_ns
        there_ns, back_ns = next(left)
        shown = now_ns + there_ns + offset_ns
        now_ns += there_ns + back_ns
        return shown

    found = measure(ask, lambda: now_ns, len(ways))
    assert found.rtt_ns == min(sum(one) for one in ways)
    assert abs(found.offset_ns - offset_ns) <= found.uncertainty_ns


def test_a_clock_of_which_another_one_knows_adds_up() -> None:
    found = reading(EPOCH_NS + 5_000, EPOCH_NS, EPOCH_NS + 200).plus(1_000, 50)
    assert (found.offset_ns, found.uncertainty_ns) == (5_900, 150)
