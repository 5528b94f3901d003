"""The changes that stay if the rest of the rollbacks is left out, as a message for a person who presses Ctrl-C
again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from chaosdrill.history import Event
from chaosdrill.history.owed_undos import owed_undos


def rollbacks_left(experiment: Mapping[str, Any], events: Sequence[Event]) -> list[str]:
    """List the rollbacks that have not ended, in order, by name; the running one is the first of them."""
    ended = Counter(
        str(event.get("activity"))
        for event in events
        if event.get("event") == "activity-ended" and event.get("phase") == "rollbacks"
    )
    left = []
    for rollback in experiment.get("rollbacks") or []:
        name = str(rollback.get("name") or rollback.get("ref"))
        if ended[name]:
            ended[name] -= 1
        else:
            left.append(name)
    return left


def remaining_in_words(experiment: Mapping[str, Any], events: Sequence[Event], run: str) -> str:
    """Describe the remaining rollbacks, and what stays in force without them.

    :param run: the run, by which a rescue finds it.
    """
    left, owed = rollbacks_left(experiment, events), owed_undos(events)
    parts = [f"not done yet: {', '.join(left)}"] if left else []
    if owed:
        in_force = ", ".join(f"{one.step} (undone by {one.undo})" for one in owed)
        parts += [f"in force: {in_force}", f"`chaosdrill rescue {run}` undoes it"]
    return "; ".join(parts)
