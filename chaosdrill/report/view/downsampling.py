"""Downsampling for figures: extremes are kept, and merged spans keep exact edges."""

from typing import Any

import numpy

Array = numpy.ndarray[Any, Any]
MIXED = -1


def pixel_ns(span_ns: int, pixels: int) -> int:
    """Return the duration of a pixel, at least a nanosecond."""
    return max(1, -(-span_ns // max(1, pixels)))


def thinned(at_ns: Array, values: Array, pixel: int) -> Array:
    """Return the indices of the points to keep, in order: the first, last, smallest and largest of each pixel.

    :param at_ns: the times, sorted.
    """
    if not len(at_ns):
        return numpy.zeros(0, numpy.int64)
    bins = (at_ns - at_ns[0]) // pixel
    order = numpy.lexsort((values, bins))
    edges = numpy.diff(bins) > 0  # lexsort keeps the order of the bins
    ends, starts = numpy.append(edges, True), numpy.insert(edges, 0, True)
    chosen = numpy.concatenate([order[ends], order[starts], numpy.flatnonzero(ends), numpy.flatnonzero(starts)])
    return numpy.unique(chosen)


def runs(values: Array) -> tuple[Array, Array]:
    """Return the first and the last index of each sequence of equal values."""
    if not len(values):
        return numpy.zeros(0, numpy.int64), numpy.zeros(0, numpy.int64)
    edges = numpy.flatnonzero(values[1:] != values[:-1])
    return numpy.insert(edges + 1, 0, 0), numpy.append(edges, len(values) - 1)


def merged(
    since: Array, until: Array, kinds: Array, count: Array, most: int, pixel: int
) -> tuple[Array, Array, Array, Array]:
    """Merge spans until there are at most ``most``, those with the shortest gaps between them first.

    :param kinds: the kind of each, as a number; merging different kinds gives ``MIXED``.
    :param pixel: spans of different kinds are merged only if one is shorter than this, unless that is not enough.
    :returns: the spans in the form of the arguments; their edges are edges of given spans.
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
