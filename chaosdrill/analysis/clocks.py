"""Clock offsets: how far each generator's clock is ahead of the recorder's, and the uncertainty.

If one constant offset agrees with all readings of a source, it is used: distances between times are then exact, however
rough the readings are. If the readings exclude each other (a clock was set, or drifts), the offset is interpolated
linearly between the readings, and its uncertainty is at least their disagreement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

RATES_APART = 1e-4  # upper bound of the difference in frequency of two computers' clocks (RFC 5905 expects 1.5e-5)


@dataclass(frozen=True)
class Offset:
    """A generator's clock minus the recorder's, in nanoseconds; the true offset is within ``uncertainty_ns`` of it.

    :param measured: whether it was measured; if not, it is 0.
    :param knots: if readings disagree: pairs of a time by the generator's clock and the offset at that time.
    """

    offset_ns: int
    uncertainty_ns: int
    measured: bool = True
    knots: tuple[tuple[int, int], ...] = ()

    def to_recorder(self, times_ns: Any) -> Any:
        """Convert times by the generator's clock (one, or an array) to times by the recorder's clock."""
        if not self.knots:
            return times_ns - self.offset_ns if self.offset_ns else times_ns
        import numpy

        first_ns = self.knots[0][0]
        at, offsets = ([float(knot[part] - base) for knot in self.knots] for part, base in ((0, first_ns), (1, 0)))
        since_first = numpy.asarray(times_ns) - first_ns
        ahead = numpy.rint(numpy.interp(since_first, at, offsets)).astype(numpy.int64)
        return times_ns - (ahead if ahead.ndim else int(ahead))


UNMEASURED = Offset(0, 0, measured=False)


@dataclass(frozen=True)
class _Reading:
    at_ns: int  # by the recorder's clock
    offset_ns: int
    uncertainty_ns: int


def offset_of(events: Iterable[Mapping[str, Any]], source: str) -> Offset:
    """Return the offset of a source.

    :param events: a history; the events named ``clock-measured`` count.
    :param source: as in the event; a worker without a measurement uses that of its generator.
    """
    found = [event for event in events if event.get("event") == "clock-measured" and _is_measurement(event)]
    mine = [event for event in found if event.get("source") == source]
    mine = mine or [event for event in found if event.get("source") == source.partition("-")[0]]
    readings = [_Reading(_at_ns(event), event["offset_ns"], event["uncertainty_ns"]) for event in mine]
    readings.sort(key=lambda one: (one.at_ns, one.offset_ns, one.uncertainty_ns))
    if not readings:
        return UNMEASURED
    least = max(one.offset_ns - one.uncertainty_ns for one in readings)
    most = min(one.offset_ns + one.uncertainty_ns for one in readings)
    return _steady(readings, least, most) if least <= most else _wandering(readings)


def _steady(readings: Sequence[_Reading], least: int, most: int) -> Offset:
    """Return the offset between ``least`` and ``most``, which all readings allow, with the drift that they may hide."""
    drift_ns = round((readings[-1].at_ns - readings[0].at_ns) * RATES_APART)
    narrowed = (most - least + 1) // 2 + drift_ns
    return Offset((least + most) // 2, min(narrowed, max(one.uncertainty_ns for one in readings)))


def _wandering(readings: Sequence[_Reading]) -> Offset:
    own = max(one.uncertainty_ns for one in readings)
    apart = max(abs(after.offset_ns - before.offset_ns) for before, after in pairwise(readings))
    best = min(readings, key=lambda one: one.uncertainty_ns)
    by_time = {one.at_ns + one.offset_ns: one.offset_ns for one in readings}
    return Offset(best.offset_ns, max(own, apart), knots=tuple(sorted(by_time.items())))


def _at_ns(event: Mapping[str, Any]) -> int:
    at_ns = event.get("at_ns")
    return at_ns if type(at_ns) is int else 0


def _is_measurement(event: Mapping[str, Any]) -> bool:
    return (
        all(type(event.get(name)) is int for name in ("offset_ns", "uncertainty_ns")) and event["uncertainty_ns"] >= 0
    )
