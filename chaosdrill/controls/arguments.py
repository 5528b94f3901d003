"""The control's ``arguments:``, and the checks whether the experiment can be run at all."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from chaosdrill.analysis import objectives
from chaosdrill.controls.activities import Activity, Resolve, activities_by_phase, has_variable, variables_in
from chaosdrill.controls.validation import problems_of_activity
from chaosdrill.errors import problem
from chaosdrill.stop_when import problems_of_stop_when

LONGEST_FREQUENCY_S = 3600.0
_LIMITS = (("frequency", 0.1, LONGEST_FREQUENCY_S), ("in_a_row", 1, math.inf), ("timeout_s", 1, LONGEST_FREQUENCY_S))
_STATE = re.compile(r"serving\([a-z0-9-]+\)|moving|dark|split|unknown")


@dataclass(frozen=True)
class Arguments:
    """The control's arguments.

    :param expect: the region state without which the drill does not start, such as ``serving(ap-northeast-1)``; empty:
        any.
    :param end: the region state in which the drill must end; default: that of ``expect``.
    :param setup: activities to run before the steady state is checked.
    :param safeguards: probes with ``tolerance`` and ``frequency`` (s), run during the method; ``in_a_row`` (default 1):
        how many consecutive misses stop the drill; ``timeout_s`` (default 30): after so long without a result the probe
        counts as unreadable.
    :param stop_when: when the drill stops by itself: see :mod:`chaosdrill.stop_when`.
    :param objectives: targets for the judgement: see :mod:`chaosdrill.analysis.objectives`.
    :param hand_over: the experiment (``to``) to which undos that are still owed at ``end`` are handed over, and for how
        many days (``within_days``): see :mod:`chaosdrill.controls.hand_over`.
    """

    expect: str = ""
    end: str = ""
    setup: Sequence[Activity] = ()
    safeguards: Sequence[Activity] = ()
    objectives: Mapping[str, Any] | None = None
    hand_over: Mapping[str, Any] | None = None
    stop_when: Mapping[str, Any] | None = None


def problems_of_arguments(raw: Any, resolve: Resolve = lambda value: value) -> list[str]:
    """Return every problem in the control's arguments as they are written.

    :param resolve: substitutes the variables in a value; a value that still contains ``${`` is not checked.
    """
    if not isinstance(raw, Mapping):
        what = f"control arguments: {raw!r}: must be a mapping, or remove the key: Chaos Toolkit calls no hook with it"
        return [problem("control-argument-invalid", what)]
    known = [field.name for field in fields(Arguments)]
    unknown = "no argument has that name; choose from"
    problems: list[str] = [
        problem("control-argument-unknown", f"control argument {name}: {unknown} {', '.join(known)}")
        for name in raw
        if name not in known
    ]
    for name in ("setup", "safeguards"):
        if not isinstance(raw.get(name) or [], list):
            why = f"control argument {name}: must be a list of activities"
            problems.append(problem("control-argument-invalid", why))
    problems += _as_objectives(objectives.problems_of_names(raw.get("objectives")))
    problems += problems_of_stop_when(resolve(raw.get("stop_when")))
    for activity in steps_of_control(raw, "setup"):
        problems += problems_of_activity(activity, "setup", resolve)
    for safeguard in steps_of_control(raw, "safeguards"):
        problems += problems_of_activity(safeguard, "safeguards", resolve) + _problems_of_safeguard(safeguard)
    return problems


def problems_of_values(arguments: Arguments) -> list[str]:
    """Return every problem in the arguments' values, with variables resolved."""
    problems: list[str] = []
    for name, state in (("expect", arguments.expect), ("end", arguments.end)):
        if state and not has_variable(state) and not (isinstance(state, str) and _STATE.fullmatch(state)):
            why = f"{name}: {state!r} is not a region state such as serving(ap-northeast-1)"
            problems.append(problem("control-argument-invalid", why))
    given = arguments.objectives if isinstance(arguments.objectives, Mapping) else {}
    judged = {name: value for name, value in given.items() if not has_variable(value)}
    return problems + _as_objectives(objectives.problems_of_values(judged))


def problems_of_experiment(
    experiment: Mapping[str, Any], setup: Sequence[Activity], resolve: Resolve = lambda value: value
) -> list[str]:
    """Return every problem in the experiment's own activities and runtime."""
    phases = activities_by_phase(experiment)
    problems = [
        found
        for phase, activities in phases.items()
        for activity in activities
        for found in problems_of_activity(activity, phase, resolve)
    ]
    problems += _problems_of_references({**phases, "setup": list(setup)})
    strategy = ((experiment.get("runtime") or {}).get("rollbacks") or {}).get("strategy")
    if experiment.get("rollbacks") and strategy != "always":
        why = f"runtime: rollbacks: strategy is {strategy!r}: write `always`, else an interrupted drill is never undone"
        problems.append(problem("rollbacks-not-always", why))
    return problems


def problems_of_variables(part: Any, known: set[str]) -> list[str]:
    """Return a problem for each ``${name}`` that neither configuration nor secrets declare."""
    names = sorted({name for text in _texts(part) for name in variables_in(text)} - known)
    return [
        problem(
            "undeclared-variable",
            f"${{{name}}}: not declared: add it under `configuration:`, or correct its name; to pass the text "
            f"${{{name}}} on to a program, such as a shell, write $${{{name}}}",
        )
        for name in names
    ]


def steps_of_control(raw: Any, name: str) -> list[Any]:
    """Return the activities under ``setup`` or ``safeguards`` of the control's arguments, as they are written."""
    value = raw.get(name) if isinstance(raw, Mapping) else None
    return value if isinstance(value, list) else []


def _as_objectives(problems: Iterable[str]) -> list[str]:
    return [problem("objective-invalid", one) for one in problems]


def _problems_of_references(phases: Mapping[str, Sequence[Activity]]) -> Iterator[str]:
    """Yield a problem for each unknown reference. Chaos Toolkit resolves one among the steady state and the method,
    and only when it comes to it.
    """
    there = [
        one.get("name") for phase in ("steady-state", "method") for one in phases[phase] if isinstance(one, Mapping)
    ]
    for phase, activities in phases.items():
        for activity in activities:
            ref = activity.get("ref") if isinstance(activity, Mapping) else None
            if ref is not None and ref not in there:
                known = ", ".join(str(one) for one in there if one) or "none"
                why = f"{phase}: ref: no activity of steady state or method has the name {ref!r}; there are: {known}"
                yield problem("activity-invalid", why)


def _problems_of_safeguard(safeguard: Any) -> list[str]:
    if not isinstance(safeguard, Mapping):
        return []
    name = safeguard.get("name", "?")
    problems = []
    if "tolerance" not in safeguard:
        problems.append(f"safeguards: {name}: has no tolerance")
    if safeguard.get("type") != "probe" or "ref" in safeguard:
        problems.append(f"safeguards: {name}: must be a probe")
    for key, least, most in _LIMITS:
        value = safeguard.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            problems.append(f"safeguards: {name}: {key} is {value!r}, not a number from {least:g} to {most:g}")
    return [problem("safeguard-invalid", text) for text in problems]


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _texts(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from _texts(value)
