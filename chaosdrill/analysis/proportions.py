"""Confidence intervals of proportions and of their differences, from counts. Pure."""

import math

ONE_IN_TWENTY = 1.96  # standard deviations of a normal distribution: a 95 % interval
Interval = tuple[float, float, float]  # the proportion, the lower and the upper bound


def wilson(count: int, total: int, z: float = ONE_IN_TWENTY) -> Interval:
    """Return a proportion with Wilson's interval.

    :param total: greater than 0.
    :source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927
    """
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return share, max(0.0, middle - half), min(1.0, middle + half)


def newcombe(first: Interval, second: Interval) -> tuple[float, float]:
    """Return the interval of the second proportion minus the first.

    :source: Newcombe, "Interval Estimation for the Difference Between Independent Proportions", 1998, method 10
    """
    (p1, l1, u1), (p2, l2, u2) = first, second
    low = (p2 - p1) - math.sqrt((p2 - l2) ** 2 + (u1 - p1) ** 2)
    high = (p2 - p1) + math.sqrt((u2 - p2) ** 2 + (p1 - l1) ** 2)
    return low, high
