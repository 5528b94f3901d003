"""What a summary says of the steady state: before, during and after, equal readings in a row counted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.analysis.hypothesis import (
    DURING,
    MET,
    MISSED,
    NOT_KNOWN,
    NOT_READ,
    ProbeResult,
    flips,
    hypothesis_of,
    probes_of_json,
    state,
)
from chaosdrill.analysis.summary_fields import DRILL, summary_fields

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
FACTS = ["event", "phase", "activity", "output", "error", "status"]
EVENTS = st.lists(st.dictionaries(st.sampled_from(FACTS), JSON, max_size=4), max_size=4)


def ended(phase: str, output: Any, met: bool | None, status: str = "succeeded", **more: Any) -> dict[str, Any]:
    read = {"activity": "failures", "status": status, "output": output, "tolerance": 0, "tolerance_met": met}
    return {"event": "activity-ended", "phase": phase, **read, **more}


def sampled(output: Any, met: bool | None, error: str = "") -> dict[str, Any]:
    known = {"event": "hypothesis-sampled", "activity": "failures", "tolerance": 0}
    return {**known, "output": output, "tolerance_met": met, "error": error}


def test_readings_are_told_by_when_and_equal_ones_in_a_row_are_counted() -> None:
    events = [
        ended("steady-state-before", 0, True),
        *[sampled(0, True)] * 3,
        *[sampled(7, False)] * 2,
        sampled(None, True, "no answer"),
        sampled(0, True),
        ended("steady-state-during", 0, True),
        ended("steady-state-after", None, None, "failed", error="blind"),
    ]
    assert [one.as_json() for one in hypothesis_of(events)] == [
        {
            "probe": "failures",
            "tolerance": 0,
            "before": [{"value": 0, "met": True, "times": 1}],
            "during": [
                {"value": 0, "met": True, "times": 3},
                {"value": 7, "met": False, "times": 2},
                {"value": "no answer", "met": None, "times": 1},
                {"value": 0, "met": True, "times": 2},
            ],
            "after": [{"value": "blind", "met": None, "times": 1}],
        }
    ]


def test_one_is_not_true_and_other_steps_are_no_readings() -> None:
    events = [sampled(1, True), sampled(True, True), ended("method", 5, True), {"event": "phase"}]
    (probe,) = hypothesis_of(events)
    assert [one.times for one in probe.readings["during"]] == [1, 1]
    assert set(probe.readings) == {"during"}


def test_a_long_value_is_cut_and_says_so() -> None:
    (probe,) = hypothesis_of([sampled("x" * 5000, True)])
    (reading,) = probe.readings["during"]
    assert reading.value.endswith("… (5002 characters)")
    assert len(reading.value) < 1100


@given(EVENTS)
def test_what_was_made_is_read_back_and_strange_events_break_nothing(events: Any) -> None:
    some = [*events, *({**one, "event": "hypothesis-sampled"} for one in events)]
    made = [one.as_json() for one in hypothesis_of(some)]
    assert [one.as_json() for one in probes_of_json(json.loads(json.dumps(made)))] == json.loads(json.dumps(made))


@given(JSON)
def test_whatever_stands_there_is_read(value: Any) -> None:
    for raw in (value, [value], [{"probe": "x", "during": value}], [{"probe": "x", "during": [value]}]):
        json.dumps([one.as_json() for one in probes_of_json(raw)])


def test_what_a_difference_may_come_from_is_named() -> None:
    opened = {
        "event": "drill-opened",
        "at": "2026-05-01T09:30:00.000Z",
        "experiment_sha256": "ab",
        "objectives": {"rto_s": 300},
        "versions": {"chaosdrill": "0.1.0"},
        "configuration": {"users": 10},
        "origin": {"host": "here", "git": {"commit": "cd", "changed": False}},
    }
    target = {"event": "target-opened", "target": "lab", "scale": 0.2, "topology_sha256": "ef"}
    said = summary_fields("failover", [opened, target], DRILL)
    assert (said["experiment"], said["source"], said["report"]) == ("failover", "drill", None)
    assert (said["began"], said["objectives"]) == ("2026-05-01T09:30:00.000Z", {"rto_s": 300})
    assert said["circumstances"] == {
        "experiment (sha256)": "ab",
        "topology (sha256)": "ef",
        "objectives": {"rto_s": 300},
        "target": "lab",
        "scale": 0.2,
        "lenient lab": None,
        "git commit": "cd",
        "host": "here",
        "version of chaosdrill": "0.1.0",
        "variable users": 10,
    }


def readings(met: int, missed: int = 0, unknown: int = 0) -> tuple[ProbeResult, ...]:
    counted = ((0, True, met), (3, False, missed), ("timed out", None, unknown))
    return tuple(ProbeResult(value, answer, times) for value, answer, times in counted if times)


def test_an_unknown_sample_is_not_met() -> None:
    assert state(readings(19, unknown=1)) == NOT_KNOWN
    assert state(readings(18, missed=1, unknown=1)) == MISSED
    assert (state(readings(20)), state(())) == (MET, NOT_READ)


@pytest.mark.parametrize(
    ("before", "after", "flipped"),
    [
        (readings(20), readings(20), False),
        (readings(20), readings(19, missed=1), False),
        (readings(12, missed=8), readings(13, missed=7), False),
        (readings(1), readings(0, missed=1), False),
        (readings(20), readings(10, missed=10), True),
        (readings(0, missed=20), readings(20), True),
        (readings(20), readings(10, unknown=10), False),
        (readings(20), readings(0, missed=10, unknown=10), True),
        (readings(20), (), False),
    ],
)
def test_samples_during_the_method_flip_only_by_more_than_chance(before, after, flipped):
    assert flips(DURING, before, after) is flips(DURING, after, before) is flipped


def test_readings_before_and_after_the_method_flip_whenever_they_differ() -> None:
    for when in ("before", "after"):
        assert flips(when, readings(1), readings(0, missed=1))
        assert flips(when, readings(1), readings(0, unknown=1))
        assert not flips(when, readings(1), readings(3))
