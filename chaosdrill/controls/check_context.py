"""The context of a preflight's checks: the experiment's steps, with their variables resolved."""

from collections.abc import Iterator, Mapping
from typing import Any

from chaoslib import substitute

from chaosdrill.aws import System
from chaosdrill.controls.activities import Activity, activities_by_phase, arguments_of, provider_of
from chaosdrill.controls.arguments import Arguments
from chaosdrill.parts.interface import CheckContext, PlannedStep
from chaosdrill.stop_when import stop_when_of

_STAGES = {"steady-state": "hypothesis", "method": "method", "rollbacks": "rollbacks"}


def check_context(
    experiment: Mapping[str, Any],
    arguments: Arguments,
    configuration: Mapping[str, Any],
    secrets: Mapping[str, Any] | None,
    system: System,
    name: str,
    on_host: bool = True,
) -> CheckContext:
    """Build the context of the checks.

    :param arguments: of the drill control.
    :param name: the experiment's, by which its IAM policy is found.
    :param on_host: whether commands that only read may be sent to the client host.
    """
    staged: dict[str, list[Activity]] = {"setup": list(arguments.setup)}
    staged |= {_STAGES[phase]: activities for phase, activities in activities_by_phase(experiment).items()}
    steps = tuple(_steps(staged, configuration, secrets))
    stop_when = stop_when_of(arguments.stop_when)
    return CheckContext(system, configuration, secrets, steps, on_host, name, arguments.expect, stop_when)


def _steps(
    staged: Mapping[str, list[Activity]], configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None
) -> Iterator[PlannedStep]:
    """Yield the activities that call a function; processes, requests and references are not checked."""
    for stage, activities in staged.items():
        for activity in activities:
            provider = provider_of(activity)
            if provider.get("type") == "python":
                given = substitute(dict(arguments_of(activity)), configuration, secrets)
                function = f"{provider.get('module')}.{provider.get('func')}"
                yield PlannedStep(stage, str(activity.get("name")), function, given)
