"""Recovery: from the first time without service to good service that was sustained for 5 s."""

import pytest

from chaosdrill.analysis.outage_detection import unavailability
from chaosdrill.analysis.outage_threshold import InjectedLoss, loss_probability
from chaosdrill.analysis.recovery import BEGINNING_UNSEEN, NOT_SUSTAINED, SUSTAINED, recoveries, recovery
from tests.unit.records_rig import BEAT, NS, T0, at, beats, simulated

GOOD = "o" * 120  # 6 s


def found(*pictures: str, **options):
    return unavailability(beats(*pictures), **options)


def test_recovery_ends_where_sustained_good_service_begins():
    measured = recovery(found(GOOD + "x" * 40 + GOOD), T0)
    assert (measured.value, measured.uncertainty, measured.resolution) == (2.0, 0.05, 0.05)
    assert measured.in_words() == "2.00 s ± 0.05 s"
    assert measured.how.values["limits"] == SUSTAINED.in_words()
    assert {"window_s": 5.0, "share": 0.99}.items() <= SUSTAINED.in_words().values.items()


def test_service_that_is_not_sustained_is_no_recovery():
    (one,) = recoveries(found(GOOD + "x" * 40 + "o" * 60 + "x" * 20 + GOOD), T0)
    assert [round(outage.seconds.value, 2) for outage in one.outages] == [2.0, 1.0]
    assert one.seconds.value == pytest.approx(6.0)


def test_slow_service_is_no_recovery():
    (one,) = recoveries(found(GOOD + "x" * 40 + "s" * 40 + GOOD), T0)
    assert one.sustained_ns is not None
    assert one.seconds.value == pytest.approx(4.0 - 5 * 0.05, abs=0.06)  # 5 of 100 beats may be slow
    assert len(one.outages) == 1


def test_every_operation_must_be_good():
    writes_stay_away = found(GOOD + "x" * 40 + GOOD * 2, GOOD + "x" * 100 + GOOD + "o" * 60)
    assert recovery(writes_stay_away, T0).value == pytest.approx(5.0, abs=0.03)


def test_outages_that_good_service_parts_recover_each_by_itself():
    several = recoveries(found(GOOD + "x" * 40 + GOOD + "x" * 20 + GOOD), T0)
    assert [one.seconds.value for one in several] == [2.0, 1.0]
    assert recovery(found(GOOD + "x" * 40 + GOOD + "x" * 20 + GOOD), T0).value == 2.0


def test_each_movement_has_its_own():
    service = found(GOOD + "x" * 40 + GOOD + "x" * 20 + GOOD)
    back_ns = T0 + 13 * NS
    assert (recovery(service, T0, back_ns).value, recovery(service, back_ns).value) == (2.0, 1.0)


def test_service_that_was_sustained_only_after_the_next_transition_has_both_bounds():
    """Good for 3 s before the next transition begins at 11 s, and sustained 1 s after that."""
    service = found(GOOD + "x" * 40 + "o" * 60 + "x" * 20 + GOOD)
    (one,) = recoveries(service, T0, T0 + 11 * NS)
    assert (one.sustained_ns, one.seconds.at_least) == (None, False)
    assert (one.seconds.value, one.seconds.uncertainty) == (pytest.approx(6.0), pytest.approx(1.0, abs=0.1))


def test_what_did_not_recover_says_so():
    measured = recovery(found(GOOD + "x" * 40 + "o" * 60), T0)
    assert (measured.at_least, measured.uncertainty) == (True, None)
    assert measured.value == pytest.approx(4.9, abs=0.1)
    assert measured.why == NOT_SUSTAINED


def test_no_unavailability_is_an_answer_with_what_it_could_not_see():
    measured = recovery(found(GOOD), T0)
    assert (measured.value, measured.why) == (0.0, "no unavailability")
    assert measured.uncertainty == pytest.approx(0.15)


def test_no_unavailability_under_packet_loss_says_how_long_an_outage_may_be_hidden():
    """A closed region that answers 503 is an outage; nine beats without an answer may be one, or chance."""
    loss = [InjectedLoss(T0, T0 + 60 * NS, loss_probability(30))]
    closed = recovery(found("o" * 189, "o" * 60 + "r" * 9 + GOOD, losses=loss), T0)
    assert closed.value == pytest.approx(0.45)
    silent = recovery(found("o" * 189, "o" * 60 + "x" * 9 + GOOD, losses=loss), T0)
    assert (silent.value, silent.uncertainty) == (0.0, 0.5)


def test_a_region_that_is_closed_for_two_seconds_under_packet_loss_is_no_recovery_of_0_s():
    """At 5 beats a second a row needed 11 beats (2.2 s), and a drill with every region closed for 2.06 s had 10."""
    records = simulated(60, rate=5, refusing=lambda at_s: (at_s >= 20.12) & (at_s < 20.12 + 2.06))
    service = unavailability(records, losses=[InjectedLoss(T0, T0 + 40 * NS, loss_probability(30))])
    measured = recovery(service, T0 + 20 * NS, T0 + 45 * NS)
    assert (measured.value, measured.uncertainty) == (pytest.approx(2.0), pytest.approx(0.2, abs=0.01))


def test_unknown_time_may_hide_a_longer_one():
    measured = recovery(found(GOOD + "-" * 39 + GOOD), T0)
    assert (measured.value, measured.uncertainty) == (0.0, 2.0)
    longer = recovery(found(GOOD + "x" * 20 + GOOD + "-" * 99 + GOOD), T0)
    assert (longer.value, longer.uncertainty) == (1.0, 4.0)


