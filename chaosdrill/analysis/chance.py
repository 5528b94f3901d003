"""When a row of unserved beats is too long to be chance, also while packets are lost on purpose."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

Array = numpy.ndarray[Any, Any]

LEAST_BEATS = 3  # outside a fault that makes beats fail one by one
CHANCE = 0.01  # that a fault makes one such row anywhere while it lasts
EDGE_CHANCE = 0.05  # that so many beats beside an outage failed for the fault alone
MOST_PROBABLE = 0.95  # above it a row is told from chance after minutes only; at 1 nothing is left to chance
NS = 1_000_000_000


@dataclass(frozen=True)
class Loss:
    """A packet-loss fault that was in force.

    :param probability: that one beat fails for it; see :func:`loss_probability`.
    """

    since_ns: int
    until_ns: int
    probability: float


def loss_probability(percent: float) -> float:
    """:returns: the probability that a beat is not answered within 1 s when so many of its packets are lost.

    Measured: 34 % at 30 % loss. A beat fails when its connection's first packet is lost (that is sent again after 1 s),
    or all of the three sendings that its answer has time for.

    :param percent: of the packets in one direction.
    """
    lost = min(max(percent, 0.0), 100.0) / 100
    return min(1.0, max(lost + 0.05, 1 - (1 - lost) * (1 - lost**3) + 0.03))


@dataclass(frozen=True)
class Rows:
    """How much each beat weighs: a row of unserved ones counts as unavailability when it weighs 1 or more.

    Each beat weighs ``1 / n``, where rows of ``n`` are too long for chance at that time. So one more unserved beat
    never makes a row weigh less, and served beats do not matter at all. A beat that a server refused was not hit by the
    packet loss: its packets arrived, both ways. It weighs what it weighs without a fault.
    """

    losses: tuple[tuple[Loss, int, int], ...]  # with how many make a row, and how many chance adds at an edge
    least_beats: int

    def weights(self, due_ns: Array, refused: Array) -> Array:
        """:returns: the weight of beats that were due then; ``refused``: which of them a server refused."""
        found = numpy.full(len(due_ns), 1 / self.least_beats)
        for loss, least, _ in self.losses:
            part = slice(*numpy.searchsorted(due_ns, (loss.since_ns, loss.until_ns)))
            found[part] = numpy.minimum(found[part], 1 / least)
        return numpy.where(refused, 1 / self.least_beats, found)

    def by_chance(self, due_ns: Array, refused: Array) -> int:
        """:returns: how many of the first of these unserved beats may have failed for the fault alone."""
        most = 0
        for loss, _, edge in self.losses:
            inside = (due_ns >= loss.since_ns) & (due_ns < loss.until_ns) & ~refused
            leading = len(inside) if inside.all() else int(inside.argmin())
            most = max(most, min(edge, leading))
        return most


def rows_of(losses: Sequence[Loss], least_beats: int, rate_per_s: float, deadline_s: float) -> Rows:
    """:returns: the rule for beats of that rate, all operations together.

    :param losses: beats that were due up to a deadline before a fault began are still hit by it.
    """
    made = []
    for loss in losses:
        since_ns = loss.since_ns - round(deadline_s * NS)
        if loss.probability <= 0 or loss.probability >= 1 or loss.until_ns <= loss.since_ns:
            continue  # a fault that stops everything is an outage, not chance
        chance = min(loss.probability, MOST_PROBABLE)
        beats = max(1.0, rate_per_s * (loss.until_ns - since_ns) / NS)
        least = max(least_beats, math.ceil(math.log(CHANCE / beats) / math.log(chance)))
        edge = math.ceil(math.log(EDGE_CHANCE) / math.log(chance))
        made.append((Loss(since_ns, loss.until_ns, chance), least, edge))
    return Rows(tuple(made), least_beats)
