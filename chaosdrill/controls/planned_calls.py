"""The calls that each step of a dry run would make, in order, with their parameters: printed, and in the run's history.

With ``--dry activities`` and ``--dry actions`` Chaos Toolkit runs no action. Reads are not listed: they change nothing,
and how often a resource is polled is not known in advance.
"""

import importlib
import inspect
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from chaoslib.exceptions import ChaosException

from chaosdrill.activity import AWS_ERRORS
from chaosdrill.arguments import converted
from chaosdrill.aws import System
from chaosdrill.controls.activities import Activity, provider_of, runs_no_action
from chaosdrill.controls.context import DrillContext
from chaosdrill.errors import DrillError
from chaosdrill.parts.interface import PlannedCall, PlannedStep
from chaosdrill.parts.registry import part_of_function
from chaosdrill.terminal_text import one_line

logger = logging.getLogger("chaostoolkit")

EVENT = "calls-planned"
_LEADS_TO = {"fail_over": "standby", "fail_back": "home"}  # the default destinations


class PlannedCalls:
    """Determines the calls of one step after the other.

    The region ``active`` is the destination of the steps before, if they have one.
    """

    def __init__(self) -> None:
        self._earlier: list[PlannedCall] = []
        self._active = ""

    def of_step(self, system: System, step: PlannedStep) -> Sequence[PlannedCall]:
        """List the calls of a step that change something, in order.

        :param step: with its variables resolved.
        :raises DrillError: when they cannot be known.
        """
        if (part := part_of_function(step.function)) is None:
            return ()
        whole = replace(step, arguments=self._arguments(step))
        calls = part.planned_calls(system, whole, tuple(self._earlier))
        self._earlier += calls
        if step.action in _LEADS_TO:
            self._active = str(whole.arguments["region"])
        return calls

    def _arguments(self, step: PlannedStep) -> dict[str, Any]:
        module, _, name = step.function.rpartition(".")
        function = getattr(importlib.import_module(module), name)
        bound = inspect.signature(function).bind(**step.arguments)
        bound.apply_defaults()
        arguments = converted(function, bound.arguments)
        if arguments.get("region") == "active" and self._active:
            arguments["region"] = self._active
        return arguments


def note_planned_calls(
    drill: DrillContext, planned_calls: PlannedCalls, step: Mapping[str, Any], activity: Activity, arguments: Any
) -> None:
    """Print and record what an action of a dry run would call; do nothing in a real run.

    :param step: its phase, name, type, module and function.
    :param arguments: with their variables resolved.
    """
    if step["type"] != "action" or not runs_no_action(activity.get("dry", drill.experiment.get("dry"))):
        return
    function, why, calls = f"{step['module']}.{step['func']}", "", list[dict[str, Any]]()
    if part_of_function(function) is None:
        calls = [asdict(_of_others(provider_of(activity), arguments))]
    else:
        planned = PlannedStep(step["phase"], step["activity"], function, dict(arguments))
        try:
            system = drill.system
            calls = [asdict(one) for one in planned_calls.of_step(system, planned)]
        except (DrillError, ChaosException, *AWS_ERRORS) as error:
            why = str(error)
    drill.record.note(EVENT, activity=step["activity"], phase=step["phase"], calls=calls, why=why)
    for call in calls:
        logger.info(f"  would call {one_line(_line(call))}")
    if why:
        logger.warning(f"  what it would call is not known: {one_line(why)}")


def _of_others(provider: Mapping[str, Any], arguments: Any) -> PlannedCall:
    """Return the one call of an activity of another extension, of a process or of an HTTP request."""
    kind = str(provider.get("type"))
    operation = {
        "python": f"{provider.get('module')}.{provider.get('func')}",
        "process": str(provider.get("path")),
        "http": f"{provider.get('method', 'GET')} {provider.get('url')}",
    }.get(kind, "")
    return PlannedCall(
        kind, operation, "", {"arguments": arguments}, "an activity of others: what it calls is not known"
    )


def _line(call: Mapping[str, Any]) -> str:
    where = f" in {call['region']}" if call["region"] else ""
    note = f" ({call['note']})" if call["note"] else ""
    return f"{call['service']} {call['operation']}{where} {json.dumps(call['parameters'], ensure_ascii=False)}{note}"
