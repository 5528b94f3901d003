"""Windows over buckets of 100 ms."""

import random
import statistics

import pytest

from chaosdrill.load.buckets import Timeline, bucket_number


def test_a_window_holds_what_ended_in_it_and_nothing_else():
    timeline = Timeline()
    for ended_s, failed in [(9.99, True), (10.0, False), (10.09, True), (10.1, False), (10.99, False), (11.0, True)]:
        timeline.request(ended_s, 5.0, failed)
    timeline.exception(10.5)
    seen = timeline.between(10.0, 11.0)
    assert (seen.requests, seen.failures, seen.exceptions) == (4, 1, 1)
    assert timeline.counts(10.0, 11.0) == [(10.0, 1, 1), (10.1, 1, 0), (10.9, 1, 0)]


@pytest.mark.parametrize("epoch_s", [1795398412.3, 1795398412.7, 1795398412.1, 0.3])
def test_a_tenth_of_a_second_lies_in_its_own_bucket(epoch_s):
    assert bucket_number(epoch_s) == round(epoch_s * 10)


def test_mean_is_exact_and_percentiles_are_within_2_5_percent():
    chance = random.Random(7)
    times_ms = [chance.lognormvariate(3, 1.2) for _ in range(5000)]
    timeline = Timeline()
    for number, milliseconds in enumerate(times_ms):
        timeline.request(100 + number / 1000, milliseconds, failed=False)
    seen = timeline.between(100, 106)
    assert seen.mean_ms == pytest.approx(statistics.fmean(times_ms))
    cuts = statistics.quantiles(times_ms, n=100)
    for percentile in (50, 90, 99):
        assert seen.percentile_ms(percentile) == pytest.approx(cuts[percentile - 1], rel=0.03)
    assert seen.max_ms == max(times_ms)


def test_an_empty_window_has_no_times():
    seen = Timeline().between(0, 10)
    assert (seen.requests, seen.mean_ms, seen.percentile_ms(50)) == (0, None, None)


def test_what_a_worker_sends_adds_up_at_its_master():
    worker, master = Timeline(), Timeline()
    for ended_s in (1.0, 1.05, 2.0):
        worker.request(ended_s, 10.0 * ended_s, failed=ended_s == 2.0)
    worker.exception(1.0)
    master.request(1.01, 30.0, failed=False)
    master.add_rows(worker.take_rows())
    assert worker.take_rows() == []
    seen = master.between(1.0, 3.0)
    assert (seen.requests, seen.failures, seen.exceptions, seen.max_ms) == (4, 1, 1, 30.0)
    assert seen.sum_ms == pytest.approx(70.5)


def test_what_is_too_old_is_forgotten():
    timeline = Timeline(keep_s=10)
    for second in range(100):
        timeline.request(float(second), 1.0, failed=False)
    assert timeline.between(0, 100).requests == 11
