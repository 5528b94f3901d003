"""Fewer points for the same picture: what stands out stays, and the edges of what is put together stay exact."""

from typing import Any

import numpy

Array = numpy.ndarray[Any, Any]
MIXED = -1


def pixel_ns(span_ns: int, pixels: int) -> int:
    """:returns: how long a pixel is, at least a nanosecond."""
    return max(1, -(-span_ns // max(1, pixels)))


def thinned(at_ns: Array, values: Array, pixel: int) -> Array:
    """:returns: which points to keep, in order: of each pixel the first, the last, the smallest and the largest.

    :param at_ns: in order.
    """
    if not len(at_ns):
        return numpy.zeros(0, numpy.int64)
    bins = (at_ns - at_ns[0]) // pixel
    order = numpy.lexsort((values, bins))
    edges = numpy.diff(bins) > 0  # lexsort keeps the bins in the order in which they stand
    ends, starts = numpy.append(edges, True), numpy.insert(edges, 0, True)
    chosen = numpy.concatenate([order[ends], order[starts], numpy.flatnonzero(ends), numpy.flatnonzero(starts)])
    return numpy.unique(chosen)


def runs(values: Array) -> tuple[Array, Array]:
    """:returns: where each run of equal values begins, and where it ends (that one included)."""
    if not len(values):
        return numpy.zeros(0, numpy.int64), numpy.zeros(0, numpy.int64)
    edges = numpy.flatnonzero(values[1:] != values[:-1])
    return numpy.insert(edges + 1, 0, 0), numpy.append(edges, len(values) - 1)


def merged(
    since: Array, until: Array, kinds: Array, count: Array, most: int, pixel: int
) -> tuple[Array, Array, Array, Array]:
    """Put spans together until there are at most so many: those with the shortest gaps between them.

    :param kinds: of each, as a number; several in one make it ``MIXED``.
    :param pixel: only spans shorter than this are put together with ones of another kind, unless that is not enough.
    :returns: the spans, as they were given: the edges of each are edges of given ones.
    """
    if len(since) <= most:
        return since, until, kinds, count
    gaps = since[1:] - until[:-1]
    other = kinds[1:] != kinds[:-1]
    longer = numpy.minimum(until - since, 2**62)
    cost = gaps + numpy.where(other, numpy.minimum(longer[1:], longer[:-1]) + pixel, 0)
    closed = numpy.zeros(len(gaps), bool)
    number = len(since) - most
    closed[numpy.argpartition(cost, number - 1)[:number]] = True
    first = numpy.flatnonzero(numpy.insert(~closed, 0, True))
    last = numpy.append(first[1:] - 1, len(since) - 1)
    low, high = numpy.minimum.reduceat(kinds, first), numpy.maximum.reduceat(kinds, first)
    return since[first], until[last], numpy.where(low == high, low, MIXED), numpy.add.reduceat(count, first)
