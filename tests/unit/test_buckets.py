"""Windows over buckets of 100 ms."""

import random
import statistics

import pytest

from chaosdrill.load.buckets import Bucket, bucket_number
from chaosdrill.load.endpoints import EndpointBuckets
from chaosdrill.load.timeline import BucketTimeline


def test_a_window_holds_what_ended_in_it_and_nothing_else():
    timeline = BucketTimeline()
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
    timeline = BucketTimeline()
    for number, milliseconds in enumerate(times_ms):
        timeline.request(100 + number / 1000, milliseconds, failed=False)
    seen = timeline.between(100, 106)
    assert seen.mean_ms == pytest.approx(statistics.fmean(times_ms))
    cuts = statistics.quantiles(times_ms, n=100)
    for percentile in (50, 90, 99):
        assert seen.percentile_ms(percentile) == pytest.approx(cuts[percentile - 1], rel=0.03)
    assert seen.max_ms == max(times_ms)


def test_a_request_without_a_time_is_counted_and_changes_no_time():
    bucket = Bucket.of_requests([10.0, None, 30.0], failed=True)
    bucket.add(Bucket(unrecorded=2))
    bucket = Bucket.of_row(bucket.row())
    assert (bucket.requests, bucket.failures, bucket.unrecorded, bucket.mean_ms) == (3, 3, 2, 20.0)
    assert bucket.percentile_ms(50) == pytest.approx(10, rel=0.03)
    assert Bucket.of_requests([None], failed=False).percentile_ms(100) is None


def test_an_empty_window_has_no_times():
    seen = BucketTimeline().between(0, 10)
    assert (seen.requests, seen.mean_ms, seen.percentile_ms(50)) == (0, None, None)


def test_what_a_worker_sends_adds_up_at_its_master():
    worker, master = BucketTimeline(), BucketTimeline()
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
    timeline = BucketTimeline(keep_s=10)
    for second in range(100):
        timeline.request(float(second), 1.0, failed=False)
    assert timeline.between(0, 100).requests == 11


GET, POST = ("GET", "/call", ""), ("POST", "/call", "")


def shares(timeline, first_s, last_s):
    found = timeline.endpoints.between(bucket_number(first_s), bucket_number(last_s))
    return {endpoint: (cell.requests, cell.failures) for endpoint, cell in found.items()}


def test_each_endpoint_has_its_share_and_the_total_has_all():
    timeline = BucketTimeline()
    for ended_s, failed, endpoint in [(1.0, True, GET), (1.01, False, GET), (1.5, False, POST), (2.0, True, POST)]:
        timeline.request(ended_s, 5.0, failed, endpoint)
    assert shares(timeline, 1.0, 2.0) == {GET: (2, 1), POST: (1, 0)}
    assert timeline.between(1.0, 2.0).requests == 3


def test_endpoints_beyond_the_limit_are_told_and_counted_in_total_only():
    timeline = BucketTimeline(EndpointBuckets(most_endpoints=2))
    for number in range(5):
        timeline.request(1.0, 5.0, False, ("GET", f"/item/{number}", ""))
    assert shares(timeline, 1.0, 2.0) == {("GET", "/item/0", ""): (1, 0), ("GET", "/item/1", ""): (1, 0)}
    assert (timeline.endpoints.too_many, timeline.between(1.0, 2.0).requests) == (3, 5)
    timeline.endpoints.begin_anew()
    timeline.request(3.0, 5.0, False, ("GET", "/item/4", ""))
    assert (timeline.endpoints.too_many, shares(timeline, 3.0, 4.0)) == (0, {("GET", "/item/4", ""): (1, 0)})


def test_the_oldest_cells_make_room_and_windows_behind_them_are_not_complete():
    timeline = BucketTimeline(EndpointBuckets(most_cells=10))
    for number in range(100):
        timeline.request(number / 10, 5.0, False, GET)
    assert timeline.endpoints.complete_from == 90
    assert shares(timeline, 0, 10) == {GET: (10, 0)}
    assert timeline.between(0, 10).requests == 100


def test_shares_add_up_at_the_master_and_what_a_worker_forgot_is_forgotten_there():
    worker, master = BucketTimeline(EndpointBuckets(most_cells=2)), BucketTimeline()
    for ended_s, endpoint in [(1.0, GET), (1.0, GET), (1.1, GET), (1.1, POST)]:
        worker.request(ended_s, 5.0, True, endpoint)
    master.request(1.1, 5.0, False, GET)
    master.add_rows(worker.take_rows())
    assert master.between(1.0, 2.0).requests == 5
    assert shares(master, 1.0, 2.0) == {GET: (2, 1), POST: (1, 1)}
    assert master.endpoints.complete_from == 11
    worker.request(2.0, 5.0, False, GET)
    master.add_rows(worker.take_rows())
    assert shares(master, 1.1, 3.0) == {GET: (3, 1), POST: (1, 1)}


def test_requests_that_workers_saw_beyond_the_limit_are_all_counted_as_too_many():
    worker, master = BucketTimeline(), BucketTimeline(EndpointBuckets(most_endpoints=1))
    master.request(1.0, 5.0, False, GET)
    for _ in range(3):
        worker.request(1.0, 5.0, False, POST)
    master.add_rows(worker.take_rows())
    assert (master.endpoints.too_many, master.between(1.0, 2.0).requests) == (3, 4)


def test_what_each_region_answered_is_kept_apart_and_an_endpoint_is_still_one():
    timeline = BucketTimeline(EndpointBuckets(most_endpoints=1))
    for region, failed in [("ap-northeast-1", True), ("ap-northeast-3", False), ("ap-northeast-3", False), ("", True)]:
        timeline.request(1.0, 5.0, failed, ("GET", "/call", region))
    found = {region: counts for (_, _, region), counts in shares(timeline, 1.0, 2.0).items()}
    assert found == {"ap-northeast-1": (1, 1), "ap-northeast-3": (2, 0), "": (1, 1)}
    assert timeline.endpoints.too_many == 0
    master = BucketTimeline()
    master.add_rows(timeline.take_rows())
    assert {region: counts for (_, _, region), counts in shares(master, 1.0, 2.0).items()} == found
