"""A rehearsal: everything is read, nothing is changed except FIS previews and the resources created for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from chaoslib import substitute

from chaosdrill import region
from chaosdrill.aws import System
from chaosdrill.discovery.check_result import ReadPart
from chaosdrill.errors import DrillError
from chaosdrill.preflight import preflight
from chaosdrill.preflight.core import REGION_STATE
from chaosdrill.preflight.show import as_seen
from chaosdrill.rehearsal.effects import StepEffect, effect_of
from chaosdrill.rehearsal.loading import load
from chaosdrill.rehearsal.preview import Preview, previews, refuse_to_make
from chaosdrill.rehearsal.steps import ExperimentActivity, steps_of
from chaosdrill.topology import Topology


@dataclass(frozen=True)
class RehearsedStep:
    """A step with its effect, or why that is unknown (``trouble``)."""

    step: ExperimentActivity
    effect: StepEffect | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Rehearsal:
    """What a drill would find and do.

    :param state: the current region state.
    :param expected: the region state without which the drill refuses to start; empty: any.
    :param left_to: the experiment that owed undos are handed over to, and for how long; empty: none.
    """

    title: str
    topology: Topology
    account: str
    state: str
    expected: str
    seen: tuple[ReadPart, ...]
    steps: tuple[RehearsedStep, ...]
    previews: tuple[Preview, ...]
    left_to: str = ""

    @property
    def usd(self) -> float:
        """What AWS would charge for the steps, list price in US dollars."""
        return sum(planned.effect.usd for planned in self.steps if planned.effect)

    @property
    def in_the_way(self) -> list[str]:
        """Why a drill would not start now, or would not work as intended; empty when it would."""
        found = [f"{seen.part}: {seen.what}: {seen.trouble}: {seen.advice}" for seen in self.seen if not seen.ok]
        if self.expected and self.state != self.expected:
            found.append(f"the region state is {self.state}, and the drill refuses all but {self.expected}")
        found += [f"{planned.step.name}: {planned.trouble}" for planned in self.steps if planned.trouble]
        return found + [f"{one.step}: template {one.template}: {one.trouble}" for one in self.previews if one.trouble]


def rehearse(
    experiment: Path, variables: Mapping[str, Any], topology: Path | None, make_templates: bool = False
) -> Rehearsal:
    """Read everything that a drill would use, and start previews in FIS.

    :param experiment: the experiment file.
    :param variables: as given with ``--var``.
    :param topology: default: the file named by the configuration or ``CHAOSDRILL_TOPOLOGY``.
    :param make_templates: create missing FIS templates, as the drill would, so that FIS can preview them.
    :raises BadInput: when the experiment or the topology cannot be used, with every problem that `chaos run` would
        report.
    :raises Refused: when templates are to be created, and the topology does not allow the account.
    """
    loaded = load(experiment, variables, topology)
    system, configuration, secrets = loaded.system, loaded.configuration, loaded.secrets
    steps = steps_of(loaded.raw, configuration, secrets)
    if make_templates:
        refuse_to_make(system, steps)
    planned = tuple(_planned(system, step) for step in steps)
    return Rehearsal(
        title=str(substitute(loaded.raw["title"], configuration, secrets)),
        topology=system.topology,
        account=system.account(),
        state=str(region.verdict(region.read_region_of(system).value)),
        expected=loaded.arguments.expect,
        seen=tuple(as_seen(one) for one in preflight(loaded.context()) if one.name != REGION_STATE),
        steps=planned,
        left_to=_left_to(loaded.arguments.hand_over),
        previews=tuple(previews(system, [one.step for one in planned if not one.trouble], make_templates)),
    )


def _left_to(hand_over: Mapping[str, Any] | None) -> str:
    return f"{hand_over['to']}, for {hand_over['within_days']} days" if hand_over else ""


def _planned(system: System, step: ExperimentActivity) -> RehearsedStep:
    try:
        return RehearsedStep(step, effect_of(system, step))
    except (DrillError, ClientError, BotoCoreError) as error:
        return RehearsedStep(step, trouble=str(error))
