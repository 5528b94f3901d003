"""The activities of an experiment, in every form that Chaos Toolkit accepts."""

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from chaoslib.exceptions import ChaosException

Activity = Mapping[str, Any]
Resolve = Callable[[Any], Any]
_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")  # $$ stands for $


def activities_by_phase(experiment: Mapping[str, Any]) -> dict[str, list[Activity]]:
    """Return the experiment's own activities by the stage in which they run."""
    hypothesis = (experiment.get("steady-state-hypothesis") or {}).get("probes") or []
    return {
        "steady-state": list(hypothesis),
        "method": list(experiment.get("method") or []),
        "rollbacks": list(experiment.get("rollbacks") or []),
    }


def provider_of(activity: Any) -> Mapping[str, Any]:
    """Return the provider of an activity, or of a control; empty where there is none, as for a reference."""
    provider = activity.get("provider") if isinstance(activity, Mapping) else None
    return provider if isinstance(provider, Mapping) else {}


def arguments_of(activity: Any) -> Mapping[str, Any]:
    """Return the named arguments; empty where there are none, and where they are the text or list of a process."""
    arguments = provider_of(activity).get("arguments")
    return arguments if isinstance(arguments, Mapping) else {}


def with_arguments(activity: Activity, arguments: Mapping[str, Any]) -> Activity:
    """Return the activity with other named arguments."""
    return {**activity, "provider": {**provider_of(activity), "arguments": arguments}}


def function_of(activity: Any) -> Callable[..., Any] | None:
    """Return the function that an activity calls; None for a process, a request, and a function that cannot be
    imported.
    """
    provider = provider_of(activity)
    if provider.get("type") != "python":
        return None
    try:
        module = importlib.import_module(str(provider.get("module")))
    except (ImportError, ChaosException):
        return None
    found = getattr(module, str(provider.get("func")), None)
    return found if callable(found) else None


def variables_in(text: str) -> list[str]:
    """Return the names of the variables in a text; ``$${name}`` is the text ``${name}`` and no variable."""
    return [name for name in _VARIABLE.findall(text) if name]


def runs_no_action(dry: Any) -> bool:
    """Return whether Chaos Toolkit runs no action with this value of ``--dry``; with ``probes`` and ``pause`` it runs
    them.

    :param dry: Chaos Toolkit's, of the step or of the experiment; None without ``--dry``.
    """
    return getattr(dry, "value", dry) in ("actions", "activities")


def has_variable(value: Any) -> bool:
    """Return whether a value is a text with a variable that has no value yet."""
    return isinstance(value, str) and bool(variables_in(value))
