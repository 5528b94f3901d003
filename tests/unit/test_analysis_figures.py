"""Figures: how they are shown, availability, seconds with errors, percentiles, and whether a fault had an effect."""

import numpy
import pytest

from chaosdrill.analysis.effect import CANNOT_TELL, LANDED, NO_EFFECT, NO_SAMPLES, fault_effect
from chaosdrill.analysis.figures import (
    CLOSED_MODEL,
    NO_BEAT,
    NOT_ANSWERED,
    availability,
    error_seconds,
    latencies,
    latencies_of_requests,
)
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.outage_detection import unavailability
from tests.unit.records_rig import NS, T0, beats, requests, simulated

BEFORE, DURING = (T0, T0 + 60 * NS), (T0 + 60 * NS, T0 + 120 * NS)


def shown(value, uncertainty=None, resolution=None, unit="s", **rest):
    return Measured(value, unit, "", resolution, uncertainty, **rest).in_words()


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (shown(12.3468, 0.05), "12.35 s ± 0.05 s"),
        (shown(12.3468, 0.0506), "12.35 s ± 0.05 s"),
        (shown(12.3468, 0.054), "12.35 s ± 0.06 s"),
        (shown(12.3468, 0.123), "12.35 s ± 0.13 s"),
        (shown(12.3468, 2.5), "12 s ± 3 s"),
        (shown(1234.5, 40.0), "1230 s ± 40 s"),
        (shown(4.2, 0.05), "4.20 s ± 0.05 s"),
        (shown(0.98765432, None, 0.001, "ratio"), "0.988"),
        (shown(3.0, at_least=True), "at least 3 s"),
        (shown(7.0, 0.0, 1.0, "writes"), "7 writes"),
        (shown(0.0, 0.15), "0.00 s ± 0.15 s"),
        (shown(None, why="WHY"), "not measured: WHY"),
    ],
)
def test_no_figure_is_shown_more_exact_than_its_uncertainty(measured, words):
    assert measured == words


def test_json_is_rounded_as_the_words_are():
    values = Measured(12.346810293, "s", "how", 0.05, 0.0501).as_json()
    assert (values["value"], values["uncertainty"], values["how"]) == (12.35, 0.05, "how")


def test_availability_is_as_uncertain_as_what_is_unknown():
    known = availability(unavailability(beats("o" * 90 + "x" * 10)))
    assert (known.value, known.uncertainty, known.resolution) == (0.9, 0.0, 0.01)
    blind = availability(unavailability(beats("o" * 80 + "x" * 10 + "-" * 9 + "o")))
    assert blind.value == pytest.approx(81 / 91)
    assert blind.uncertainty == pytest.approx(81 / 91 - 0.81)
    assert (
        availability(
            unavailability(beats("")),
        ).value
        is None
    )


def test_availability_of_a_part_and_of_an_operation():
    found = unavailability(beats("o" * 40, "o" * 20 + "x" * 20))
    assert availability(found, operation="write").value == 0.5
    assert availability(found, (T0 + NS, T0 + 2 * NS)).value == 0.5
    assert availability(found, (T0 + 9 * NS, T0 + 10 * NS)).why == NO_BEAT


def test_error_seconds_count_seconds_with_an_unserved_beat():
    found = unavailability(beats("o" * 20 + "x" + "o" * 19 + "x" * 20 + "-" * 20 + "o" * 20))
    measured = error_seconds(found)
    assert (measured.value, measured.uncertainty) == (2.0, 1.0)
    across = unavailability(beats("o" * 30 + "x" * 20 + "o" * 50))  # from 1.5 to 2.5 s
    assert [error_seconds(across, (T0 + round(since_s * NS), T0 + 4 * NS)).value for since_s in (0, 0.5, 1.25)] == [
        2,
        1,
        2,
    ]


def test_a_second_that_was_partly_unknown_is_uncertain_only_where_it_has_no_error():
    found = unavailability(beats("o" * 20 + "x" * 10 + "-" * 10 + "o" * 20))
    assert (error_seconds(found).value, error_seconds(found).uncertainty) == (1.0, 0.0)


