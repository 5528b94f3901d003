"""All figures of a run, by the names that comparisons and gates use, and which direction is better. Pure.

``recovery_time_s``, ``lost_writes`` and ``lost_s`` are the worst of the run's transitions and read-backs. Examples of
names: ``fail_over.database_switched_s`` is a phase, ``latency.read.during.p95_s`` a latency, and
``hypothesis.locust_failures.met_ratio`` the share of the samples of a steady-state probe during the method that were
within its tolerance.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from chaosdrill.analysis.hypothesis import DURING, Probe
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.phases import NOTICED, PHASES
from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.messages import NOTHING, Name, Sentence, as_it_is, sentence, sentences_from_json

RECOVERY, LOST_WRITES, LOST_S, AVAILABILITY = "recovery_time_s", "lost_writes", "lost_s", "availability_ratio"
DURATION = "duration_s"
LATENCY, HYPOTHESIS = "latency", "hypothesis"
_ANSWERS = (True, False, None)
QUANTILES = ("p50", "p95", "p99")
MOVEMENTS = ("fail-over", "fail-back")
LONGEST_NAME = 80

_WORST = {RECOVERY: "recovery_", LOST_WRITES: "lost_writes_", LOST_S: "lost_s_"}  # prefixes
_RENAMED = {"availability": AVAILABILITY, "client_outage": "client_outage_s"}  # with their unit
_SERVICE = (AVAILABILITY, "client_outage_s", "unavailable_s", "degraded_s", "error_s")
_MORE_IS_BETTER = (AVAILABILITY, "met_ratio")
_NEITHER = (DURATION, f"{NOTICED}_s")  # a fault that is noticed sooner is not better: it was harder


# figures whose names depend on the run's operations and on the experiment's probes
_BY_RUN = {
    LATENCY: re.compile(r"latency\.\w+\.(before|during|after)\.(p50|p95|p99)_s"),
    HYPOTHESIS: re.compile(r"hypothesis\.\w+\.met_ratio"),
}


def may_be(name: str, measured: Iterable[str]) -> bool:
    """Return whether another run may have a figure of this name: only if these runs have no figure of its kind."""
    kind = name.partition(".")[0]
    others = any(one.startswith(f"{kind}.") for one in measured)
    return kind in _BY_RUN and not others and _BY_RUN[kind].fullmatch(name) is not None


def _phase_name(what: str, phase: str) -> str:
    return f"{_part(what)}.{_part(phase)}_s"


def _part(name: str) -> str:
    """Return a name as part of a figure's name that a gate can use."""
    return re.sub(r"\W+", "_", name)[:LONGEST_NAME] or "_"


KNOWN = (
    *_WORST,
    *_SERVICE,
    DURATION,
    *(f"recovery_{_part(what)}_s" for what in MOVEMENTS),
    *(f"{lost}_after_{movement}" for lost in (LOST_WRITES, LOST_S) for movement in ("failover", "failback")),
    *(_phase_name(what, phase) for what in MOVEMENTS for phase, since in PHASES.items() if since),
)


def better(name: str) -> str:
    """Return ``less`` or ``more``, whichever is better for a figure; empty where neither is."""
    last = name.rpartition(".")[2]
    if last in _NEITHER:
        return ""
    return "more" if last in _MORE_IS_BETTER else "less"


def is_loss(name: str) -> bool:
    """Return whether a figure counts lost writes, and so depends on how many are sent."""
    return name.startswith((LOST_WRITES, LOST_S))


def compared_figures(said: Mapping[str, Any], probes: Iterable[Probe]) -> dict[str, Measured]:
    """Extract the figures from a summary.

    :param said: the summary.
    :param probes: the probes of its hypothesis.
    :returns: the figures by name, those of the whole run first.
    """
    judgement = mapping(said.get("judgement"))
    made = sentences_from_json(judgement.get("said"))
    figures = dict(_named(_figures(judgement, made)))
    found = {name: worst(them) for name, start in _WORST.items() if (them := _beginning(figures, start))}
    found |= {name: figures[name] for name in _SERVICE if name in figures}
    if (seconds := number(said.get("seconds"))) is not None and seconds >= 0:
        found[DURATION] = Measured(seconds, "s", sentence("from the opening of the drill to its closing"), 0.1, 0.1)
    details = _named((*_phases(judgement), *_shares(probes), *_latencies(judgement, made)))
    return {**found, **figures, **dict(details), **found}  # keep this order; figures computed here win


