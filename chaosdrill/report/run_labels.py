"""Short unique labels of runs for table headers and axes."""

from collections.abc import Sequence

# slices of the beginning in ISO 8601: month and day; date; either with minutes; either with seconds
_PARTS = ((5, 10), (0, 10), (5, 16), (0, 16), (5, 19), (0, 19))


def run_labels(began: Sequence[str], runs: Sequence[str]) -> list[str]:
    """Label each run with the shortest part of its beginning that is unique among the runs, otherwise with its id.

    :param began: when each run began, in UTC and ISO 8601; empty if unknown.
    :param runs: the run ids, in the same order.
    """
    for first, end in _PARTS:
        labels = [moment[first:end].replace("T", " ") for moment in began]
        if all(labels) and len(set(labels)) == len(labels):
            return labels
    return list(runs)
