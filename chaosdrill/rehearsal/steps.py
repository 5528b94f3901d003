"""The steps of an experiment, with their variables resolved; none of them is run."""

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from chaoslib import substitute

from chaosdrill.controls.activities import activities_by_phase, arguments_of, provider_of
from chaosdrill.controls.arguments import steps_of_control
from chaosdrill.controls.confirm import KEY, confirm_of
from chaosdrill.controls.control_validation import own_arguments

LOSS = "chaosdrill.packet_loss.actions.inject_packet_loss"
ISOLATION = "chaosdrill.packet_loss.actions.isolate_region"
PAUSE = "chaosdrill.packet_loss.actions.pause_replication"
# A failover or failback reverses all of these: the stop flags, the routing controls and the writer.
_LEADS_BACK = ("chaosdrill.failover.actions.fail_back", "chaosdrill.failover.actions.fail_over")
_MOVES = (
    "chaosdrill.stop_flag.actions.set_stop_flag",
    "chaosdrill.routing.actions.set_routing",
    "chaosdrill.database.actions.switch_over_database",
    "chaosdrill.database.actions.fail_over_database",
)


@dataclass(frozen=True)
class ExperimentActivity:
    """One activity.

    :param arguments: the keyword arguments.
    :param does: the first line of its documentation, the command of a process, or the address of a request.
    :param approval: the question to the approver before it begins, and for how long it waits; empty: no approval.
    :param undone_by: names of the rollbacks that undo it, each with the step that it depends on, if that is another.
    """

    phase: str
    name: str
    kind: str
    function: str
    arguments: Mapping[str, Any]
    does: str
    approval: str = ""
    undone_by: tuple[str, ...] = ()


def steps_of(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None = None
) -> list[ExperimentActivity]:
    """Return every activity of the experiment in the order in which a whole drill runs them."""
    phases = activities_by_phase(experiment)
    setup = steps_of_control(own_arguments(experiment), "setup")
    ordered = {"setup": setup, **{phase: phases[phase] for phase in ("steady-state", "method", "rollbacks")}}
    resolved = [(phase, _resolved(activity, configuration, secrets)) for phase, activity in _in_order(ordered)]
    undoing = [one for phase, one in resolved if phase == "rollbacks"]
    return [_step(phase, one, undoing) for phase, one in resolved]


def _in_order(ordered: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for phase, activities in ordered.items():
        yield from ((phase, activity) for activity in activities)


def _resolved(activity: Mapping[str, Any], configuration: Any, secrets: Any) -> dict[str, Any]:
    provider = substitute(dict(provider_of(activity)), configuration, secrets)
    function = f"{provider['module']}.{provider['func']}" if provider.get("type") == "python" else ""
    name, kind = str(activity.get("name") or activity.get("ref")), str(activity.get("type"))
    arguments = substitute(dict(arguments_of(activity)), configuration, secrets)
    does = _documented(function) if function else _in_words(provider)
    told = {"name": name, "kind": kind, "function": function, "arguments": arguments, "does": does}
    return {**told, "approval": _approval(activity, configuration, secrets)}


def _approval(activity: Mapping[str, Any], configuration: Any, secrets: Any) -> str:
    if KEY not in activity:
        return ""
    confirm = confirm_of(activity, configuration, secrets)
    return f"{confirm.within_s:g} s at most{f': {confirm.question}' if confirm.question else ''}"


def _step(phase: str, one: Mapping[str, Any], undoing: Sequence[Mapping[str, Any]]) -> ExperimentActivity:
    undone_by = tuple(_undone_by(one, undoing)) if phase != "rollbacks" else ()
    return ExperimentActivity(phase, **one, undone_by=undone_by)


def _undone_by(one: Mapping[str, Any], undoing: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for rollback in undoing:
        step = rollback["arguments"].get("undo_of")
        if step == one["name"]:
            yield rollback["name"]
        elif step and one["function"] in _MOVES and rollback["function"] in _LEADS_BACK:
            yield f"{rollback['name']} (if {step} was begun)"


def _in_words(provider: Mapping[str, Any]) -> str:
    """Return what a process or a request does; empty for a reference to another activity."""
    if provider.get("type") == "process":
        given = provider.get("arguments") or ""
        pairs = chain.from_iterable(given.items()) if isinstance(given, Mapping) else given
        return f"runs {provider['path']} {given if isinstance(given, str) else ' '.join(map(str, pairs))}".rstrip()
    return f"{provider.get('method', 'GET')} {provider['url']}" if provider.get("type") == "http" else ""


def _documented(function: str) -> str:
    module, _, name = function.rpartition(".")
    documented = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    return documented.partition("\n")[0]
