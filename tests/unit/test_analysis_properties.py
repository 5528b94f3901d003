"""What must hold of every record, whatever it holds: Hypothesis looks for one of which it does not."""

import dataclasses
import math
from itertools import pairwise

import numpy
from hypothesis import assume, example, given
from hypothesis import strategies as st

from chaosdrill.analysis.clocks import Offset
from chaosdrill.analysis.degraded import ServiceLimits, degradation
from chaosdrill.analysis.outage_detection import unavailability
from chaosdrill.analysis.outage_threshold import InjectedLoss
from chaosdrill.analysis.records import beats_of
from chaosdrill.analysis.recovery import recovery
from tests.further import examples
from tests.unit.records_rig import (
    BEAT,
    HEADER,
    MEASURED,
    NS,
    T0,
    beats,
    columns_of,
    requests,
    same,
    simulated,
)

LENGTH = 80
SPAN = (T0 - BEAT, T0 + (LENGTH + 1) * BEAT)
SHORT = ServiceLimits(window_s=0.5)
quick = examples(120)

rows = st.tuples(st.sampled_from("oooxxxr-?s"), st.integers(1, 25))
pictures = st.lists(rows, max_size=14).map(lambda parts: "".join(mark * count for mark, count in parts)[:LENGTH])
pairs = st.tuples(pictures, pictures)
fault = st.tuples(st.integers(0, LENGTH), st.integers(1, LENGTH), st.sampled_from((0.1, 0.35, 0.6))).map(
    lambda one: InjectedLoss(T0 + one[0] * BEAT, T0 + (one[0] + one[1]) * BEAT, one[2])
)
faults = st.lists(fault, max_size=2)


def judged(pair, losses=(), t0=T0):
    return unavailability(beats(*pair, t0=t0), (SPAN[0] + t0 - T0, SPAN[1] + t0 - T0), losses)


def longest(outage):
    return math.inf if outage.at_most_ns is None else outage.at_most_ns


def changed(pair, which, place, mark):
    picture = pair[which].ljust(LENGTH, "-")
    return tuple(picture[:place] + mark + picture[place + 1 :] if one == which else pair[one] for one in (0, 1))


def assert_no_longer(better, worse):
    """Neither in total nor any outage: each lies within one that was there before."""
    assert better.at_least_ns <= worse.at_least_ns
    assert better.at_most_ns <= worse.at_most_ns
    for name, mine in [("", better.overall), *better.by_operation.items()]:
        theirs = worse.overall if name == "" else worse.by_operation[name]
        for outage in mine:
            around = [one for one in theirs if one.since_ns <= outage.since_ns and outage.until_ns <= one.until_ns]
            assert around
            assert outage.at_least_ns <= around[0].at_least_ns
            assert longest(outage) <= longest(around[0])


@quick
@given(pairs, faults)
def test_intervals_are_ordered_and_disjoint(pair, losses):
    found = judged(pair, losses)
    for outages in (found.overall, *found.by_operation.values()):
        for before, after in pairwise(outages):
            assert before.until_ns < after.since_ns
        for one in outages:
            assert one.since_ns <= one.until_ns
            assert all(one.since_ns <= since <= until <= one.until_ns for since, until in one.sure)
            assert one.at_least_ns <= one.until_ns - one.since_ns <= longest(one)
    for one in degradation(found):
        for since, until in found.without_service(one.operation):
            assert until <= one.since_ns or since >= one.until_ns


@quick
@given(pairs, faults, st.integers(0, 1), st.integers(0, LENGTH - 1))
def test_a_good_response_more_never_lengthens_an_outage(pair, losses, which, place):
    assert_no_longer(judged(changed(pair, which, place, "o"), losses), judged(pair, losses))


@quick
@given(pairs, faults, st.integers(0, 1), st.integers(0, LENGTH - 1))
def test_a_bad_response_more_never_shortens_one(pair, losses, which, place):
    assume(pair[which].ljust(LENGTH, "-")[place] != "r")  # a refusal says more than silence
    assert_no_longer(judged(pair, losses), judged(changed(pair, which, place, "x"), losses))


