"""One rehearsal: everything read, nothing changed but FIS previews, and what is to be made for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from chaoslib import substitute
from chaoslib.configuration import load_configuration, load_dynamic_configuration
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.loader import load_experiment
from chaoslib.secret import load_secrets

from chaosdrill import region
from chaosdrill.aws import System, system_of
from chaosdrill.bounded_yaml import problem_of_file
from chaosdrill.controls.arguments import Arguments
from chaosdrill.controls.experiment import Source
from chaosdrill.controls.preflight import check_experiment, check_topology
from chaosdrill.errors import BadInput, DrillError, problem
from chaosdrill.rehearsal.effects import Effect, effect_of
from chaosdrill.rehearsal.preview import Preview, previews, refuse_to_make
from chaosdrill.rehearsal.requirements import requirements
from chaosdrill.rehearsal.steps import Step, steps_of
from chaosdrill.survey.check import check
from chaosdrill.survey.seen import Seen
from chaosdrill.topology import Topology, topology_of


@dataclass(frozen=True)
class PlannedStep:
    """A step, what it would do, and why that cannot be told (``trouble``)."""

    step: Step
    effect: Effect | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Rehearsal:
    """What a drill would find and do.

    :param state: the region state now.
    :param expected: the region state without which the drill refuses to start; empty: any.
    """

    title: str
    topology: Topology
    account: str
    state: str
    expected: str
    seen: tuple[Seen, ...]
    steps: tuple[PlannedStep, ...]
    previews: tuple[Preview, ...]

    @property
    def usd(self) -> float:
        """What AWS would charge for the steps, list price in US dollars."""
        return sum(planned.effect.usd for planned in self.steps if planned.effect)

    @property
    def in_the_way(self) -> list[str]:
        """Why a drill would not start now, or would not do what it should; empty when it would."""
        found = [f"{seen.part}: {seen.what}: {seen.trouble}: {seen.advice}" for seen in self.seen if not seen.ok]
        if self.expected and self.state != self.expected:
            found.append(f"the region state is {self.state}, and the drill refuses all but {self.expected}")
        found += [f"{planned.step.name}: {planned.trouble}" for planned in self.steps if planned.trouble]
        return found + [f"{one.step}: template {one.template}: {one.trouble}" for one in self.previews if one.trouble]


def rehearse(
    experiment: Path, variables: Mapping[str, Any], topology: Path | None, make_templates: bool = False
) -> Rehearsal:
    """Read everything that a drill would use, and ask FIS for previews.

    :param experiment: the experiment file.
    :param variables: as given with ``--var``.
    :param topology: default: what the configuration or ``CHAOSDRILL_TOPOLOGY`` names.
    :param make_templates: make the templates that FIS has not yet, as the drill would, so that it can preview them.
    :raises BadInput: when the experiment or the topology cannot be used: with everything that `chaos run` would report.
    :raises Refused: when templates are to be made, and the topology does not allow the account.
    """
    raw, configuration, secrets = _loaded(experiment, variables, topology)
    arguments = _checked(raw, configuration, secrets, Source(experiment.absolute(), experiment.stem, tuple(variables)))
    system = system_of(configuration, _flat(secrets))
    check_topology(raw, arguments, configuration, system.topology, secrets)
    steps = steps_of(raw, configuration, secrets)
    if make_templates:
        refuse_to_make(system, steps)
    planned = tuple(_planned(system, step) for step in steps)
    return Rehearsal(
        title=str(substitute(raw["title"], configuration, secrets)),
        topology=system.topology,
        account=system.account(),
        state=str(region.verdict(region.read_region_facts(configuration, _flat(secrets)))),
        expected=arguments.expect,
        seen=(*check(system), *requirements(system, steps)),
        steps=planned,
        previews=tuple(previews(system, [one.step for one in planned if not one.trouble], make_templates)),
    )


def _loaded(
    experiment: Path, variables: Mapping[str, Any], topology: Path | None
) -> tuple[Mapping[str, Any], dict[str, Any], Mapping[str, Any]]:
    if why := problem_of_file(experiment):
        raise BadInput([problem("experiment-invalid", f"{experiment}: {why}")])
    try:
        raw = load_experiment(str(experiment))
        ensure_experiment_is_valid(raw)
    except (ChaosException, OSError) as error:
        if isinstance(error.__cause__, BadInput):  # the drill control's own
            raise error.__cause__ from error
        raise BadInput([problem("experiment-invalid", f"{experiment}: {error}")]) from error
    configuration = dict(load_configuration(raw.get("configuration") or {}, dict(variables)))
    if topology is not None:
        configuration["topology"] = str(topology)
    secrets = load_secrets(raw.get("secrets") or {}, configuration)
    return raw, load_dynamic_configuration(configuration, secrets), secrets


def _checked(
    raw: Mapping[str, Any], configuration: dict[str, Any], secrets: Mapping[str, Any], source: Source
) -> Arguments:
    """Check the experiment as a drill does, on the topology's target where the configuration does not say aws.

    A change ticket must be there only where it says so: then the variables are those of the drill itself.
    """
    says_aws = configuration.get("target") == "aws"
    problems: list[str] = []
    if (configuration.get("target") or "lab") == "lab":
        try:
            configuration["target"] = topology_of(configuration).target
        except BadInput as bad:
            problems += bad.problems
    try:
        arguments = check_experiment(raw, configuration, secrets, source, ticket_needed=says_aws).arguments
    except BadInput as bad:
        raise BadInput([*bad.problems, *problems]) from bad
    if problems:
        raise BadInput(problems)
    return arguments


def _flat(secrets: Mapping[str, Any]) -> dict[str, Any]:
    """Activities get the parts of the secrets that they name; here all of them are looked through."""
    return {name: value for part in (secrets or {}).values() for name, value in part.items()}


def _planned(system: System, step: Step) -> PlannedStep:
    try:
        return PlannedStep(step, effect_of(system, step))
    except (DrillError, ClientError, BotoCoreError) as error:
        return PlannedStep(step, trouble=str(error))
