"""What follows from repeated runs: the exact rank test, Cliff's delta, Holm, the bootstrap interval, the claims."""

import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.analysis import statistics
from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.groups import BETTER, DIFFERENT, SAME, TOO_FEW, WORSE, Repeated, groups
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.statistics import cliffs_delta, holm, interval_of_medians, least_p, needed, rank_test

FEW = st.lists(st.integers(0, 4), min_size=1, max_size=6)


@given(FEW, FEW)
def test_the_rank_test_is_the_share_of_divisions_that_separate_as_far_ties_or_not(one: Any, other: Any) -> None:
    import scipy.stats  # takes a second, in every process that collects the tests

    ranks = scipy.stats.rankdata([*one, *other])
    middle = len(one) * ranks.mean()
    seen = abs(ranks[: len(one)].sum() - middle)
    chosen = itertools.combinations(range(len(ranks)), len(one))
    as_far = [abs(ranks[list(places)].sum() - middle) >= seen - 1e-9 for places in chosen]
    assert rank_test(one, other) == pytest.approx(sum(as_far) / len(as_far))
    assert rank_test(one, other) == pytest.approx(rank_test(other, one))


def test_without_ties_it_is_scipy_s_own_and_of_large_groups_its_approximation() -> None:
    import scipy.stats

    chance = random.Random(1)
    for counts in ((4, 4), (8, 5), (3, 20)):
        one, other = ([chance.random() for _ in range(count)] for count in counts)
        assert rank_test(one, other) == pytest.approx(scipy.stats.mannwhitneyu(one, other, method="exact").pvalue)
    many = [[chance.random() for _ in range(300)] for _ in range(2)]
    assert rank_test(*many) == pytest.approx(scipy.stats.mannwhitneyu(*many, method="asymptotic").pvalue)


def test_the_smallest_p_is_that_of_groups_that_do_not_overlap() -> None:
    assert rank_test([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(least_p(4, 4)) == pytest.approx(2 / 70)
    assert rank_test([1, 1, 1], [1, 1]) == 1.0
    assert (needed(1), needed(55), needed(55, 20)) == (4, 7, 4)
    for looked_at in (1, 7, 55):
        enough = needed(looked_at)
        assert least_p(enough, enough) * looked_at <= statistics.ALPHA
        assert enough == statistics.LEAST_RUNS or least_p(enough - 1, enough - 1) * looked_at > statistics.ALPHA


@given(FEW, FEW)
def test_cliffs_delta_counts_pairs(one: Any, other: Any) -> None:
    pairs = [(b > a) - (b < a) for a in one for b in other]
    assert cliffs_delta(one, other) == pytest.approx(sum(pairs) / len(pairs))


def test_holm_is_the_textbook_s() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.6, "b": 0.5}) == {"a": 1.0, "b": 1.0}


def test_the_interval_is_the_same_for_the_same_runs_in_any_order_and_needs_two_on_a_side() -> None:
    found = interval_of_medians([1, 5, 2, 4], [7, 9, 8])
    assert found is not None
    assert found == interval_of_medians([5, 4, 2, 1], [9, 8, 7])
    assert found.low < 8 - 3 < found.high
    assert interval_of_medians([1], [2, 3]) is None
    assert interval_of_medians([1, 1], [2, 2]) == statistics.ConfidenceInterval(1, 1)


# Claims -------------------------------------------------------------------------------------------------------------


def runs(*figures: Measured | None, name: str = "error_s", begin: int = 1) -> list[ComparedRun]:
    return [
        ComparedRun(
            f"202605{number:02}T020000Z-failover-0000", "failover", "lab", 0.2, "passed",
            measured={} if figure is None else {name: figure},
        )
        for number, figure in enumerate(figures, begin)
    ]  # fmt: skip


def of(*values: float, about: float | None = 0.0, unit: str = "s", **more: Any) -> list[Measured]:
    return [Measured(value, unit, "a test", 0.01, about, **more) for value in values]


def claim(before: Any, after: Any, name: str = "error_s") -> Repeated:
    found = groups(runs(*before, name=name), runs(*after, name=name, begin=50))
    json.dumps(found.as_json())
    return found.measured[0]


FIVE, MORE = of(1, 2, 3, 4, 5), of(11, 12, 13, 14, 15)


@pytest.mark.parametrize(
    ("name", "answer"),
    [("error_s", WORSE), ("availability_ratio", BETTER), ("duration_s", DIFFERENT), ("fail_over.noticed_s", DIFFERENT)],
)
def test_which_way_is_better_is_known_of_each_measurement(name: str, answer: str) -> None:
    found = claim(FIVE, MORE, name)
    assert (found.answer, found.delta) == (answer, 1.0)
    assert claim(MORE, FIVE, name).answer == {WORSE: BETTER, BETTER: WORSE}.get(answer, answer)


