"""What of a run can be set beside another run's: its circumstances, its hypothesis, its measurements. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.analysis.findings import PASSED
from chaosdrill.analysis.measured import Measured

COMPARABLE = (PASSED, "failed")
PHASES = {"steady-state-before": "before", "steady-state-during": "during", "steady-state-after": "after"}
QUANTILES = ("p50", "p95", "p99")


@dataclass(frozen=True)
class Probe:
    """A probe of the steady state in one run.

    :param tolerance: what was asked of it.
    :param seen: its values by when they were read: before, during (continuous strategy), after; each with whether it
        met the tolerance, None when it could not be told.
    """

    name: str
    tolerance: Any
    seen: Mapping[str, tuple[tuple[Any, bool | None], ...]]


@dataclass(frozen=True)
class ComparedRun:
    """A run as far as it can be compared.

    :param circumstances: by name what a difference may come from: experiment, topology, versions, configuration, …
    :param probes: of the hypothesis, by name.
    :param measured: everything that was measured, by name.
    """

    run: str
    experiment: str
    target: str
    scale: float | None
    verdict: str
    broken: tuple[str, ...] = ()
    circumstances: Mapping[str, Any] = field(default_factory=dict)
    probes: Mapping[str, Probe] = field(default_factory=dict)
    measured: Mapping[str, Measured] = field(default_factory=dict)

    @property
    def why_not(self) -> str:
        """Why it proves nothing about the system, and so is left out; empty when it does."""
        if self.verdict not in COMPARABLE:
            return f"its verdict is {self.verdict}"
        return f"its lab was broken on purpose: {', '.join(self.broken)}" if self.broken else ""


def compared_run(
    name: str, experiment: str, events: Sequence[Mapping[str, Any]], said: Mapping[str, Any]
) -> ComparedRun:
    """Take out of a run what can be compared.

    :param name: the run's id.
    :param experiment: the name of its experiment.
    :param events: its history.
    :param said: its summary.
    :returns: it; what is not there, or is something else than a summary holds, is left out.
    """
    opened = _first(events, "drill-opened")
    judgement = _mapping(said.get("judgement"))
    scale = said.get("scale")
    return ComparedRun(
        name,
        experiment,
        str(said.get("target") or opened.get("target") or ""),
        float(scale) if isinstance(scale, (int, float)) else None,
        str(said.get("verdict") or ""),
        tuple(map(str, said.get("broken") or ())) if isinstance(said.get("broken"), list) else (),
        _circumstances(opened, _first(events, "target-opened"), said),
        _probes(events),
        dict(_measured(judgement)),
    )


def _circumstances(opened: Mapping[str, Any], target: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "experiment (sha256)": opened.get("experiment_sha256"),
        "topology (sha256)": target.get("topology_sha256"),
        "objectives": opened.get("objectives"),
        "target": said.get("target"),
        "scale": said.get("scale"),
    }
    origin = _mapping(opened.get("origin"))
    found |= {"git commit": _mapping(origin.get("git")).get("commit"), "host": origin.get("host")}
    found |= {f"version of {name}": value for name, value in _mapping(opened.get("versions")).items()}
    return found | {f"variable {name}": value for name, value in _mapping(opened.get("configuration")).items()}


def _probes(events: Iterable[Mapping[str, Any]]) -> dict[str, Probe]:
    seen: dict[str, dict[str, list[tuple[Any, bool | None]]]] = {}
    tolerances: dict[str, Any] = {}
    for event in events:
        when = PHASES.get(str(event.get("phase")))
        if event.get("event") != "activity-ended" or when is None:
            continue
        name, met = str(event.get("activity")), event.get("tolerance_met")
        value = event.get("output") if event.get("status") == "succeeded" else event.get("error") or event.get("status")
        seen.setdefault(name, {}).setdefault(when, []).append((value, met if isinstance(met, bool) else None))
        tolerances[name] = event.get("tolerance")
    return {
        name: Probe(name, tolerances[name], {when: tuple(them) for when, them in one.items()})
        for name, one in seen.items()
    }


def _measured(judgement: Mapping[str, Any]) -> Iterable[tuple[str, Measured]]:
    for name, one in _mapping(judgement.get("figures")).items():
        if (figure := measured_of(one)) is not None:
            yield str(name), figure
    for movement in _list(judgement.get("movements")):
        for phase in _list(_mapping(movement).get("phases")):
            if (figure := _phase(_mapping(phase))) is not None:
                yield f"{_mapping(movement).get('what')}.{_mapping(phase).get('name')}_s", figure
    for latency in _list(judgement.get("latencies")):
        known = _mapping(latency)
        for quantile in QUANTILES:
            if (figure := measured_of(known.get(quantile))) is not None:
                yield f"latency.{known.get('of')}.{known.get('when')}.{quantile}_s", figure


def measured_of(value: Any) -> Measured | None:
    """:returns: a figure of a summary as it was measured; None when it is none."""
    known = _mapping(value)
    names = {"value", "unit", "how", "resolution", "uncertainty", "why", "at_least"}
    if not {"value", "unit", "how"} <= set(known):
        return None
    if not all(
        isinstance(known.get(name), (int, float, type(None))) for name in ("value", "resolution", "uncertainty")
    ):
        return None
    return Measured(**{name: known[name] for name in names & set(known)})


def _phase(phase: Mapping[str, Any]) -> Measured | None:
    seconds, about = phase.get("seconds"), phase.get("uncertainty_s")
    if not isinstance(seconds, (int, float)):
        return None
    how = f"since {phase.get('since')}: {', '.join(map(str, _list(phase.get('evidence'))))}"
    return Measured(float(seconds), "s", how, uncertainty=float(about) if isinstance(about, (int, float)) else None)


def _first(events: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next((event for event in events if event.get("event") == name), {})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
