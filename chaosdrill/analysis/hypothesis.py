"""Results of the steady-state probes before, during and after the method, judged by their tolerances. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chaosdrill.analysis.proportions import newcombe, wilson
from chaosdrill.analysis.untrusted_json import answer, mapping, number, sequence

BEFORE, DURING, AFTER = "before", "during", "after"
WHEN = (BEFORE, DURING, AFTER)
PHASES = {"steady-state-before": BEFORE, "steady-state-during": DURING, "steady-state-after": AFTER}
SAMPLED = "hypothesis-sampled"
LONGEST = 1000  # characters of a value; the history has the whole value


@dataclass(frozen=True)
class ProbeResult:
    """One result of a probe.

    :param value: its value, or why there is none.
    :param met: whether it was within the tolerance; None when that could not be decided.
    :param times: how often it was the same in succession.
    """

    value: Any
    met: bool | None
    times: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return the reading as JSON values."""
        return {"value": self.value, "met": self.met, "times": self.times}


@dataclass(frozen=True)
class Probe:
    """A steady-state probe in one run.

    :param tolerance: its tolerance.
    :param readings: its readings in order, by time of reading: ``before``, ``during`` and ``after``.
    """

    name: str
    tolerance: Any
    readings: Mapping[str, tuple[ProbeResult, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return the probe as JSON values."""
        read = {when: [one.as_json() for one in self.readings.get(when, ())] for when in WHEN}
        return {"probe": self.name, "tolerance": self.tolerance, **read}


MET, MISSED, NOT_KNOWN, NOT_READ = "met", "missed", "not known", "not read"


def state(readings: Sequence[ProbeResult]) -> str:
    """Return the overall state of some readings.

    :returns: ``met``, if all of them were; ``missed``, if any was; ``not known``, if none was missed and some could not
        be judged; ``not read``, if there is none.
    """
    if not readings:
        return NOT_READ
    answers = {one.met for one in readings}
    return MISSED if False in answers else NOT_KNOWN if None in answers else MET


def flips(when: str, before: Sequence[ProbeResult], after: Sequence[ProbeResult]) -> bool:
    """Return whether the result of a steady-state probe differs between two runs.

    During the method the probe is sampled, and how many samples fall into an outage varies by chance. There the result
    differs only if the shares of missed samples differ by more than a 95 % interval allows, however unknown samples
    count.

    :param when: ``before``, ``during`` or ``after`` the method.
    :returns: False also when one of the runs did not read the probe.
    """
    if not before or not after:
        return False
    if when != DURING:
        return state(before) != state(after)
    (missed, unknown, total), (missed_after, unknown_after, total_after) = map(_counts, (before, after))
    return _is_more((missed + unknown, total), (missed_after, total_after)) or _is_more(
        (missed_after + unknown_after, total_after), (missed, total)
    )


def _counts(readings: Sequence[ProbeResult]) -> tuple[int, int, int]:
    """Return the numbers of missed samples, of samples that could not be judged, and of all samples."""
    missed, unknown = (sum(one.times for one in readings if one.met is met) for met in (False, None))
    return missed, unknown, sum(one.times for one in readings)


def _is_more(few: tuple[int, int], many: tuple[int, int]) -> bool:
    """Return whether the second share is larger than the first by more than chance explains."""
    low, _ = newcombe(wilson(*few), wilson(*many))
    return low > 0


def hypothesis_of(events: Iterable[Mapping[str, Any]]) -> tuple[Probe, ...]:
    """Return every steady-state probe that a history records, in the order in which they were first read."""
    found: dict[str, Probe] = {}
    for event in events:
        read = _read(event)
        if read is None:
            continue
        when, reading = read
        name = str(event.get("activity"))
        before = found[name].readings if name in found else {}
        readings = {**before, when: _with(before.get(when, ()), reading)}
        found[name] = Probe(name, _short(event.get("tolerance")), readings)
    return tuple(found.values())


def probes_of_json(values: Any) -> tuple[Probe, ...]:
    """Return the probes that :meth:`Probe.as_json` gave; invalid values are left out."""
    found = {}
    for one in map(mapping, sequence(values)):
        if isinstance(name := one.get("probe"), str):
            readings = {when: tuple(map(_reading, sequence(one.get(when)))) for when in WHEN}
            found[name] = Probe(name, one.get("tolerance"), {when: them for when, them in readings.items() if them})
    return tuple(found.values())


def _reading(value: Any) -> ProbeResult:
    known = mapping(value)
    times = number(known.get("times"))
    return ProbeResult(known.get("value"), answer(known.get("met")), max(1, int(times)) if times is not None else 1)


def _read(event: Mapping[str, Any]) -> tuple[str, ProbeResult] | None:
    """Return when a probe was read, and its reading; None for any other event."""
    met = answer(event.get("tolerance_met"))
    if event.get("event") == SAMPLED:
        error = event.get("error")
        return DURING, ProbeResult(_short(error), None) if error else ProbeResult(_short(event.get("output")), met)
    when = PHASES.get(str(event.get("phase")))
    if event.get("event") != "activity-ended" or when is None:
        return None
    seen = event.get("status") == "succeeded"
    value = event.get("output") if seen else event.get("error") or event.get("status")
    return when, ProbeResult(_short(value), met if seen else None)


def _with(readings: tuple[ProbeResult, ...], new: ProbeResult) -> tuple[ProbeResult, ...]:
    if readings and _same(readings[-1], new):
        return (*readings[:-1], replace(new, times=readings[-1].times + 1))
    return (*readings, new)


def _same(one: ProbeResult, other: ProbeResult) -> bool:
    """Return whether two readings are the same, compared as JSON: 1 is not true."""
    return one.met == other.met and _text(one.value) == _text(other.value)


def _short(value: Any) -> Any:
    written = _text(value)
    return value if len(written) <= LONGEST else f"{written[:LONGEST]}… ({len(written)} characters)"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
