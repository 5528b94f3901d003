"""The sequence of region states of a drill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from chaosdrill.messages import Name, Sentence, sentence


@dataclass(frozen=True)
class StatePeriod:
    """A region state and how long it was observed, in seconds."""

    state: str
    seconds: float


def state_in_words(state: str) -> Sentence:
    """Return a region state as sentences name it."""
    if state.startswith("serving(") and state.endswith(")"):
        return sentence("serving({region})", region=state[len("serving(") : -1])
    return sentence("{regions}", regions=Name("regions", state))


def region_states(events: Sequence[Mapping[str, Any]]) -> tuple[StatePeriod, ...]:
    """Return the region states in the order in which they were observed; the last one lasts until the last event."""
    changes = [(event["state"], event["monotonic_s"]) for event in events if event["event"] == "region-state"]
    if not changes:
        return ()
    kept = [changes[0], *(after for before, after in pairwise(changes) if after[0] != before[0])]
    end = max(float(event["monotonic_s"]) for event in events if "monotonic_s" in event)
    return tuple(
        StatePeriod(state, round(until - since, 1)) for (state, since), (_, until) in pairwise([*kept, ("", end)])
    )