def test_one_against_one_and_three_against_three_claim_nothing() -> None:
    for before, after in ((1, 1), (3, 3), (3, 40)):
        found = claim(of(*range(before)), of(*range(100, 100 + after)))
        assert found.answer == TOO_FEW, found
    assert claim(FIVE[:3], MORE[:3]).why.values == {"one": 3, "other": 3, "looked_at": 1, "each": 4}
    assert claim(FIVE[:4], MORE[:4]).answer == WORSE


def test_the_more_is_looked_at_the_more_runs_it_takes() -> None:
    figures = [{f"phase_{number}_s": of((number * 7 + run * 3) % 11)[0] for number in range(9)} for run in range(8)]
    known = [
        ComparedRun(f"2026050{run}T0Z-failover-0", "failover", "lab", 1.0, "passed",
                    measured={"error_s": of(run if run < 4 else 50 + run)[0], **figures[run]})
        for run in range(8)
    ]  # fmt: skip
    found = groups(known[:4], known[4:])
    assert found.looked_at > 1
    assert {one.answer for one in found.measured} == {TOO_FEW}
    few = found.measured[0].why.values["few"]
    assert few.values["each"] > few.values["one"] == 4


def test_another_name_of_the_same_figure_does_not_count_as_looked_at() -> None:
    known = [
        ComparedRun(f"2026050{run}T0Z-failover-0", "failover", "lab", 1.0, "passed",
                    measured={name: of(run if run < 4 else 50 + run)[0] for name in ("error_s", "again_s", "more_s")})
        for run in range(8)
    ]  # fmt: skip
    found = groups(known[:4], known[4:])
    assert (found.looked_at, {one.answer for one in found.measured}) == (1, {WORSE})


def test_what_overlaps_is_no_difference_and_what_is_the_same_everywhere_neither() -> None:
    assert claim(of(1, 3, 5, 7, 9), of(2, 4, 6, 8, 10)).answer == SAME
    assert claim(of(1, 1, 1, 1), of(1, 1, 1, 1)).answer == SAME
    assert claim(of(1, 1, 1), of(1, 1, 1)).answer == TOO_FEW


def test_a_difference_within_the_runs_own_uncertainty_or_resolution_is_none() -> None:
    before, after = (1.0, 1.1, 1.2, 1.3, 1.4), (1.5, 1.6, 1.7, 1.8, 1.9)
    assert claim(of(*before), of(*after)).answer == WORSE
    assert claim(of(*before, about=0.3), of(*after, about=0.3)).answer == SAME
    assert claim(of(*before, about=0.2), of(*after, about=0.2)).answer == WORSE
    coarse = [[Measured(value, "s", "", 1.0, 0.0) for value in values] for values in (before, after)]
    assert claim(*coarse).answer == SAME


def test_what_was_not_measured_or_nobody_knows_how_well_does_not_count() -> None:
    found = claim([*FIVE, None, *of(900, about=None)], [*MORE[:4], Measured(None, "s", "", why="no beats")])
    assert (len(found.baseline.values), found.baseline.of) == (5, 7)
    assert (found.answer, len(found.candidate.values)) == (WORSE, 4)
    assert claim([None] * 5, MORE).answer == TOO_FEW


def test_lower_bounds_support_only_what_they_can_make_stronger() -> None:
    least = of(11, 12, 13, 14, at_least=True)
    assert claim(FIVE, [*least, MORE[4]]).answer == WORSE
    assert claim([*least, MORE[4]], FIVE).answer == BETTER
    low = of(1, 2, 3, 4, 5, at_least=True)
    assert claim(low, MORE).answer == TOO_FEW  # those of the baseline may have been worse
    assert claim(low, of(1, 3, 4, 2, 6)).answer == TOO_FEW


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5), st.data())
def test_whatever_was_measured_a_side_with_fewer_than_four_runs_claims_nothing(before: Any, data: Any) -> None:
    after = data.draw(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=3))
    found = groups(runs(*of(*before)), runs(*of(*after), begin=50))
    assert all(one.answer == TOO_FEW for one in found.measured)


def test_runs_that_prove_nothing_or_are_unlike_are_left_out_by_name() -> None:
    from dataclasses import replace

    before, after = runs(*FIVE), runs(*MORE, begin=50)
    before[0] = replace(before[0], verdict="invalid")
    before[1] = replace(before[1], scale=1.0)
    found = groups([*before, after[0]], after)
    assert [one.run[:8] for one in found.left_out] == ["20260501", "20260502"]
    unlike = {"what": "scale", "mine": "1", "run": "20260554T020000Z-failover-0000", "other": "0.2"}
    assert [one.why.values for one in found.left_out] == [{"verdict": "invalid"}, unlike]
    assert (len(found.baseline), len(found.candidate)) == (3, 5)
    nothing = groups(before[:1], after)
    assert not nothing.comparable
    assert nothing.measured == ()