def test_percentiles_count_unanswered_beats_as_slowest():
    found = unavailability(beats("o" * 900 + "s" * 90 + "x" * 10))
    (read,) = latencies(found, {"all": (T0, T0 + 60 * NS)})
    assert read.quantiles["p50"].value == 0.01
    assert read.quantiles["p95"].value == 0.8
    assert read.quantiles["p99"].value == 0.8
    (worse,) = latencies(found, {"end": (T0 + 47 * NS, T0 + 60 * NS)})
    assert (worse.quantiles["p99"].value, worse.quantiles["p99"].why) == (None, NOT_ANSWERED)
    assert worse.served.value == pytest.approx(50 / 60)


def test_percentiles_of_requests_say_that_the_model_is_closed():
    made = requests([("a", number / 10, number / 1000, 0) for number in range(100)])
    early, late = latencies_of_requests(made, {"before": (T0, T0 + 5 * NS), "after": (T0 + 50 * NS, T0 + 60 * NS)})
    assert early.quantiles["p50"].value == pytest.approx(0.024)
    assert early.quantiles["p50"].how == CLOSED_MODEL
    assert (early.count, late.count, late.served.value) == (50, 0, None)


def test_a_percentile_is_as_uncertain_as_its_sample_is_small():
    found = [unavailability(simulated(seconds)) for seconds in (10, 1000)]
    few, many = (latencies(one, {"": one.span_ns})[0].quantiles["p50"].uncertainty for one in found)
    assert few > 5 * many > 0


def test_a_fault_that_makes_beats_fail_has_landed():
    made = simulated(120, lambda at: (at >= 60) & (numpy.random.default_rng(1).random(len(at)) < 0.34))
    found = fault_effect(BEFORE, DURING, made)
    assert found.verdict == LANDED
    share = found.differences[0]
    assert share.low < 0.34 < share.high
    assert share.high - share.low < 0.05
    assert (share.unit, share.before, share.what.values) == ("ratio", 0, {"what": "beats"})
    assert share.in_words() in found.in_words()


def test_newcombes_interval_is_that_of_his_paper():
    made = beats("o" * 14 + "x" * 56 + "o" * 32 + "x" * 48)  # 56 of 70 against 48 of 80: his example (a)
    share = fault_effect((T0, T0 + 70 * NS // 20), (T0 + 70 * NS // 20, T0 + 150 * NS // 20), made).differences[0]
    assert (-share.high, -share.low) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_a_fault_that_nobody_felt_had_no_effect():
    assert fault_effect(BEFORE, DURING, simulated(120)).verdict == NO_EFFECT
    quiet = requests([("a", number / 20, 0.02, 0) for number in range(2400)])
    both = fault_effect(BEFORE, DURING, simulated(120), quiet)
    assert (both.verdict, len(both.differences)) == (NO_EFFECT, 4)


def test_slower_answers_alone_are_an_effect_and_requests_alone_show_it():
    slow = requests([("a", number / 20, 0.02 if number < 1200 or number % 4 else 0.4, 0) for number in range(2400)])
    found = fault_effect(BEFORE, DURING, requests=slow)
    assert [one.verdict for one in found.differences] == [NO_EFFECT, LANDED]
    assert fault_effect(BEFORE, DURING, simulated(120), slow).verdict == LANDED


def test_too_few_beats_tell_nothing():
    few = fault_effect((T0, T0 + NS // 4), DURING, simulated(120))
    assert (few.verdict, few.differences) == (CANNOT_TELL, ())
    assert {"before": 10, "what": "beats"}.items() <= few.why.values.items()
    assert fault_effect(BEFORE, DURING).why == NO_SAMPLES
    some = fault_effect((T0, T0 + NS), (T0 + 60 * NS, T0 + 61 * NS), simulated(120))
    assert some.verdict == CANNOT_TELL


def test_how_often_no_fault_is_taken_for_one():
    assert all(fault_effect(BEFORE, DURING, simulated(120, seed=seed)).verdict == NO_EFFECT for seed in range(20))


def test_the_interval_of_slower_answers_holds_the_truth_in_19_of_20_samples():
    means_s, truth_s = (0.02, 0.2), numpy.log(10) * 0.18  # the 90th percentiles of exponential times
    held = 0
    for seed in range(100):
        chance = numpy.random.default_rng(seed)
        times = [float(chance.exponential(means_s[number >= 300])) for number in range(600)]
        made = requests([("a", number / 5, took, 0) for number, took in enumerate(times)])
        latency = fault_effect(BEFORE, DURING, requests=made).differences[1]
        held += latency.low <= truth_s <= latency.high
        assert latency.high - latency.low < truth_s, "and is no wider than it need be"
    assert held >= 95
