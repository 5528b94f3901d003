"""All checks of an experiment before a drill, shared by `chaos run` and `chaosdrill rehearse`."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, fields
from typing import Any

from chaoslib import substitute

from chaosdrill.client.heartbeat import nothing_to_send
from chaosdrill.client.heartbeat_secrets import problems_of_secrets
from chaosdrill.controls import arguments as written
from chaosdrill.controls.activities import Activity, activities_by_phase, function_of, provider_of
from chaosdrill.controls.arguments import Arguments, steps_of_control
from chaosdrill.controls.control_validation import own_arguments, problems_of_hooks
from chaosdrill.controls.experiment import ExperimentSource, problems_of_journal, problems_of_variables_given
from chaosdrill.controls.hand_over import problems_of_hand_over
from chaosdrill.controls.rollback_validation import problems_of_undo
from chaosdrill.controls.runtime_checks import problems_of_missing_values, problems_of_strategy
from chaosdrill.controls.sampling import problems_of_samples
from chaosdrill.controls.settings import Settings, read_settings
from chaosdrill.errors import BadInput, problem
from chaosdrill.heartbeat.actions import start_heartbeat
from chaosdrill.stop_when import problems_of_accounts, problems_of_steps, stop_when_of
from chaosdrill.topology import Topology


@dataclass(frozen=True)
class CheckedExperiment:
    """The contents of a valid experiment: the settings in its configuration, and its control's arguments."""

    settings: Settings
    arguments: Arguments


def check_experiment(
    experiment: Mapping[str, Any],
    configuration: MutableMapping[str, Any],
    secrets: Mapping[str, Any] | None,
    source: ExperimentSource,
    ticket_needed: bool = True,
) -> CheckedExperiment:
    """Check everything in an experiment that needs no system: nothing is read from AWS or the lab.

    :param configuration: with the values of ``--var``; numbers in it that were given as texts become numbers.
    :param ticket_needed: whether a drill on aws without a change ticket is a problem.
    :raises BadInput: with every problem.
    """
    settings, problems = read_settings(configuration, ticket_needed)
    raw = own_arguments(experiment)
    setup = steps_of_control(raw, "setup")

    def resolve(value: Any) -> Any:
        return substitute(value, configuration, secrets)

    known = set(configuration) | {name for part in (secrets or {}).values() for name in part}
    own = {name: experiment.get(name) for name in ("steady-state-hypothesis", "method", "rollbacks")}
    arguments = _arguments(raw, resolve)
    problems += [
        *problems_of_variables_given(source, experiment),
        *problems_of_journal(source),
        *written.problems_of_arguments(raw, resolve),
        *written.problems_of_values(arguments),
        *problems_of_hand_over(arguments.hand_over, arguments.expect, arguments.end, source.name),
        *written.problems_of_experiment(experiment, setup, resolve),
        *problems_of_strategy(experiment),
        *problems_of_samples((experiment.get("steady-state-hypothesis") or {}).get("probes") or []),
        *problems_of_missing_values(experiment, configuration, secrets),
        *written.problems_of_variables([raw, own], known),
        *problems_of_hooks(experiment, setup),
        *problems_of_undo(experiment, setup, resolve),
        *problems_of_steps(stop_when_of(arguments.stop_when), _functions(experiment, setup)),
    ]
    if problems:
        raise BadInput(problems)
    return CheckedExperiment(settings, arguments)


def check_topology(
    experiment: Mapping[str, Any],
    arguments: Arguments,
    configuration: Mapping[str, Any],
    topology: Topology,
    secrets: Mapping[str, Any] | None,
) -> None:
    """Check that the experiment matches the system on which it will run.

    :raises BadInput: with every problem.
    """
    named = {
        "domain": topology.domain,
        "home_region": topology.regions.home,
        "standby_region": topology.regions.standby,
    }
    problems: list[str] = [
        problem(
            "topology-mismatch",
            f"{variable}: {configuration[variable]!r}, but the topology {topology.path} names {name!r}: "
            "correct one of them",
        )
        for variable, name in named.items()
        if configuration.get(variable, name) != name
    ]
    problems += problems_of_accounts(stop_when_of(arguments.stop_when), topology.accounts)
    steps = [*arguments.setup, *(step for phase in activities_by_phase(experiment).values() for step in phase)]
    if any(_starts_heartbeat(step) for step in steps):
        if why := nothing_to_send(topology):
            problems.append(problem("heartbeat-missing", why))
        problems += problems_of_secrets(topology, secrets)
    if problems:
        raise BadInput(problems)


def _functions(experiment: Mapping[str, Any], setup: list[Any]) -> list[str]:
    """List the functions that run before the rollbacks, such as ``chaosdrill.heartbeat.actions.start_heartbeat``."""
    phases = {**activities_by_phase(experiment), "rollbacks": [], "setup": setup}
    providers = [provider_of(step) for steps in phases.values() for step in steps]
    return [f"{one.get('module')}.{one.get('func')}" for one in providers]


def _starts_heartbeat(step: Activity) -> bool:
    return function_of(step) is start_heartbeat


def _arguments(raw: Any, resolve: Any) -> Arguments:
    """Return the control's arguments with their variables resolved; unknown names are left out."""
    names = [field.name for field in fields(Arguments)]
    given = raw if isinstance(raw, Mapping) else {}
    return Arguments(**resolve({name: given[name] for name in names if given.get(name) is not None}))