def test_a_time_without_a_beat_is_not_measured():
    assert recovery(found(GOOD), T0 + 100 * NS).value is None
    assert recovery(unavailability(beats("")), T0).value is None


def test_unknown_time_is_no_sustained_service():
    (one,) = recoveries(found(GOOD + "x" * 40 + "o" * 60 + "--" + GOOD), T0)
    assert one.sustained_ns is not None
    assert at(one.sustained_ns) == pytest.approx(8 + 62 * 0.05 - 2 * 0.05, abs=0.2)


def test_an_outage_that_went_on_before_is_counted_and_told():
    (one,) = recoveries(found(GOOD + "x" * 40 + GOOD), T0 + 7 * NS)
    assert (one.began_before, one.seconds.value) == (True, 2.0)
    assert recoveries(found(GOOD + "x" * 40 + GOOD), T0 + 8 * NS + BEAT) == ()
    late_clock = recoveries(found(GOOD + "x" * 40 + GOOD), T0 + 8 * NS + BEAT, about_ns=NS)
    assert len(late_clock) == 1


def test_an_outage_that_was_not_seen_to_begin_was_at_least_so_long():
    measured = recovery(found("x" * 40 + GOOD), T0)
    assert (measured.at_least, measured.why) == (True, BEGINNING_UNSEEN)
    assert measured.value == pytest.approx(1.95)


def test_an_outage_counts_when_any_of_it_may_lie_in_the_time_of_the_movement():
    service = found(GOOD + "x" * 40 + GOOD)
    (outage,) = service.overall
    last_ns = outage.until_ns + outage.until_uncertainty_ns
    assert [len(recoveries(service, last_ns + off)) for off in (-1, 0, 1)] == [1, 0, 0]
    assert [len(recoveries(service, last_ns + off, about_ns=9)) for off in (8, 9)] == [1, 0]
    assert [len(recoveries(service, T0, outage.since_ns + off)) for off in (-1, 0, 1)] == [0, 0, 1]


def test_an_outage_began_before_only_when_that_is_sure():
    service = found(GOOD + "x" * 40 + GOOD)
    (outage,) = service.overall
    first_ns = outage.since_ns + outage.since_uncertainty_ns
    told = [[one.began_before for one in recoveries(service, first_ns + off)] for off in (-1, 0, 1)]
    assert told == [[False], [False], [True]]
    (vague,) = recoveries(service, first_ns + 5, about_ns=5)
    assert not vague.began_before


def test_only_what_is_unknown_in_the_time_of_the_movement_may_hide_an_outage():
    service = found(GOOD + "-" * 39 + GOOD)
    (hidden,) = service.unknown
    clear = recovery(found(GOOD + GOOD + GOOD), T0).uncertainty
    longest = pytest.approx((hidden.until_ns - hidden.since_ns) / NS)
    by_begin = [recovery(service, hidden.until_ns + off).uncertainty for off in (-1, 0, NS)]
    assert by_begin == [longest, clear, clear]
    by_end = [recovery(service, T0, hidden.since_ns + off).uncertainty for off in (-NS, 0, 1)]
    assert by_end == [clear, clear, longest]


@pytest.mark.parametrize(
    ("picture", "value", "uncertainty", "at_least"),
    [
        (GOOD + "-" + GOOD, 0.0, 0.15, False),  # shorter than what no beat can tell anyway
        (GOOD + "---" + GOOD, 0.0, 0.2, False),
        (GOOD + "x" * 40 + GOOD + "-" * 20 + GOOD, 2.0, 0.05, False),
        (GOOD + "----" + "x" * 40 + "----" + GOOD + "-" * 46 + GOOD, 2.2, 0.25, False),  # 2.35 s are unknown
        (GOOD + "-" * 120 + GOOD + "x" * 40 + "o" * 60, 4.95, None, True),  # without an upper end already
    ],
)
def test_what_is_unknown_makes_no_figure_more_certain(picture, value, uncertainty, at_least):
    measured = recovery(found(picture), T0)
    assert (measured.value, measured.uncertainty, measured.at_least) == (
        pytest.approx(value), uncertainty and pytest.approx(uncertainty), at_least
    )  # fmt: skip


@pytest.mark.parametrize(("picture", "value", "at_least"), [(GOOD, None, False), (GOOD + "x" * 40 + GOOD, 2.0, True)])
def test_where_nothing_is_known_to_the_end_no_figure_has_an_upper_end(picture, value, at_least):
    records = beats(picture)
    measured = recovery(unavailability(records, (T0, T0 + 24 * NS)), T0)
    assert (measured.value, measured.uncertainty, measured.at_least, bool(measured.why)) == (
        value,
        None,
        at_least,
        True,
    )


def test_service_that_is_good_from_the_first_beat_of_the_next_transition_on_came_with_it():
    service = found(GOOD + "x" * 40 + "o" * 60 + "x" * 20 + GOOD)  # good from 12 s on
    (before,) = recoveries(service, T0, T0 + 12 * NS)
    assert (before.sustained_ns is not None, before.seconds.value) == (True, 6.0)
    (after,) = recoveries(service, T0, T0 + 12 * NS - 1)
    assert (after.sustained_ns, after.seconds.at_least) == (None, False)
    assert (after.seconds.value, after.seconds.uncertainty) == (pytest.approx(6.025), pytest.approx(0.05))
