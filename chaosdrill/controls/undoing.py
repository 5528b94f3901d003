"""Whether every rollback names the step that it undoes: without one it would act although the drill did nothing."""

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaoslib import substitute

from chaosdrill.controls.arguments import Activity, activities_by_phase, problems_of_activity


def problems_of_undo(
    experiment: Mapping[str, Any], setup: Sequence[Activity], resolved: Callable[[Any], Any]
) -> list[str]:
    """Look at each rollback that can be told what it undoes.

    :param resolved: gives a value with its variables.
    :returns: a problem for each that names no step, or one that neither setup nor method has.
    """
    phases = activities_by_phase(experiment)
    steps = [str(step.get("name")) for step in (*setup, *phases["method"]) if isinstance(step, Mapping)]
    problems = []
    for rollback in phases["rollbacks"]:
        if problems_of_activity(rollback, "rollbacks") or not _takes_undo_of(rollback):
            continue
        undone = resolved((rollback["provider"].get("arguments") or {}).get("undo_of"))
        if undone not in steps:
            what = f"no step of setup or method has the name {undone!r}" if undone else "names no step that it undoes"
            known = ", ".join(steps) or "none is there"
            problems.append(f"rollbacks: {rollback['name']}: {what}: write one of them as `undo_of:`: {known}")
    return problems


def undone_steps(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None
) -> dict[str, str]:
    """:returns: by each rollback that names one the step that it undoes."""
    found = {}
    for rollback in activities_by_phase(experiment)["rollbacks"]:
        arguments = (rollback.get("provider") or {}).get("arguments")
        undone = arguments.get("undo_of") if isinstance(arguments, Mapping) else None
        if undone:
            found[str(rollback.get("name"))] = str(substitute(undone, configuration, secrets))
    return found


def _takes_undo_of(activity: Activity) -> bool:
    provider = activity.get("provider") or {}
    if provider.get("type") != "python":
        return False
    function = getattr(importlib.import_module(provider["module"]), provider["func"])
    return "undo_of" in inspect.signature(function).parameters
