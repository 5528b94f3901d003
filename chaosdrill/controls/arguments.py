"""What stands under the control's ``arguments:``, and whether the experiment can be run at all."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from chaoslib.activity import ensure_activity_is_valid
from chaoslib.exceptions import ChaosException
from chaoslib.hypothesis import ensure_hypothesis_tolerance_is_valid

from chaosdrill.analysis import objectives
from chaosdrill.errors import problem

LONGEST_FREQUENCY_S = 3600.0
_LIMITS = (("frequency", 0.1, LONGEST_FREQUENCY_S), ("in_a_row", 1, math.inf), ("timeout_s", 1, LONGEST_FREQUENCY_S))
_STATE = re.compile(r"serving\([a-z0-9-]+\)|moving|dark|split|unknown")
_VARIABLE = re.compile(r"(?<!\$)\$\{([^}]*)\}")

Activity = Mapping[str, Any]


@dataclass(frozen=True)
class Arguments:
    """The control's arguments.

    :param expect: the region state without which the drill does not start, such as ``serving(ap-northeast-1)``; empty:
        any.
    :param end: the region state in which the drill must end; default: that of ``expect``.
    :param setup: activities to run before the steady state is checked.
    :param safeguards: probes with ``tolerance`` and ``frequency`` (s), watched during the method; ``in_a_row`` (default
        1): how often a probe must miss before the drill is stopped; ``timeout_s`` (default 30): after so long without
        an answer it cannot see.
    :param objectives: what is to be reached: see :mod:`chaosdrill.analysis.objectives`.
    """

    expect: str = ""
    end: str = ""
    setup: Sequence[Activity] = ()
    safeguards: Sequence[Activity] = ()
    objectives: Mapping[str, Any] | None = None


def problems_of_arguments(raw: Mapping[str, Any]) -> list[str]:
    """:returns: every problem in the control's arguments, variables not resolved yet."""
    known = [field.name for field in fields(Arguments)]
    problems = [
        f"control argument {name}: there is none of that name; there are {', '.join(known)}"
        for name in raw
        if name not in known
    ]
    for name in ("setup", "safeguards"):
        if not isinstance(raw.get(name) or [], list):
            problems.append(f"control argument {name}: must be a list of activities")
    problems += objectives.problems_of_names(raw.get("objectives"))
    for activity in _list(raw, "setup"):
        problems += problems_of_activity(activity, "setup")
    for safeguard in _list(raw, "safeguards"):
        problems += problems_of_activity(safeguard, "safeguards") + _problems_of_safeguard(safeguard)
    return problems


def problems_of_values(arguments: Arguments) -> list[str]:
    """:returns: every problem in the arguments' values, variables resolved."""
    problems = []
    for name, state in (("expect", arguments.expect), ("end", arguments.end)):
        if state and not _STATE.fullmatch(state):
            problems.append(f"{name}: {state!r} is not a region state such as serving(ap-northeast-1)")
    return problems + objectives.problems_of_values(arguments.objectives or {})


def problems_of_experiment(experiment: Mapping[str, Any]) -> list[str]:
    """:returns: every problem in the experiment's own activities and runtime."""
    problems = []
    for phase, activities in activities_by_phase(experiment).items():
        for activity in activities:
            problems += problems_of_activity(activity, phase)
    strategy = ((experiment.get("runtime") or {}).get("rollbacks") or {}).get("strategy")
    if experiment.get("rollbacks") and strategy != "always":
        problems.append(
            f"runtime: rollbacks: strategy is {strategy!r}: write `always`, else an interrupted drill is never undone"
        )
    return problems


def problems_of_variables(part: Any, known: set[str]) -> list[str]:
    """:returns: a problem for each ``${name}`` that neither configuration nor secrets have."""
    names = sorted({name for text in _texts(part) for name in _VARIABLE.findall(text)} - known)
    fix = "not declared: add it under `configuration:`, or correct its name"
    return [problem("undeclared-variable", f"${{{name}}}: {fix}") for name in names]


def activities_by_phase(experiment: Mapping[str, Any]) -> dict[str, list[Activity]]:
    """:returns: the experiment's own activities by the phase they run in."""
    hypothesis = (experiment.get("steady-state-hypothesis") or {}).get("probes") or []
    return {
        "steady-state": list(hypothesis),
        "method": list(experiment.get("method") or []),
        "rollbacks": list(experiment.get("rollbacks") or []),
    }


def problems_of_activity(activity: Any, phase: str) -> list[str]:
    """:returns: what Chaos Toolkit would not run, and a tolerance it could not read."""
    problems: list[str] = []
    try:
        ensure_activity_is_valid(activity)
        if isinstance(activity, Mapping) and "tolerance" in activity:
            ensure_hypothesis_tolerance_is_valid(activity["tolerance"])
    except (ChaosException, TypeError, AttributeError) as error:
        name = activity.get("name", "?") if isinstance(activity, Mapping) else repr(activity)
        problems.append(problem("activity-invalid", f"{phase}: {name}: {error}"))
    return problems


def _problems_of_safeguard(safeguard: Any) -> list[str]:
    if not isinstance(safeguard, Mapping):
        return []
    name = safeguard.get("name", "?")
    problems = []
    if "tolerance" not in safeguard:
        problems.append(f"safeguards: {name}: has no tolerance")
    if safeguard.get("type") != "probe":
        problems.append(f"safeguards: {name}: must be a probe")
    for key, least, most in _LIMITS:
        value = safeguard.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            problems.append(f"safeguards: {name}: {key} is {value!r}, not a number from {least:g} to {most:g}")
    return problems


def _list(raw: Mapping[str, Any], name: str) -> list[Any]:
    value = raw.get(name)
    return value if isinstance(value, list) else []


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _texts(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from _texts(value)
