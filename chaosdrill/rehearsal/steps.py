"""What an experiment would do, step by step, with its variables resolved. Nothing of it is run."""

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaoslib import substitute

from chaosdrill.controls.arguments import activities_by_phase
from chaosdrill.controls.hooks import own_arguments

# A whole failover and failback lead all of these back: the stop flags, the routing controls and the writer.
_LEADS_BACK = ("chaosdrill.failover.actions.fail_back", "chaosdrill.failover.actions.fail_over")
_MOVES = (
    "chaosdrill.stop_flag.actions.set_stop_flag",
    "chaosdrill.routing.actions.set_routing",
    "chaosdrill.database.actions.switch_over_database",
    "chaosdrill.database.actions.fail_over_database",
)


@dataclass(frozen=True)
class Step:
    """One activity.

    :param does: the first line of what its documentation says; empty when it is no Python function.
    :param undone_by: names of the rollbacks that undo it, each with the step on which it depends, if that is another.
    """

    phase: str
    name: str
    kind: str
    function: str
    arguments: Mapping[str, Any]
    does: str
    undone_by: tuple[str, ...] = ()


def steps_of(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None = None
) -> list[Step]:
    """:returns: every activity of the experiment in the order in which a whole drill runs them."""
    phases = activities_by_phase(experiment)
    setup = own_arguments(experiment).get("setup") or []
    ordered = {"setup": setup, **{phase: phases[phase] for phase in ("steady-state", "method", "rollbacks")}}
    resolved = [(phase, _resolved(activity, configuration, secrets)) for phase, activity in _in_order(ordered)]
    undoing = [one for phase, one in resolved if phase == "rollbacks"]
    return [_step(phase, one, undoing) for phase, one in resolved]


def _in_order(ordered: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for phase, activities in ordered.items():
        yield from ((phase, activity) for activity in activities)


def _resolved(activity: Mapping[str, Any], configuration: Any, secrets: Any) -> dict[str, Any]:
    provider = activity.get("provider") or {}
    arguments = substitute(provider.get("arguments") or {}, configuration, secrets)
    function = f"{provider['module']}.{provider['func']}" if provider.get("type") == "python" else ""
    name, kind = str(activity.get("name") or activity.get("ref")), str(activity.get("type"))
    return {"name": name, "kind": kind, "function": function, "arguments": arguments}


def _step(phase: str, one: Mapping[str, Any], undoing: Sequence[Mapping[str, Any]]) -> Step:
    undone_by = tuple(_undone_by(one, undoing)) if phase != "rollbacks" else ()
    return Step(phase, one["name"], one["kind"], one["function"], one["arguments"], _does(one["function"]), undone_by)


def _undone_by(one: Mapping[str, Any], undoing: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for rollback in undoing:
        step = rollback["arguments"].get("undo_of")
        if step == one["name"]:
            yield rollback["name"]
        elif step and one["function"] in _MOVES and rollback["function"] in _LEADS_BACK:
            yield f"{rollback['name']} (if {step} was begun)"


def _does(function: str) -> str:
    if not function:
        return ""
    module, _, name = function.rpartition(".")
    documented = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    return documented.partition("\n")[0]
