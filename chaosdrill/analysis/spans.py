"""Set operations on spans of time."""

from collections.abc import Iterable, Sequence

Span = tuple[int, int]


def union(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order, with those that touch merged."""
    found: list[Span] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found


def length(spans: Iterable[Span]) -> int:
    """Return how much time the spans cover."""
    return sum(until - since for since, until in union(spans))


def without(spans: Iterable[Span], holes: Sequence[Span]) -> list[Span]:
    """Return the spans without the holes; spans of no length are left out."""
    left: list[Span] = []
    taken = union(holes)
    for since, until in union(spans):
        for hole_since, hole_until in taken:
            if hole_until <= since or hole_since >= until:
                continue
            if hole_since > since:
                left.append((since, hole_since))
            since = hole_until
            if since >= until:
                break
        if since < until:
            left.append((since, until))
    return left
