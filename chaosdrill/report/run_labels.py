"""Short names of runs in the head of a table or on an axis: no two alike."""

from collections.abc import Sequence

# of the beginning in ISO 8601: month and day, date, then with minutes, then with seconds
_PARTS = ((5, 10), (0, 10), (5, 16), (0, 16), (5, 19), (0, 19))


def run_labels(began: Sequence[str], runs: Sequence[str]) -> list[str]:
    """Name each run by as little of its beginning as tells it from all others, else by its id.

    :param began: when each run began, in UTC and ISO 8601; empty where that is not known.
    :param runs: the run ids, in the same order.
    """
    for first, end in _PARTS:
        labels = [moment[first:end].replace("T", " ") for moment in began]
        if all(labels) and len(set(labels)) == len(labels):
            return labels
    return list(runs)
