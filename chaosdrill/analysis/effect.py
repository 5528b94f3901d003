"""Statistical test of whether a fault affected clients, with 95 % intervals. Pure.

Compares the time before the fault with the time under it, by two measures: the share of beats or requests that was not
served (Newcombe's interval for the difference of two proportions), and the 90th percentile of the latency (an interval
from order statistics, which assumes no distribution). The fault *landed* when one of them certainly rose by an amount
that matters. It had *no effect* when all of them certainly did not. Otherwise the result is *cannot tell*. The
intervals assume independent samples: beats are, because each uses a connection of its own; the requests of one user may
not be.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy

from chaosdrill.analysis.expected_beats import SERVED, UNKNOWN, Span, states
from chaosdrill.analysis.proportions import newcombe, wilson
from chaosdrill.analysis.records import Beats, Requests
from chaosdrill.messages import NOTHING, Name, Sentence, sentence, together
from chaosdrill.records.rows import OK

Array = numpy.ndarray[Any, Any]

LANDED, NO_EFFECT, CANNOT_TELL = "landed", "no effect", "cannot tell"
NO_SAMPLES = sentence("there are neither beats nor requests")
LEAST_SAMPLES = 20
SHARE_THAT_MATTERS = 0.02  # rise of the share of beats that are not served
LATENCY_THAT_MATTERS_S = 0.1  # half of TCP's minimum retransmission timeout
QUANTILE = 0.9
BOTH_SIDES = 2.2414  # z of 97.5 %: the difference of two such intervals has at least 95 %


@dataclass(frozen=True)
class MeasureRise:
    """How much one measure rose under the fault, with a 95 % interval from ``low`` to ``high``.

    :param before: its value before the fault; ``during``: under it. Infinite: no beat or request was served.
    :param matters: the least rise that counts as an effect.
    """

    what: Sentence
    unit: str
    before: float
    during: float
    low: float
    high: float
    matters: float

    @property
    def verdict(self) -> str:
        """Whether the measure certainly rose by what matters, certainly did not, or neither."""
        if self.low >= self.matters:
            return LANDED
        return NO_EFFECT if self.high < self.matters else CANNOT_TELL

    def in_words(self) -> Sentence:
        """Return a sentence such as ``beats not served: 0 before, 0.33 under the fault: 0.27 to 0.38 more (95 %)``."""
        before, during = (self._figure(f"{one:.3g}") if math.isfinite(one) else sentence("no answer")
                          for one in (self.before, self.during))  # fmt: skip
        values = {"what": self.what, "before": before, "during": during}
        said = sentence("{what}: {before} before, {during} under the fault", **values)
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return said
        high = self._figure(f"{self.high:.2g}")
        return sentence("{rose}: {low:.2g} to {high} more (95 %)", rose=said, low=self.low, high=high)

    def _figure(self, number: str) -> Sentence:
        if self.unit == "ratio":
            return sentence("{number}", number=number)
        return sentence("{number} {unit}", number=number, unit=Name("unit", self.unit))

    def as_json(self) -> dict[str, Any]:
        """Return the difference as JSON values; infinite ones are None."""
        values = {"before": self.before, "during": self.during, "low": self.low, "high": self.high}
        shown = {name: value if math.isfinite(value) else None for name, value in values.items()}
        return {"what": self.what, "unit": self.unit, **shown, "matters": self.matters, "verdict": self.verdict}


@dataclass(frozen=True)
class FaultEffect:
    """The result: ``landed``, ``no effect`` or ``cannot tell``, with the differences, or why there are none."""

    verdict: str
    differences: tuple[MeasureRise, ...]
    why: Sentence = NOTHING

    def in_words(self) -> Sentence:
        """Return the verdict with its intervals."""
        verdict = sentence("{effect}", effect=Name("effect-of-fault", self.verdict))
        return together([verdict, *(one.in_words() for one in self.differences), *([self.why] if self.why else [])])

    def as_json(self) -> dict[str, Any]:
        """Return the effect as JSON values."""
        return {"verdict": self.verdict, "differences": [one.as_json() for one in self.differences], "why": self.why}


def fault_effect(
    before: Span, during: Span, beats: Beats | None = None, requests: Requests | None = None
) -> FaultEffect:
    """Compare a time without the fault with a time under it, by beats, by requests, or by both.

    :param before: start and end of the time without the fault, UTC nanoseconds by the recorder's clock.
    :param during: start and end of the time under it, before any other change that clients notice.
    :returns: ``landed`` when any measure certainly rose; ``no effect`` when none did; otherwise ``cannot tell``.
    """
    differences: list[MeasureRise] = []
    few: list[Sentence] = []
    for word, sample in (("beats", _of_beats(beats)), ("requests", _of_requests(requests))):
        what = Name("sample", word)
        if sample is None:
            continue
        due_ns, served, latency_us = sample
        parts = [slice(*numpy.searchsorted(due_ns, span)) for span in (before, during)]
        counts = [part.stop - part.start for part in parts]
        if min(counts) < LEAST_SAMPLES:
            values = {"before": counts[0], "what": what, "during": counts[1], "needed": LEAST_SAMPLES}
            few.append(
                sentence("only {before} {what} before and {during} under the fault, {needed} are needed", **values)
            )
            continue
        differences.append(_share(what, *(served[part] for part in parts)))
        differences.append(_latency(what, *(latency_us[part] for part in parts)))
    return FaultEffect(_verdict(differences, few), tuple(differences), together(few) or _nothing(differences))


def _verdict(differences: list[MeasureRise], few: list[Sentence]) -> str:
    verdicts = {one.verdict for one in differences}
    if LANDED in verdicts:
        return LANDED
    return NO_EFFECT if verdicts == {NO_EFFECT} and not few else CANNOT_TELL


def _nothing(differences: list[MeasureRise]) -> Sentence:
    return NOTHING if differences else NO_SAMPLES


def _of_beats(beats: Beats | None) -> tuple[Array, Array, Array] | None:
    if beats is None:
        return None
    state = states(beats)
    known = state != UNKNOWN
    latency_us = numpy.where(beats.outcome == OK, beats.duration_us, numpy.inf)
    return beats.due_ns[known], (state == SERVED)[known], latency_us[known]


def _of_requests(requests: Requests | None) -> tuple[Array, Array, Array] | None:
    if requests is None:
        return None
    answered = requests.outcome == OK
    return requests.start_ns, answered, numpy.where(answered, requests.duration_us, numpy.inf)


def _share(what: Name, before: Array, during: Array) -> MeasureRise:
    shares = [wilson(int((~served).sum()), len(served)) for served in (before, during)]
    not_served = sentence("{what} not served", what=what)
    return MeasureRise(not_served, "ratio", shares[0][0], shares[1][0], *newcombe(*shares), SHARE_THAT_MATTERS)


def _latency(what: Name, before: Array, during: Array) -> MeasureRise:
    (p1, l1, u1), (p2, l2, u2) = (_quantile_interval(one) for one in (before, during))
    return MeasureRise(
        sentence("p90 of {what}", what=what), "s", p1, p2, _less(l2, u1), _less(u2, l1), LATENCY_THAT_MATTERS_S
    )


def _quantile_interval(latency_us: Array) -> tuple[float, float, float]:
    """Return the 90th percentile in seconds, and the sorted values between which it lies with 97.5 % confidence."""
    count = len(latency_us)
    off = BOTH_SIDES * math.sqrt(count * QUANTILE * (1 - QUANTILE))
    places = (QUANTILE * count, QUANTILE * count - off, QUANTILE * count + off + 1)
    middle, low, high = (math.ceil(place) - 1 for place in places)
    inside = sorted({min(max(place, 0), count - 1) for place in (middle, low, high)})
    ordered = numpy.partition(latency_us, inside)
    value = [math.inf if place >= count else float(ordered[max(place, 0)]) / 1e6 for place in (middle, low, high)]
    return value[0], 0.0 if low < 0 else value[1], value[2]


def _less(one: float, other: float) -> float:
    """Return the difference of two latencies; where one of them is infinite, the smallest possible difference."""
    if math.isinf(other):
        return -math.inf if not math.isinf(one) else math.nan
    return one - other
