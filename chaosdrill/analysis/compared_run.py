"""What of a run can be set beside another run's: its circumstances, its hypothesis, its measurements. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.analysis.compared_figures import compared_figures, measured_of
from chaosdrill.analysis.foreign import mapping, number, sequence, text
from chaosdrill.analysis.hypothesis import Probe, probes_of_json
from chaosdrill.analysis.measured import Measured
from chaosdrill.analysis.proof import PROOF
from chaosdrill.analysis.summary_fields import WRITES
from chaosdrill.sentences import NOTHING, Name, Sentence, sentence

__all__ = ["COMPARABLE", "ComparedRun", "compared_run", "measured_of"]

COMPARABLE = PROOF

# variables whose effect stands beside them: `scale` may be empty and mean the lab's own, a topology may lie elsewhere
_TOLD_BY_EFFECT = {"variable scale": "scale", "variable target": "target", "variable topology": "topology (sha256)"}


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
    def writes(self) -> str:
        """How many writes the heartbeat sent: runs that differ in it are not compared for losses."""
        return str(self.circumstances.get(WRITES) or "")

    @property
    def why_not(self) -> Sentence:
        """Why it proves nothing about the system, and so is left out; empty when it does."""
        if self.verdict not in COMPARABLE:
            if not self.verdict:
                return sentence("its verdict is not known")
            return sentence("its verdict is {verdict}", verdict=Name("verdict", self.verdict))
        return sentence("its lab was broken on purpose: {how}", how=self.broken) if self.broken else NOTHING


def compared_run(name: str, said: Mapping[str, Any]) -> ComparedRun:
    """Take out of a run what can be compared.

    :param name: the run's id.
    :param said: its summary, of version 3.
    :returns: it; what is not there, or is something else than a summary holds, is left out.
    """
    probes = probes_of_json(said.get("hypothesis"))
    return ComparedRun(
        name,
        text(said.get("experiment")),
        text(said.get("target")),
        number(said.get("scale")),
        text(said.get("verdict")),
        tuple(map(str, sequence(said.get("broken")))),
        text(said.get("began")),
        text(said.get("source")),
        _circumstances(mapping(said.get("circumstances"))),
        mapping(said.get("objectives")),
        {one.name: one for one in probes},
        compared_figures(said, probes),
    )


def _circumstances(known: Mapping[str, Any]) -> dict[str, Any]:
    """Without the variables of which only the effect counts, where that is known."""
    return {name: value for name, value in known.items() if known.get(_TOLD_BY_EFFECT.get(name, "")) in (None, "")}
