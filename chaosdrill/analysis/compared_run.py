"""A run as comparisons use it: its circumstances, its hypothesis and its figures. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.analysis.compared_figures import compared_figures, measured_of
from chaosdrill.analysis.hypothesis import Probe, probes_of_json
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.proof import PROOF
from chaosdrill.analysis.summary_fields import WRITES
from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.messages import NOTHING, Name, Sentence, sentence

__all__ = ["COMPARABLE", "ComparedRun", "compared_run", "measured_of"]

COMPARABLE = PROOF

# variables whose effect is recorded, too: an empty `scale` is the lab's own, a topology file may have another path
_TOLD_BY_EFFECT = {"variable scale": "scale", "variable target": "target", "variable topology": "topology (sha256)"}


@dataclass(frozen=True)
class ComparedRun:
    """The part of a run that can be compared.

    :param began: UTC, ISO 8601; empty when it was not recorded.
    :param source: ``drill``, ``rebuilt`` or ``imported``.
    :param circumstances: possible causes of a difference, by name: experiment, topology, versions, configuration, …
    :param objectives: the objectives of the run.
    :param probes: the probes of the hypothesis, by name.
    :param measured: all figures, by name.
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
        """The rate of the heartbeat's writes: losses of runs with different rates are not compared."""
        return str(self.circumstances.get(WRITES) or "")

    @property
    def why_not(self) -> Sentence:
        """Why the run proves nothing about the system and is left out; empty when it proves something."""
        if self.verdict not in COMPARABLE:
            if not self.verdict:
                return sentence("its verdict is not known")
            return sentence("its verdict is {verdict}", verdict=Name("verdict", self.verdict))
        return sentence("its lab was broken on purpose: {how}", how=self.broken) if self.broken else NOTHING


def compared_run(name: str, said: Mapping[str, Any]) -> ComparedRun:
    """Return the part of a run that can be compared.

    :param name: the run's id.
    :param said: its summary, of version 3. Missing and invalid fields are left out.
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
    """Return the circumstances without the variables whose effect is recorded."""
    return {name: value for name, value in known.items() if known.get(_TOLD_BY_EFFECT.get(name, "")) in (None, "")}
