"""Times without service, from pictures of beats: 20 a second, a deadline of 1 s."""

import dataclasses

import numpy
import pytest

from chaosdrill.analysis.degraded import ServiceLimits, degradation, degraded_seconds
from chaosdrill.analysis.outage_detection import unavailability
from chaosdrill.analysis.outage_threshold import InjectedLoss, loss_probability
from tests.unit.records_rig import BEAT, NS, T0, at, beats, simulated


def outages(*pictures: str, **options):
    return unavailability(beats(*pictures), **options).overall


def test_an_outage_lies_between_the_beats_that_were_served():
    (outage,) = outages("oooo" + "x" * 20 + "oooo")
    assert (at(outage.since_ns), at(outage.until_ns)) == (0.175, 1.175)  # beats are at 0, 0.05, 0.1, ...
    assert (outage.since_uncertainty_ns, outage.until_uncertainty_ns) == (BEAT // 2, BEAT // 2)
    assert (outage.at_least_ns / NS, (outage.at_most_ns or 0) / NS, outage.beats) == (0.95, 1.05, 20)
    assert outage.seconds.in_words() == "1.00 s ± 0.05 s"


@pytest.mark.parametrize(("bad", "found"), [(2, 0), (3, 1)])
def test_fewer_than_three_beats_in_a_row_are_no_outage(bad, found):
    assert len(outages("ooo" + "x" * bad + "ooo")) == found


def test_several_outages_are_several():
    assert [round(one.seconds.value, 2) for one in outages("ooxxxxooxxxxxxoo")] == [0.2, 0.3]


@pytest.mark.parametrize("picture", ["xxxxxxoooo", "ooooxxxxxx"])
def test_an_outage_that_was_not_seen_to_begin_or_to_end_was_at_least_so_long(picture):
    (outage,) = outages(picture)
    assert outage.at_most_ns is None
    assert (outage.began, outage.ended) == (picture[0] == "o", picture[-1] == "o")
    assert outage.seconds.in_words() == "at least 0.25 s"


@pytest.mark.parametrize("blind", ["-", "?"])
def test_time_of_which_nothing_is_known_makes_it_uncertain(blind):
    (outage,) = outages("oo" + "x" * 10 + blind * 10 + "x" * 10 + "oo")
    assert (outage.at_least_ns / NS, (outage.at_most_ns or 0) / NS) == (0.9, 1.55)
    assert outage.unknown_ns == 11 * BEAT
    assert outage.seconds.in_words() == "1.5 s ± 0.6 s"


@pytest.mark.parametrize("blind", ["-", "?"])
def test_time_that_may_hide_an_outage_is_told_apart(blind):
    found = unavailability(beats("oooo" + blind * 8 + "oooo"))
    assert found.overall == ()
    assert [(at(one.since_ns), at(one.until_ns)) for one in found.unknown] == [(0.15, 0.6)]
    assert (found.at_least_ns, found.at_most_ns) == (0, 9 * BEAT)


def test_two_missing_beats_hide_no_outage():
    assert unavailability(beats("oooo--oooo")).unknown == ()


def test_overall_is_when_some_operation_is_without_service():
    found = unavailability(beats("oooxxxxxxoooooooo", "ooooooxxxxxxxoooo"))
    assert {name: len(one) for name, one in found.by_operation.items()} == {"read": 1, "write": 1}
    (outage,) = found.overall
    assert outage.since_ns == found.by_operation["read"][0].since_ns
    assert outage.until_ns == found.by_operation["write"][0].until_ns
    assert outage.operation == ""


def test_an_operation_of_which_no_beat_came_is_unknown_all_the_time():
    found = unavailability(beats("o" * 20, ""))
    assert [(one.operation, one.until_ns - one.since_ns) for one in found.unknown] == [("write", 19 * BEAT)]


def test_beats_that_should_have_been_there_are_unknown():
    found = unavailability(beats("oooo"), (T0 - NS, T0 + 2 * NS))
    assert [(at(one.since_ns), at(one.until_ns)) for one in found.unknown] == [(-1.0, 0.0), (0.15, 2.0)]


def test_beats_whose_heartbeat_did_not_send_them_say_nothing():
    made = beats("oooo" + "x" * 10 + "oooo")
    blind = dataclasses.replace(made, silent=made.outcome != 0)
    assert unavailability(made).overall != ()
    assert (unavailability(blind).overall, len(unavailability(blind).unknown)) == ((), 1)


def test_a_beat_that_was_given_up_before_the_deadline_says_nothing():
    made = beats("oooo" + "x" * 10)
    cut = dataclasses.replace(made, duration_us=numpy.minimum(made.duration_us, 900_000))
    assert unavailability(cut).overall == ()


def test_an_answer_after_the_deadline_is_none():
    made = beats("oooo" + "s" * 10 + "oooo")
    assert unavailability(made).overall == ()
    assert len(unavailability(dataclasses.replace(made, deadline_s=0.7)).overall) == 1


def test_under_packet_loss_a_row_must_be_longer_than_chance_makes_it():
    picture = "o" * 40 + "x" * 8 + "o" * 40
    loss = InjectedLoss(T0, T0 + 60 * NS, loss_probability(30))
    assert len(outages(picture)) == 1
    assert outages(picture, losses=[loss]) == ()
    assert len(outages("o" * 40 + "x" * 14 + "o" * 40, losses=[loss])) == 1
    assert len(outages(picture, losses=[InjectedLoss(T0, T0 + 60 * NS, 1.0)])) == 1  # all is lost: that is no chance


def test_an_outage_under_packet_loss_has_edges_that_chance_blurs():
    (outage,) = outages("o" * 40 + "x" * 40 + "o" * 40, losses=[InjectedLoss(T0, T0 + 60 * NS, 0.35)])
    assert outage.since_uncertainty_ns == BEAT // 2 + 3 * BEAT  # 0.35 ** 3 < 0.05
    assert outage.at_least_ns == 33 * BEAT


def test_beats_that_a_server_refused_are_no_chance_of_packet_loss():
    loss = InjectedLoss(T0, T0 + 60 * NS, loss_probability(30))
    (outage,) = outages("o" * 40 + "r" * 9 + "o" * 40, losses=[loss])
    assert outage.seconds.value == pytest.approx(0.45)
    assert (outage.since_uncertainty_ns, outage.until_uncertainty_ns) == (BEAT // 2, BEAT // 2)
    mixed = outages("o" * 40 + "xrxxrxxrx" + "o" * 40, losses=[loss])
    assert [one.beats for one in mixed] == [9]
    assert mixed[0].since_uncertainty_ns == BEAT // 2 + BEAT  # the beat before the first refusal may be chance
    assert outages("o" * 40 + "xxrxx" + "o" * 40, losses=[loss]) == ()


def test_thirty_percent_loss_is_degraded_and_not_unavailable():
    wrong = 0
    for seed in range(100):
        made = simulated(60, seed=seed, loss=0.34)
        loss = InjectedLoss(T0, T0 + 60 * NS, loss_probability(30))
        found = unavailability(made, losses=[loss])
        wrong += bool(found.overall)
        assert degraded_seconds(found, degradation(found)) > 55
    assert wrong <= 1


def test_the_probability_of_a_failing_beat_is_what_was_measured():
    assert loss_probability(30) == pytest.approx(0.35, abs=0.02)
    assert (loss_probability(0), loss_probability(100)) == (0.05, 1.0)
    assert [loss_probability(percent) for percent in (-5, 150)] == [0.05, 1.0]
    # the first packet of the connection, or three times that of the answer, and a little more
    for percent, expected in ((1, 0.06), (10, 0.15), (50, 0.5925), (70, 0.8329), (80, 0.9324), (90, 1.0)):
        assert loss_probability(percent) == pytest.approx(expected, abs=1e-4)


def test_degraded_is_bad_service_and_not_none():
    found = unavailability(beats("o" * 40 + "oooxooooox" * 2 + "x" * 20 + "s" * 20 + "o" * 40))
    periods = degradation(found)
    assert [(round(at(one.since_ns), 3), round(at(one.until_ns), 3)) for one in periods] == [(2, 2.925), (4, 5)]
    assert [(one.success_ratio, one.p95_s) for one in periods] == [(0.8421, None), (1.0, 0.8)]


def test_good_service_is_not_degraded():
    found = unavailability(beats("o" * 100, "o" * 50 + "x" * 30 + "o" * 20))
    assert degradation(found) == ()


def test_limits_count_as_percentiles_do():
    limits = ServiceLimits(1, 0.9, 0.5)
    beats_, bad, slow = (numpy.array(column) for column in ([20, 20, 20, 20], [0, 0, 2, 3], [1, 2, 0, 0]))
    latencies = [sorted([1.0] * count + [0.1] * (20 - count))[18] for count in slow]
    assert limits.are_missed(beats_, bad, slow).tolist() == [False, latencies[1] > 0.5, False, True]


def test_nothing_recorded_is_no_unavailability_and_no_service_either():
    found = unavailability(beats(""))
    assert (found.overall, found.slots) == ((), ())


def test_each_operation_has_its_own_times_without_service():
    found = unavailability(beats("o" * 40 + "x" * 20 + "o" * 60, "o" * 80 + "x" * 20 + "o" * 20))
    of = {name: [(at(since), at(until)) for since, until in found.without_service(name)] for name in ("read", "write")}
    assert of["read"][0][1] <= of["write"][0][0], "one after the other"
    every = [*found.without_service("read"), *found.without_service("write")]
    assert list(found.without_service()) == every
    assert found.without_service("unknown") == ()
