"""Statistics of two groups of runs, for one figure and for many at once. Pure; needs SciPy.

A claim rests on the rank test of Mann and Whitney (1947), computed exactly even with ties: how often would a random
division of the same runs into two groups separate them as far? The test assumes nothing about the distribution of the
values. Testing many figures at once is corrected after Holm (1979): without any real difference, at most 5 of 100
comparisons make any claim.

The size of a difference is the difference of the medians, because one outlier moves a median little. Its interval is
the percentile bootstrap (Efron and Tibshirani, 1993, chapter 13). The bias-corrected bootstrap (BCa) fails when many
values are equal, as rounded ones are; intervals of means covered the true difference too rarely with outliers:
`benchmarks/comparing.py` measures both. The effect size is Cliff's delta (1993) with the thresholds of Romano et al.
(2006).
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
LEAST_RUNS = 4  # per side: 3 against 3 cannot give a p below 0.1, even for a single figure
CONFIDENCE = 0.95
RESAMPLES = 1999
SEED = 20260501  # the same runs give the same interval
EXACT_UP_TO = 2_000_000  # steps; beyond that both groups are large, and the normal approximation is good
EFFECTS = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"))


def rank_test(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p of the rank test: exact, except for two large groups; 1 when all values are equal."""
    few, many = sorted((list(one), list(other)), key=len)
    doubled = _doubled_ranks([*few, *many])
    largest_sum = sum(sorted(doubled)[-len(few) :])
    if len(set(doubled)) == 1:
        return 1.0
    if len(few) * len(doubled) * largest_sum > EXACT_UP_TO:
        return _approximate(doubled, len(few))
    return _exact(doubled, len(few), largest_sum)


def cliffs_delta(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Cliff's delta: how much more often a value of the other is above than below one of the first, -1 to 1."""
    doubled = _doubled_ranks([*one, *other])
    greater = (sum(doubled[len(one) :]) - len(other) * (len(other) + 1)) / 2  # in pairs; ties count half
    return 2 * greater / (len(one) * len(other)) - 1


def effect_in_words(delta: float) -> str:
    """Return negligible, small, medium or large."""
    return next((word for below, word in EFFECTS if abs(delta) < below), "large")


def least_p(one: int, other: int) -> float:
    """Return the smallest p that the rank test can give with that many runs on each side."""
    return min(1.0, 2 / math.comb(one + other, one))


def needed(looked_at: int, one: int = 0) -> int:
    """Return how many runs the other side needs so that a claim is possible; without ``one``, each side.

    :param looked_at: how many figures are tested.
    :param one: how many runs this side has.
    """
    number = LEAST_RUNS
    while least_p(one or number, number) * max(1, looked_at) > ALPHA:
        number += 1
    return number


def holm(ps: Mapping[Key, float]) -> dict[Key, float]:
    """Return each p, corrected for testing all of them."""
    corrected: dict[Key, float] = {}
    most = 0.0
    for number, (key, p) in enumerate(sorted(ps.items(), key=lambda one: one[1])):
        most = max(most, min(1.0, (len(ps) - number) * p))
        corrected[key] = most
    return corrected


@dataclass(frozen=True)
class ConfidenceInterval:
    """The interval of the true difference, with 95 % confidence for this figure alone."""

    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """Return the interval as JSON values."""
        return {"low": self.low, "high": self.high, "confidence": CONFIDENCE}


def interval_of_medians(one: Sequence[float], other: Sequence[float]) -> ConfidenceInterval | None:
    """Return the bootstrap interval of the other's median minus the first's; None with a single value on a side."""
    if min(len(one), len(other)) < 2:
        return None
    import numpy
    from scipy.stats import bootstrap

    samples = tuple(numpy.sort(numpy.asarray(values, dtype=float)) for values in (one, other))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # if all values are equal; then the bounds are equal, too
        found = bootstrap(
            samples, _between_medians, n_resamples=RESAMPLES, vectorized=True, method="percentile",
            confidence_level=CONFIDENCE, random_state=numpy.random.default_rng(SEED),
        ).confidence_interval  # fmt: skip
    return ConfidenceInterval(float(found.low), float(found.high))


def _between_medians(one: "numpy.ndarray[Any, Any]", other: "numpy.ndarray[Any, Any]", axis: int = -1) -> Any:
    import numpy

    return numpy.median(other, axis=axis) - numpy.median(one, axis=axis)


def difference_of_medians(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the other's median minus the first's."""
    return median(other) - median(one)


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Return the ranks from 1, with the mean rank for ties; doubled, so that they are whole numbers."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), 1):
        places.setdefault(value, []).append(place)
    return [places[value][0] + places[value][-1] for value in values]


def _approximate(doubled: Sequence[int], few: int) -> float:
    """Return p by the normal distribution, corrected for ties and continuity."""
    count, mean = len(doubled), sum(doubled) / len(doubled)
    spread = sum((rank - mean) ** 2 for rank in doubled) * few * (count - few) / (count * (count - 1))
    off = max(0.0, abs(sum(doubled[:few]) - few * mean) - 1)  # half a rank
    return math.erfc(off / math.sqrt(2 * spread))


def _exact(doubled: Sequence[int], few: int, largest_sum: int) -> float:
    """Return the share of all choices of that many ranks with a sum as far from the middle as that of the first."""
    import numpy

    ways = numpy.zeros((few + 1, largest_sum + 1))  # by number of ranks and sum: how many choices there are
    ways[0, 0] = 1
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : largest_sum + 1 - rank]
    middle = few * sum(doubled) / len(doubled)
    off = numpy.abs(numpy.arange(largest_sum + 1) - middle)
    as_far = off >= abs(sum(doubled[:few]) - middle) - 1e-9
    return float(ways[few, as_far].sum() / ways[few].sum())
