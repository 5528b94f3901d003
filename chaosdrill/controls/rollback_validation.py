"""Check that every rollback names the step that it undoes; otherwise it would act although the drill did nothing."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from chaoslib import substitute

from chaosdrill.controls.activities import (
    Activity,
    Resolve,
    activities_by_phase,
    arguments_of,
    function_of,
    has_variable,
)
from chaosdrill.errors import problem

_OPTIONAL_OF = ("enable_automatic_failover",)  # rollbacks that existed before they took the argument


def problems_of_undo(experiment: Mapping[str, Any], setup: Sequence[Activity], resolve: Resolve) -> list[str]:
    """Check each rollback whose function takes ``undo_of``.

    :param resolve: substitutes the variables in a value; a value that still contains ``${`` is not checked.
    :returns: a problem for each that names no step, or one that neither setup nor method has.
    """
    phases = activities_by_phase(experiment)
    steps = [str(step.get("name")) for step in (*setup, *phases["method"]) if isinstance(step, Mapping)]
    problems: list[str] = []
    for rollback in phases["rollbacks"]:
        undone = resolve(arguments_of(rollback).get("undo_of"))
        if not _takes_undo_of(rollback) or has_variable(undone) or undone in steps:
            continue
        what = f"no step of setup or method has the name {undone!r}" if undone else "names no step that it undoes"
        known = ", ".join(steps) or "none is there"
        why = f"rollbacks: {rollback.get('name')}: {what}: write one of them as `undo_of:`: {known}"
        problems.append(problem("undo-unknown", why))
    return problems


def undone_steps(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None
) -> dict[str, str]:
    """Return, by each rollback that names one, the step that it undoes."""
    found = {}
    for rollback in activities_by_phase(experiment)["rollbacks"]:
        if undone := arguments_of(rollback).get("undo_of"):
            found[str(rollback.get("name"))] = str(substitute(undone, configuration, secrets))
    return found


def _takes_undo_of(activity: Activity) -> bool:
    function = function_of(activity)
    if function is None or (function.__name__ in _OPTIONAL_OF and "undo_of" not in arguments_of(activity)):
        return False
    return "undo_of" in inspect.signature(function).parameters