# the shorter of two outages has no beginning, and may have been the longer one
NO_BEGINNING = ("o" * 5 + "x" * 18 + "o" * 57, "x" * 8 + "o" * 25 + "x" * 21 + "o" * 26)


@quick
@example(NO_BEGINNING, [], 1, False)
@given(pairs, faults, st.integers(0, LENGTH), st.booleans())
def test_a_record_that_is_cut_never_gives_a_better_result(pair, losses, kept, at_the_end):
    cut = tuple(one[:kept] if at_the_end else "-" * kept + one[kept:] for one in pair)
    whole, part = judged(pair, losses), judged(cut, losses)
    assert part.at_most_ns >= whole.at_most_ns
    assert part.at_least_ns <= whole.at_least_ns
    of_whole, of_part = recovery(whole, T0, limits=SHORT), recovery(part, T0, limits=SHORT)
    assert at_most_s(of_part) >= at_most_s(of_whole) - 1e-9


def at_most_s(measured):
    return math.inf if measured.value is None or measured.at_least else measured.value + (measured.uncertainty or 0.0)


@quick
@given(pairs, faults, st.integers(-(10**15), 10**15))
def test_shifting_all_times_shifts_the_intervals(pair, losses, by_ns):
    moved = [dataclasses.replace(one, since_ns=one.since_ns + by_ns, until_ns=one.until_ns + by_ns) for one in losses]
    here, there = judged(pair, losses), judged(pair, moved, T0 + by_ns)
    assert [one.seconds for one in here.overall] == [one.seconds for one in there.overall]
    for found, shifted in (
        (here.overall, there.overall),
        (degradation(here), degradation(there)),
        (here.unknown, there.unknown),
    ):
        spans = [(one.since_ns + by_ns, one.until_ns + by_ns) for one in found]
        assert spans == [(one.since_ns, one.until_ns) for one in shifted]
    assert recovery(here, T0, limits=SHORT) == recovery(there, T0 + by_ns, limits=SHORT)


@quick
@given(pairs, st.randoms(use_true_random=False), st.lists(st.integers(0, 10**6), max_size=20))
def test_order_and_duplicates_of_beats_change_nothing(pair, random, doubled):
    columns, names = columns_of({"read": pair[0], "write": pair[1]})
    count = len(columns["seq"])
    places = list(range(count)) + [place % count for place in doubled if count]
    random.shuffle(places)
    mixed = {name: column[numpy.array(places, int)] for name, column in columns.items()}
    assert same(beats_of([HEADER], mixed, names, MEASURED), beats(*pair))


@quick
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(0, 3), st.integers(0, 3)),
        max_size=30,
        unique=True,
    ),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 10**6), max_size=10),
)
def test_merging_workers_records_in_any_order_changes_nothing(made, random, doubled):
    rows = [(source, start / 10, duration / 10, outcome) for source, start, duration, outcome in made]
    offsets = {source: Offset(number * NS, 1000) for number, source in enumerate("abc")}
    mixed = [*rows, *(rows[place % len(rows)] for place in doubled if rows)]
    random.shuffle(mixed)
    assert same(requests(mixed, offsets), requests(rows, offsets))


@examples(60)
@given(st.floats(0.2, 30), st.floats(0, 0.1), st.integers(0, 9))
def test_a_planted_outage_is_found_within_one_beat(seconds, phase, seed):
    begin = 5 + phase
    made = simulated(45, lambda at: (at >= begin) & (at < begin + seconds), seed)
    found = unavailability(made)
    for name in ("read", "write"):
        (outage,) = found.by_operation[name]
        assert abs((outage.until_ns - outage.since_ns) / NS - seconds) <= 1 / 20
        assert outage.at_least_ns / NS <= seconds <= longest(outage) / NS
        assert abs((outage.since_ns - T0) / NS - begin) <= outage.since_uncertainty_ns / NS + 1e-9
    (overall,) = found.overall
    assert abs((overall.until_ns - overall.since_ns) / NS - seconds) <= 1 / 20
    measured = recovery(found, T0)
    assert abs((measured.value or 0) - seconds) <= (measured.uncertainty or 0) + 1e-9
    assert (measured.uncertainty or 0) < 0.053
