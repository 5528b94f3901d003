"""Loading of an experiment as by ``chaos run``, with the checks of a drill, without running anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib.configuration import load_configuration, load_dynamic_configuration
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.loader import load_experiment
from chaoslib.secret import load_secrets

from chaosdrill.aws import System, system_of
from chaosdrill.bounded_yaml import problem_of_file
from chaosdrill.controls.arguments import Arguments
from chaosdrill.controls.check_context import check_context
from chaosdrill.controls.experiment import ExperimentSource
from chaosdrill.controls.experiment_checks import check_experiment, check_topology
from chaosdrill.errors import BadInput, problem
from chaosdrill.parts.interface import CheckContext
from chaosdrill.topology import topology_of

# raised by Chaos Toolkit's own loading and validation for malformed experiments
_MALFORMED = (OSError, ValueError, RecursionError, AttributeError, TypeError, KeyError)


@dataclass(frozen=True)
class LoadedExperiment:
    """An experiment that a drill could run.

    :param raw: the experiment as it is written.
    :param configuration: the configuration with its variables resolved.
    :param secrets: the secrets by name, each with its parts.
    :param arguments: the arguments of the drill control.
    :param system: the system that it would run on.
    """

    name: str
    raw: Mapping[str, Any]
    configuration: Mapping[str, Any]
    secrets: Mapping[str, Any]
    arguments: Arguments
    system: System

    def context(self) -> CheckContext:
        """Return the context of a preflight's checks."""
        return check_context(self.raw, self.arguments, self.configuration, self.secrets, self.system, self.name)


def load(experiment: Path, variables: Mapping[str, Any], topology: Path | None) -> LoadedExperiment:
    """Load an experiment, and check everything in it that needs no system.

    :param experiment: the experiment file.
    :param variables: as given with ``--var``.
    :param topology: default: the file named by the configuration or ``CHAOSDRILL_TOPOLOGY``.
    :raises BadInput: when the experiment or the topology cannot be used, with every problem that `chaos run` would
        report.
    """
    raw, configuration, secrets = _loaded(experiment, variables, topology)
    arguments = _checked(
        raw, configuration, secrets, ExperimentSource(experiment.absolute(), experiment.stem, tuple(variables))
    )
    system = system_of(configuration, _flat(secrets))
    check_topology(raw, arguments, configuration, system.topology, secrets)
    return LoadedExperiment(experiment.stem, raw, configuration, secrets, arguments, system)


def _loaded(
    experiment: Path, variables: Mapping[str, Any], topology: Path | None
) -> tuple[Mapping[str, Any], dict[str, Any], Mapping[str, Any]]:
    if why := problem_of_file(experiment):
        raise BadInput([problem("experiment-invalid", f"{experiment}: {why}")])
    try:
        raw = load_experiment(str(experiment))
        ensure_experiment_is_valid(raw)
        configuration = dict(load_configuration(raw.get("configuration") or {}, dict(variables)))
    except (ChaosException, *_MALFORMED) as error:
        if isinstance(error.__cause__, BadInput):  # raised by the drill control
            raise error.__cause__ from error
        raise BadInput([problem("experiment-invalid", f"{experiment}: {error}")]) from error
    if topology is not None:
        configuration["topology"] = str(topology)
    secrets = load_secrets(raw.get("secrets") or {}, configuration)
    return raw, load_dynamic_configuration(configuration, secrets), secrets


def _checked(
    raw: Mapping[str, Any], configuration: dict[str, Any], secrets: Mapping[str, Any], source: ExperimentSource
) -> Arguments:
    """Check the experiment as a drill does, on the topology's target unless the configuration says aws.

    A change ticket is required only if the configuration says aws: then the variables are those of the drill itself.
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
    """Return the parts of all secrets in one mapping; activities get only the secrets that they name."""
    return {name: value for part in (secrets or {}).values() for name, value in part.items()}
