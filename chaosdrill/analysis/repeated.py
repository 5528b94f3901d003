"""What follows from two groups of runs for one measurement, and for many of them at once. Pure; needs SciPy.

A claim rests on the rank test of Mann and Whitney (1947), here exact also where values are tied: it asks how often a
random division of the same runs into two groups would have separated them as far. That needs no assumption about how
the values are spread. For looking at many measurements at once it is corrected after Holm (1979): where nothing
differs, at most 5 of 100 comparisons claim anything at all.

How far the groups are apart is told by the difference of their medians: one bad night moves a median little. Its
interval is the percentile bootstrap's (Efron and Tibshirani, 1993, chapter 13). The bias-corrected one (BCa) cannot be
worked out when many values are equal, as rounded ones are; intervals of means held the true difference too seldom when
single runs were far off: `benchmarks/comparing.py` measures both. The effect size is Cliff's delta (1993) with the
thresholds of Romano et al. (2006).
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy

Key = TypeVar("Key")
ALPHA = 0.05
LEAST_RUNS = 4  # a side: even for a single measurement 3 against 3 cannot give a p below 0.1
CONFIDENCE = 0.95
RESAMPLES = 1999
SEED = 20260501  # the same runs give the same interval
EXACT_UP_TO = 2_000_000  # steps; beyond it both groups are large, and the normal approximation is good
EFFECTS = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"))


def rank_test(one: Sequence[float], other: Sequence[float]) -> float:
    """:returns: the two-sided p of the rank test: exact, but for two large groups; 1 when all values are the same."""
    few, many = sorted((list(one), list(other)), key=len)
    doubled = _doubled_ranks([*few, *many])
    largest_sum = sum(sorted(doubled)[-len(few) :])
    if len(set(doubled)) == 1:
        return 1.0
    if len(few) * len(doubled) * largest_sum > EXACT_UP_TO:
        return _approximate(doubled, len(few))
    return _exact(doubled, len(few), largest_sum)


def cliffs_delta(one: Sequence[float], other: Sequence[float]) -> float:
    """:returns: how much oftener a value of the other is greater than one of the first than it is less: -1 to 1."""
    doubled = _doubled_ranks([*one, *other])
    greater = (sum(doubled[len(one) :]) - len(other) * (len(other) + 1)) / 2  # of the pairs, ties half
    return 2 * greater / (len(one) * len(other)) - 1


def effect_in_words(delta: float) -> str:
    """:returns: negligible, small, medium or large."""
    return next((word for below, word in EFFECTS if abs(delta) < below), "large")


def least_p(one: int, other: int) -> float:
    """:returns: the smallest p that the rank test can give with so many runs on each side."""
    return min(1.0, 2 / math.comb(one + other, one))


def needed(looked_at: int, one: int = 0) -> int:
    """:returns: how many runs the other side must have so that a claim is possible; without ``one`` each side.

    :param looked_at: how many measurements are looked at.
    """
    number = LEAST_RUNS
    while least_p(one or number, number) * max(1, looked_at) > ALPHA:
        number += 1
    return number


def holm(ps: Mapping[Key, float]) -> dict[Key, float]:
    """:returns: each p, corrected for looking at all of them."""
    corrected: dict[Key, float] = {}
    most = 0.0
    for number, (key, p) in enumerate(sorted(ps.items(), key=lambda one: one[1])):
        most = max(most, min(1.0, (len(ps) - number) * p))
        corrected[key] = most
    return corrected


@dataclass(frozen=True)
class Interval:
    """Where the true difference lies, with 95 % confidence for this measurement alone."""

    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """:returns: it as JSON values."""
        return {"low": self.low, "high": self.high, "confidence": CONFIDENCE}


def interval_of_medians(one: Sequence[float], other: Sequence[float]) -> Interval | None:
    """:returns: the bootstrap interval of the other's median less the first's; None with a single value on a side."""
    if min(len(one), len(other)) < 2:
        return None
    import numpy
    from scipy.stats import bootstrap

    samples = tuple(numpy.sort(numpy.asarray(values, dtype=float)) for values in (one, other))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where all values are the same: then so are the bounds
        found = bootstrap(
            samples, _between_medians, n_resamples=RESAMPLES, vectorized=True, method="percentile",
            confidence_level=CONFIDENCE, random_state=numpy.random.default_rng(SEED),
        ).confidence_interval  # fmt: skip
    return Interval(float(found.low), float(found.high))


def _between_medians(one: "numpy.ndarray[Any, Any]", other: "numpy.ndarray[Any, Any]", axis: int = -1) -> Any:
    import numpy

    return numpy.median(other, axis=axis) - numpy.median(one, axis=axis)


def difference_of_medians(one: Sequence[float], other: Sequence[float]) -> float:
    """:returns: the other's median less the first's."""
    return median(other) - median(one)


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Ranks from 1; of equal values their mean. Doubled, so that they are whole numbers."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), 1):
        places.setdefault(value, []).append(place)
    return [places[value][0] + places[value][-1] for value in values]


def _approximate(doubled: Sequence[int], few: int) -> float:
    """By the normal distribution, with ties and continuity taken into account."""
    count, mean = len(doubled), sum(doubled) / len(doubled)
    spread = sum((rank - mean) ** 2 for rank in doubled) * few * (count - few) / (count * (count - 1))
    off = max(0.0, abs(sum(doubled[:few]) - few * mean) - 1)  # half a rank
    return math.erfc(off / math.sqrt(2 * spread))


def _exact(doubled: Sequence[int], few: int, largest_sum: int) -> float:
    """Of all ways to choose so many ranks, the share whose sum is as far from the middle as that of the first."""
    import numpy

    ways = numpy.zeros((few + 1, largest_sum + 1))  # how many choices of so many ranks have this sum
    ways[0, 0] = 1
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : largest_sum + 1 - rank]
    middle = few * sum(doubled) / len(doubled)
    off = numpy.abs(numpy.arange(largest_sum + 1) - middle)
    as_far = off >= abs(sum(doubled[:few]) - middle) - 1e-9
    return float(ways[few, as_far].sum() / ways[few].sum())
