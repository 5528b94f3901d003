"""What of a run can be set beside another run's: its circumstances, its hypothesis, its measurements. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.analysis.findings import PASSED
from chaosdrill.analysis.foreign import mapping, number, sequence, text
from chaosdrill.analysis.hypothesis import Probe, probes_of_json
from chaosdrill.analysis.measured import Measured

COMPARABLE = (PASSED, "failed")
QUANTILES = ("p50", "p95", "p99")


@dataclass(frozen=True)
class ComparedRun:
    """A run as far as it can be compared.

    :param began: UTC, ISO 8601; empty when nobody wrote it.
    :param source: ``drill``, ``rebuilt`` or ``imported``.
    :param circumstances: by name what a difference may come from: experiment, topology, versions, configuration, …
    :param objectives: what was to be reached.
    :param probes: of the hypothesis, by name.
    :param measured: everything that was measured, by name.
    """

    run: str
    experiment: str
    target: str
    scale: float | None
    verdict: str
    broken: tuple[str, ...] = ()
    began: str = ""
    source: str = "drill"
    circumstances: Mapping[str, Any] = field(default_factory=dict)
    objectives: Mapping[str, Any] = field(default_factory=dict)
    probes: Mapping[str, Probe] = field(default_factory=dict)
    measured: Mapping[str, Measured] = field(default_factory=dict)

    @property
    def why_not(self) -> str:
        """Why it proves nothing about the system, and so is left out; empty when it does."""
        if self.verdict not in COMPARABLE:
            return f"its verdict is {self.verdict or 'not known'}"
        return f"its lab was broken on purpose: {', '.join(self.broken)}" if self.broken else ""


def compared_run(name: str, said: Mapping[str, Any]) -> ComparedRun:
    """Take out of a run what can be compared.

    :param name: the run's id.
    :param said: its summary, of version 3.
    :returns: it; what is not there, or is something else than a summary holds, is left out.
    """
    return ComparedRun(
        name,
        text(said.get("experiment")),
        text(said.get("target")),
        number(said.get("scale")),
        text(said.get("verdict")),
        tuple(map(str, sequence(said.get("broken")))),
        text(said.get("began")),
        text(said.get("source")),
        mapping(said.get("circumstances")),
        mapping(said.get("objectives")),
        {one.name: one for one in probes_of_json(said.get("hypothesis"))},
        dict(_measured(mapping(said.get("judgement")))),
    )


def _measured(judgement: Mapping[str, Any]) -> Iterable[tuple[str, Measured]]:
    for name, one in mapping(judgement.get("figures")).items():
        if (figure := measured_of(one)) is not None:
            yield str(name), figure
    for movement in map(mapping, sequence(judgement.get("movements"))):
        for phase in map(mapping, sequence(movement.get("phases"))):
            if (figure := _phase(phase)) is not None:
                yield f"{movement.get('what')}.{phase.get('name')}_s", figure
    for latency in map(mapping, sequence(judgement.get("latencies"))):
        for quantile in QUANTILES:
            if (figure := measured_of(latency.get(quantile))) is not None:
                yield f"latency.{latency.get('of')}.{latency.get('when')}.{quantile}_s", figure


def measured_of(value: Any) -> Measured | None:
    """:returns: a figure of a summary as it was measured; None when it is none."""
    known = mapping(value)
    if not {"value", "unit", "how"} <= set(known):
        return None
    value, resolution, uncertainty = (number(known.get(name)) for name in ("value", "resolution", "uncertainty"))
    words = (text(known.get(name)) for name in ("unit", "how", "why"))
    unit, how, why = words
    return Measured(value, unit, how, _size(resolution), _size(uncertainty), why, known.get("at_least") is True)


def _size(known: float | None) -> float | None:
    """A resolution or an uncertainty is never below 0."""
    return known if known is not None and known >= 0 else None


def _phase(phase: Mapping[str, Any]) -> Measured | None:
    seconds = number(phase.get("seconds"))
    if seconds is None:
        return None
    how = f"since {phase.get('since')}: {', '.join(map(str, sequence(phase.get('evidence'))))}"
    return Measured(seconds, "s", how, uncertainty=_size(number(phase.get("uncertainty_s"))))
