"""The key ``confirm:`` of a step, which begins only when a person approves it; ``approvals`` waits for the person.

The key is written beside the name of a step of setup or method::

    confirm: {question: "Is the maintenance page on?", within_s: 900}

Both keys may be left out: ``confirm: {}``. Without an answer within ``within_s`` (default: 900) the step is refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaoslib import substitute

from chaosdrill.controls.activities import Activity, Resolve, has_variable

KEY = "confirm"
WITHIN_S, LONGEST_S = 900.0, 86_400.0
_PHASES = ("setup", "method")
_KEYS = ("question", "within_s")


@dataclass(frozen=True)
class Confirm:
    """The value of a step's ``confirm:``."""

    question: str = ""
    within_s: float = WITHIN_S


def problems_of_confirm(activity: Any, phase: str, resolve: Resolve) -> Iterator[str]:
    """Yield every problem with ``confirm:`` of an activity, as it is written.

    :param resolve: substitutes the variables in a value; a value that still contains ``${`` is not checked.
    """
    if not isinstance(activity, Mapping) or KEY not in activity:
        return
    if phase not in _PHASES:
        yield f"only steps of setup and method wait for a person, not those of {phase}: remove it"
    if "ref" in activity:
        yield "a reference has none: write it beside the name of the step that is meant"
    if activity.get("background"):
        yield "a step in the background would not hold up the steps after it: remove `background`"
    value = activity[KEY]
    if not isinstance(value, Mapping):
        yield f'{value!r}: write a mapping, such as {{question: "Is the page on?", within_s: 900}}, or {{}}'
        return
    for name in (name for name in value if name not in _KEYS):
        yield f"{name}: no step has that name; choose from: {', '.join(_KEYS)}"
    question, within_s = resolve(value.get("question", "")), resolve(value.get("within_s", WITHIN_S))
    if not isinstance(question, str):
        yield f"question: {question!r}: must be a text"
    if not has_variable(within_s) and _seconds(within_s) is None:
        yield f"within_s: {within_s!r}: must be a number of seconds from 1 to {LONGEST_S:g}"


def confirm_of(activity: Activity, configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None) -> Confirm:
    """Return the value of ``confirm:``, with its variables substituted."""
    value = substitute(dict(activity[KEY]), configuration, secrets)
    within_s = _seconds(value.get("within_s", WITHIN_S))
    return Confirm(str(value.get("question", "")), WITHIN_S if within_s is None else within_s)


def _seconds(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if not isinstance(value, bool) and 1 <= number <= LONGEST_S else None