def worst(figures: Sequence[Measured]) -> Measured:
    """Return the largest of several figures in one unit; without a value when one of them has none."""
    first = figures[0]
    if unseen := next((one for one in figures if one.value is None), None):
        return Measured(None, first.unit, first.how, why=unseen.why)
    top = max(one.value or 0.0 for one in figures)
    known = [(one.value or 0.0, one.uncertainty) for one in figures]
    about = None
    if all(by is not None for _, by in known):
        lowest, highest = (max(value + sign * (by or 0.0) for value, by in known) for sign in (-1, 1))
        about = max(top - lowest, highest - top)
    resolution = max((one.resolution for one in figures if one.resolution is not None), default=None)
    return Measured(top, first.unit, first.how, resolution, about, at_least=any(one.at_least for one in figures))


def measured_of(value: Any, said: Mapping[str, Sentence] = MappingProxyType({})) -> Measured | None:
    """Return a figure of a summary; None when the value is not a figure.

    :param said: for each sentence of the summary how it was made, as :func:`sentences_from_json` reads it.
    """
    known = mapping(value)
    if not {"value", "unit", "how"} <= set(known):
        return None
    value, resolution, uncertainty = (number(known.get(name)) for name in ("value", "resolution", "uncertainty"))
    how, why = (said.get(words) or as_it_is(words) for words in (text(known.get("how")), text(known.get("why"))))
    at_least = known.get("at_least") is True
    return Measured(value, text(known.get("unit")), how, _size(resolution), _size(uncertainty), why, at_least)


def _beginning(figures: Mapping[str, Measured], start: str) -> list[Measured]:
    return [one for name, one in figures.items() if name.startswith(start)]


def _named(figures: Iterable[tuple[str, Measured]]) -> Iterator[tuple[str, Measured]]:
    """Yield the figures under unique names; repeated names are numbered."""
    seen: dict[str, int] = {}
    for name, figure in figures:
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}_{seen[name]}"), figure


def _figures(judgement: Mapping[str, Any], said: Mapping[str, Sentence]) -> Iterator[tuple[str, Measured]]:
    for name, one in mapping(judgement.get("figures")).items():
        if (figure := measured_of(one, said)) is not None:
            yield _RENAMED.get(name, _part(name)), figure


def _phases(judgement: Mapping[str, Any]) -> Iterator[tuple[str, Measured]]:
    for movement in map(mapping, sequence(judgement.get("movements"))):
        for phase in map(mapping, sequence(movement.get("phases"))):
            if (figure := _phase(phase)) is not None:
                yield _phase_name(text(movement.get("what")), text(phase.get("name"))), figure


def _phase(phase: Mapping[str, Any]) -> Measured | None:
    seconds = number(phase.get("seconds"))
    if seconds is None:
        return None
    since = text(phase.get("since"))
    evidence = list(map(str, sequence(phase.get("evidence"))))
    how = sentence("since {since}: {evidence}", since=Name("moment", since), evidence=evidence)
    elsewhere = since != PHASES.get(text(phase.get("name")))
    why = sentence("counted from {since}", since=Name("moment", since)) if elsewhere else NOTHING
    return Measured(seconds, "s", how, uncertainty=_size(number(phase.get("uncertainty_s"))), why=why)


def _shares(probes: Iterable[Probe]) -> Iterator[tuple[str, Measured]]:
    for probe in probes:
        if readings := probe.readings.get(DURING, ()):
            met, missed, unread = (sum(one.times for one in readings if one.met is seen) for seen in _ANSWERS)
            yield f"{HYPOTHESIS}.{_part(probe.name)}.met_ratio", _share(met, missed, unread)


def _share(met: int, missed: int, unread: int) -> Measured:
    """Return the share of samples within the tolerance; unreadable samples add to its uncertainty."""
    known, every = met + missed, met + missed + unread
    how = sentence("the share of {n} samples during the method that were within the tolerance", n=every)
    if not known:
        return Measured(None, "ratio", how, why=sentence("none of the samples could be read"))
    about = max(met / known - met / every, (met + unread) / every - met / known)
    return Measured(met / known, "ratio", how, 1 / known, about)


def _latencies(judgement: Mapping[str, Any], said: Mapping[str, Sentence]) -> Iterator[tuple[str, Measured]]:
    for latency in map(mapping, sequence(judgement.get("latencies"))):
        of, when = _part(text(latency.get("of"))), _part(text(latency.get("when")))
        for quantile in QUANTILES:
            if (figure := measured_of(latency.get(quantile), said)) is not None:
                yield f"{LATENCY}.{of}.{when}.{quantile}_s", figure


def _size(known: float | None) -> float | None:
    """Return a resolution or an uncertainty; None if it is negative."""
    return known if known is not None and known >= 0 else None
