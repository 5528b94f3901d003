"""Checks of an activity's arguments, by their declared types and by the units in their names.

The same check runs before a drill begins, for every step of the experiment, and again when the activity is called.
"""

import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Union

from chaosdrill.errors import Problem, problem
from chaosdrill.topology.consistency import problem_of_machine

CHECKED = "chaosdrill_checks_arguments"  # an attribute of the functions whose calls are checked
PASSED_BY_CHAOS_TOOLKIT = ("configuration", "secrets")
YEAR_S = 31_536_000.0
_TRUTH = {"true": True, "false": False}
WHEN_MISSED, WHEN_NOT_SEEN = "steady-state-missed", "steady-state-not-seen"
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "data_loss": ("allowed",),
    "traffic_type": ("ingress", "egress"),
    "when": (WHEN_MISSED, WHEN_NOT_SEEN),
}
_MACHINES = ("state_machine", "state_machine_prefix", "prefix", "initiator_prefix")
_STRICT = ("standalone",)  # a text is refused: a typing error must not allow changes without safeguards
_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    list: "a list",
    dict: "a mapping",
}


@dataclass(frozen=True)
class QuantityRange:
    """The range of values of a quantity.

    :param above: whether ``least`` itself is excluded.
    """

    least: float
    most: float = math.inf
    above: bool = False

    def allow(self, value: float) -> bool:
        """Return whether ``value`` is finite and within these limits."""
        return (
            math.isfinite(value) and (self.least < value if self.above else self.least <= value) and value <= self.most
        )

    def __str__(self) -> str:
        least = f"above {self.least:.12g}" if self.above else f"from {self.least:.12g}"
        return least if self.most == math.inf else f"{least} to {self.most:.12g}"


# By the end of the argument's name; the first match counts.
_LIMITS = (
    ("_per_s", QuantityRange(0, above=True)),
    ("window_s", QuantityRange(0, YEAR_S, above=True)),
    ("deadline_s", QuantityRange(0, YEAR_S, above=True)),
    ("_s", QuantityRange(0, YEAR_S)),
    ("percent", QuantityRange(0, 100)),
    ("percentile", QuantityRange(0, 100, above=True)),
    ("ratio", QuantityRange(0, 1)),
    ("users", QuantityRange(1)),
    ("", QuantityRange(0)),
)


def is_checked(function: Callable[..., Any]) -> bool:
    """Return whether ``function`` is an activity of chaosdrill, which checks its arguments."""
    return getattr(function, CHECKED, False) is True


def problems_of_call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> list[Problem]:
    """Check the names and values of a call's arguments before it is made.

    :param arguments: as the experiment states them. A value that still contains ``${`` is not checked.
    """
    parameters = {name: one for name, one in inspect.signature(function).parameters.items()}
    own = [name for name in parameters if name not in PASSED_BY_CHAOS_TOOLKIT]
    problems = [problem("argument-unknown", _unknown(name, own)) for name in arguments if name not in own]
    problems += [
        problem("argument-missing", f"argument {name}: missing: must be {_expected(function, name)}")
        for name in own
        if name not in arguments and parameters[name].default is inspect.Parameter.empty
    ]
    return problems + problems_of_values(function, {name: value for name, value in arguments.items() if name in own})


def problems_of_values(function: Callable[..., Any], arguments: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each argument whose value has the wrong type or is outside its limits."""
    known = {name: value for name, value in arguments.items() if name in _hints(function) and "${" not in str(value)}
    problems = [
        problem("argument-invalid", f"argument {name}: {value!r}: must be {_expected(function, name)}")
        for name, value in known.items()
        if not _fits(name, value, _hints(function)[name])
    ]
    for name in _MACHINES:
        if wrong := problem_of_machine(str(known.get(name))):
            problems.append(problem("state-machine-invalid", f"argument {name}: {': '.join(wrong)}"))
    return problems


def converted(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return checked ``arguments`` with texts converted to the numbers and booleans that they stand for."""
    hints = _hints(function)
    return {name: _converted(value, hints[name]) if name in hints else value for name, value in arguments.items()}


@functools.cache
def _hints(function: Callable[..., Any]) -> Mapping[str, tuple[Any, ...]]:
    """Return the types that each argument may have. Arguments of type ``Any`` are left out."""
    hints = typing.get_type_hints(inspect.unwrap(function))
    hints = {name: hint for name, hint in hints.items() if name not in ("return", *PASSED_BY_CHAOS_TOOLKIT)}
    allowed = {
        name: typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
        for name, hint in hints.items()
    }
    return {name: kinds for name, kinds in allowed.items() if Any not in kinds}


def _fits(name: str, value: Any, allowed: tuple[Any, ...]) -> bool:
    return any(_is(name, value, kind) for kind in allowed)


def _is(name: str, value: Any, kind: Any) -> bool:
    if kind is type(None):
        return value is None
    if kind in (int, float):
        number = _number(value)
        return number is not None and (kind is float or number == int(number)) and limits_of(name).allow(number)
    if kind is bool:
        return isinstance(value, bool) or (name not in _STRICT and str(value).lower() in _TRUTH)
    if kind is str and name in _CHOICES:
        return value in _CHOICES[name]
    inner = typing.get_args(kind)
    base = typing.get_origin(kind) or kind
    if not isinstance(value, base):
        return False
    members = value.items() if isinstance(value, Mapping) else [(one,) for one in value] if inner else []
    return all(isinstance(one, of) for member in members for one, of in zip(member, inner, strict=False))


def _number(value: Any) -> float | None:
    """Convert a value to a finite number; None if it is none. Variables given with ``--var`` are texts."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _converted(value: Any, allowed: tuple[Any, ...]) -> Any:
    if not isinstance(value, str) or str in allowed:
        return value
    if bool in allowed:
        return _TRUTH.get(value.lower(), value)
    if int in allowed:
        return int(float(value))
    return float(value) if float in allowed else value


def limits_of(name: str) -> QuantityRange:
    """Return the limits of a number, by the unit in the name of its argument."""
    return next(limits for end, limits in _LIMITS if name.endswith(end))


def _expected(function: Callable[..., Any], name: str) -> str:
    if name in _CHOICES:
        return "the word " + " or ".join(_CHOICES[name])
    kinds = _hints(function).get(name, ())
    words = []
    for kind in kinds:
        base = typing.get_origin(kind) or kind
        if base in (int, float):
            words.append(f"{_KINDS[base]} {limits_of(name)}")
        elif base is not type(None):
            words.append(_KINDS.get(base, str(base)) + (" of texts" if typing.get_args(kind) else ""))
    written = " or ".join(words) or "a value"
    return f"{written}, written without quotes" if name in _STRICT else written


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    fix = f"did you mean {near[0]}?" if near else f"the activity takes {', '.join(known) or 'no arguments'}"
    return f"argument {name}: unknown: {fix}"
