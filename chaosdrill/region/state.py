"""From the facts to the region state. Pure."""

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def verdict(facts: Facts) -> str:
    """Judge the facts.

    :param facts: as :func:`chaosdrill.region.read_region_facts` gives them.
    :returns: ``serving(<region>)``: open, routed to, the writer and the DNS answer, all in one region; ``moving``: not
        so, and an execution of the failover pair runs, or only the DNS answer is still another region's, as it must be
        until its TTL has passed; ``dark``: closed everywhere and none runs; ``split``: the facts disagree;
        ``unknown``: one of them could not be read.
    :source: design.md, "The words"
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
    """:returns: whether every fact (all of them readable) says that this region serves, and no other."""
    return leads_to(facts, region) and facts["dns"]["regions"] == [region]


def is_followed(facts: Facts, region: str) -> bool:
    """:returns: whether everything leads to this region, and clients may not know it yet: the DNS answer is one or more
    of the system's own regions.
    """
    answered = set(facts["dns"]["regions"])
    return leads_to(facts, region) and bool(answered) and answered <= set(facts["flag"])


def leads_to(facts: Facts, region: str) -> bool:
    """:returns: whether flags, routing and writer (all of them readable) say that this region serves, and no other."""
    return (
        all(stopped == (name != region) for name, stopped in facts["flag"].items())
        and all(state == ("On" if name == region else "Off") for name, state in facts["routing"].items())
        and facts["writer"] == region
    )
