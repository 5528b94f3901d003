"""The client outage, from literal timelines."""

import pytest

from chaosdrill.analysis import LoadOutage, client_outage
from chaosdrill.errors import CannotSee


def timeline(good: list[float], bad: list[float] = ()) -> list[tuple[float, int, int]]:  # type: ignore[assignment]
    starts = sorted({*good, *bad})
    return [(start, int(start in good), int(start in bad)) for start in starts]


def tenths(since: float, until: float) -> list[float]:
    return [round(since + step / 10, 1) for step in range(round((until - since) * 10))]


def test_the_longest_stretch_without_a_success_comes_first():
    good = [*tenths(0, 10), *tenths(12.5, 20), *tenths(21, 30)]
    found = client_outage(timeline(good, bad=[10.0, 11.3, 12.0, 20.2]), 0, 30, 30)
    assert found.outages == (LoadOutage(10.0, 12.5, 3), LoadOutage(20.0, 21.0, 1))
    assert (found.longest_s, found.ended, found.resolution_s) == (2.5, True, 0.1)


def test_silence_counts_when_it_is_longer_than_clients_pause():
    good = [*tenths(0, 10), *tenths(10.8, 20), *tenths(23, 30)]
    assert client_outage(timeline(good), 0, 30, 30).outages == (LoadOutage(20.0, 23.0, 0),)


def test_failures_beside_successes_are_not_an_outage():
    good = tenths(0, 30)
    assert client_outage(timeline(good, bad=good), 0, 30, 30).longest_s == 0


def test_an_outage_that_the_load_did_not_see_the_end_of_says_so():
    found = client_outage(timeline(tenths(0, 20), bad=tenths(20, 24)), 0, 24, 24)
    assert found.outages == (LoadOutage(20.0, 24, 40, ended=False),)
    assert not found.ended


def test_only_the_time_of_the_load_counts():
    good = [*tenths(10, 20)]
    assert client_outage(timeline(good, bad=tenths(5, 10)), 10, 20, 99).outages == ()


@pytest.mark.parametrize(
    ("good", "until", "seen_until", "message"),
    [
        ([], 30, 30, "no request was recorded in the 30.0 s of load"),
        (tenths(0, 10), 30, 12, "what clients saw in the last 18.0 s of load was not recorded"),
        (tenths(0, 10), 0, 30, "no request was recorded"),
    ],
)
def test_an_empty_or_short_measurement_is_not_an_outage_of_0(good, until, seen_until, message):
    with pytest.raises(CannotSee, match=message):
        client_outage(timeline(good), 0, until, seen_until)
