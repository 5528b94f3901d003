"""The region state from its facts. Pure."""

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def verdict(facts: Facts) -> str:
    """Judge the facts.

    :param facts: as :func:`chaosdrill.region.read_region_facts` returns them.
    :returns: ``serving(<region>)``: open, routed to, the writer and the DNS answer, all in one region; ``moving``:
        otherwise, while an execution of the failover pair runs, or when only the DNS answer is still another region's,
        as it can be until its TTL has passed; ``dark``: closed everywhere and no execution runs; ``split``: the facts
        disagree; ``unknown``: one of them could not be read.
    :source: docs/drill.md, "Region state"
    """
    if any(isinstance(fact, Mapping) and "error" in fact for fact in facts.values()):
        return "unknown"
    for region in facts["flag"]:
        if serves(facts, region):
            return f"serving({region})"
    if facts["running"] or any(is_followed(facts, region) for region in facts["flag"]):
        return "moving"
    return "dark" if all(facts["flag"].values()) else "split"


def serves(facts: Facts, region: str) -> bool:
    """Return whether every fact (all of them readable) shows that this region serves, and no other."""
    return leads_to(facts, region) and facts["dns"]["regions"] == [region]


def is_followed(facts: Facts, region: str) -> bool:
    """Return whether flags, routing and writer show this region, while DNS may still answer with other regions of
    the system.
    """
    answered = set(facts["dns"]["regions"])
    return leads_to(facts, region) and bool(answered) and answered <= set(facts["flag"])


def leads_to(facts: Facts, region: str) -> bool:
    """Return whether flags, routing and writer (all of them readable) show that this region serves, and no other."""
    return (
        all(stopped == (name != region) for name, stopped in facts["flag"].items())
        and all(state == ("On" if name == region else "Off") for name, state in facts["routing"].items())
        and facts["writer"] == region
    )
