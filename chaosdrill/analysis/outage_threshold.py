"""Thresholds of outages: sequences of unserved beats too long to be chance, with and without injected packet loss."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

Array = numpy.ndarray[Any, Any]

LEAST_BEATS = 3  # without a fault that makes beats fail one by one
CHANCE = 0.01  # the chance that a fault causes one such sequence anywhere in its duration
EDGE_CHANCE = 0.05  # the chance that beats at the edge of an outage failed from the fault alone
MOST_PROBABLE = 0.95  # a sequence would exceed chance only after minutes if the probability were higher
NS = 1_000_000_000


@dataclass(frozen=True)
class InjectedLoss:
    """A packet-loss fault that was active.

    :param probability: the probability that it makes a beat fail; see :func:`loss_probability`.
    """

    since_ns: int
    until_ns: int
    probability: float


def loss_probability(percent: float) -> float:
    """Return the probability that a beat gets no response within 1 s under that packet loss.

    Measured: 34 % at 30 % loss. A beat fails when the first packet of its connection is lost (it is retransmitted after
    1 s), or all three transmissions that fit into the deadline.

    :param percent: the percentage of lost packets in one direction.
    """
    lost = min(max(percent, 0.0), 100.0) / 100
    return min(1.0, max(lost + 0.05, 1 - (1 - lost) * (1 - lost**3) + 0.03))


@dataclass(frozen=True)
class Rows:
    """The weight of each beat: a sequence of unserved beats is an outage if its weights add up to 1 or more.

    The weight of a beat is ``1 / n``, where sequences of ``n`` are too long to be chance at that time. One more
    unserved beat therefore never reduces the weight, and served beats do not matter. A beat that a server refused was
    not affected by the packet loss, because its packets arrived in both directions: it has the weight of a beat without
    a fault.
    """

    # with the threshold, and the most beats that chance adds at an edge
    losses: tuple[tuple[InjectedLoss, int, int], ...]
    least_beats: int

    def weights(self, due_ns: Array, refused: Array) -> Array:
        """Return the weight of beats with these due times; ``refused``: which of them a server refused."""
        found = numpy.full(len(due_ns), 1 / self.least_beats)
        for loss, least, _ in self.losses:
            part = slice(*numpy.searchsorted(due_ns, (loss.since_ns, loss.until_ns)))
            found[part] = numpy.minimum(found[part], 1 / least)
        return numpy.where(refused, 1 / self.least_beats, found)

    def by_chance(self, due_ns: Array, refused: Array) -> int:
        """Return how many of the first of these unserved beats may have failed from the fault alone."""
        most = 0
        for loss, _, edge in self.losses:
            inside = (due_ns >= loss.since_ns) & (due_ns < loss.until_ns) & ~refused
            leading = len(inside) if inside.all() else int(inside.argmin())
            most = max(most, min(edge, leading))
        return most


def rows_of(losses: Sequence[InjectedLoss], least_beats: int, rate_per_s: float, deadline_s: float) -> Rows:
    """Return the weights for beats of that rate, all operations together.

    :param losses: faults; they also affect beats that were due up to one deadline before they began.
    """
    made = []
    for loss in losses:
        since_ns = loss.since_ns - round(deadline_s * NS)
        if loss.probability <= 0 or loss.probability >= 1 or loss.until_ns <= loss.since_ns:
            continue  # a fault that stops all packets causes an outage, not chance failures
        chance = min(loss.probability, MOST_PROBABLE)
        beats = max(1.0, rate_per_s * (loss.until_ns - since_ns) / NS)
        least = max(least_beats, math.ceil(math.log(CHANCE / beats) / math.log(chance)))
        edge = math.ceil(math.log(EDGE_CHANCE) / math.log(chance))
        made.append((InjectedLoss(since_ns, loss.until_ns, chance), least, edge))
    return Rows(tuple(made), least_beats)
