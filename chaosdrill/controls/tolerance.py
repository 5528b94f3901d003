"""Tolerances: whether a value meets one, for cases in which Chaos Toolkit's own check would end the run or report
nothing.

Tolerances that can never be compared or met are found before the drill begins.
"""

import copy
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Union

from chaoslib import substitute
from chaoslib.exceptions import ChaosException
from chaoslib.hypothesis import ensure_hypothesis_tolerance_is_valid, within_tolerance

from chaosdrill.controls.activities import Resolve, function_of, has_variable, provider_of
from chaosdrill.errors import CannotSee, Problem, problem

Kinds = frozenset[str]  # of values: truth, number, text, list, mapping
ANY: Kinds = frozenset(("truth", "number", "text", "list", "mapping"))
_KIND_OF: Mapping[Any, str] = {
    **{bool: "truth", int: "number", float: "number", str: "text"},
    **{list: "list", tuple: "list", dict: "mapping", Mapping: "mapping"},
}
# The fields of the mapping that a provider returns, where they are known.
_FIELDS: Mapping[str, Mapping[str, Kinds]] = {
    "process": {"status": frozenset(("number",)), "stdout": frozenset(("text",)), "stderr": frozenset(("text",))},
    "http": {"status": frozenset(("number",)), "headers": frozenset(("mapping",)), "body": ANY},
}
_TARGETED = ("regex", "range", "jsonpath")


def meets(
    tolerance: Any, value: Any, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None
) -> bool:
    """Return whether a value is within a tolerance.

    :raises CannotSee: when the tolerance cannot be applied to it. Inside a steady state Chaos Toolkit would then end
        with a traceback: no rollbacks, no journal.
    """
    expected = resolved(tolerance, configuration, secrets)
    try:
        answer = within_tolerance(copy.deepcopy(expected), value, configuration=configuration, secrets=secrets)
    except Exception as error:
        why = f"{value!r} cannot be compared with the tolerance {expected!r}: {error}"
        raise CannotSee(why, code="tolerance-not-comparable") from error
    if answer is None:
        why = f"a tolerance of {expected!r} is of a type that Chaos Toolkit does not compare"
        raise CannotSee(why, code="tolerance-not-comparable")
    return bool(answer)


def resolved(tolerance: Any, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> Any:
    """Return the tolerance with its variables, as Chaos Toolkit resolves them: in a text only."""
    return substitute(tolerance, configuration, secrets) if isinstance(tolerance, str) else tolerance


def problems_of_tolerance(
    tolerance: Any,
    activity: Mapping[str, Any],
    function: Callable[..., Any] | None,
    resolve: Resolve,
) -> list[Problem]:
    """Return why a tolerance could never be compared with the activity's result, or never be met.

    :param function: the function that the activity calls; None: it calls none.
    :param resolve: substitutes the variables in a value.
    """
    written = resolve(tolerance) if isinstance(tolerance, str) else tolerance
    if has_variable(written):
        return []
    try:
        if not isinstance(written, Mapping) or written.get("type") not in ("regex", "jsonpath"):
            ensure_hypothesis_tolerance_is_valid(written)
        else:
            pattern = "pattern" if written["type"] == "regex" else "path"
            ensure_hypothesis_tolerance_is_valid({**written, pattern: resolve(written.get(pattern))})
        found = list(_problems(written, activity, function))[:1]  # a second one would follow from the first
    except (ChaosException, TypeError, AttributeError, KeyError) as error:
        found = [f"{error}; {_FLOAT}" if isinstance(written, float) else str(error)]
    return [problem("tolerance-invalid", f"tolerance {written!r}: {text}") for text in found]


_FLOAT = "write a range for it, such as {type: range, range: [0.99, 1.0]}"


def _problems(tolerance: Any, activity: Mapping[str, Any], function: Callable[..., Any] | None) -> Iterator[str]:
    kind = tolerance.get("type") if isinstance(tolerance, Mapping) else ""
    if kind == "probe":
        yield from _problems_of_probe(tolerance)
        return
    if isinstance(tolerance, Mapping) and kind == "range":
        yield from _problems_of_range(tolerance["range"])
    if isinstance(tolerance, Sequence) and not isinstance(tolerance, str):
        yield from _problems_of_list(tolerance)
    kinds, fields = _returned(activity, function)
    target = tolerance.get("target") if isinstance(tolerance, Mapping) and kind in _TARGETED else None
    if target:
        yield from _problems_of_target(str(target), accepted({**tolerance, "target": None}), kinds, fields)
    elif not accepted(tolerance) & kinds or (kinds == {"mapping"} and not _compares_status(tolerance, fields)):
        fix = "; name one of them with `target:`" if fields and kind in _TARGETED else ""
        yield f"can never be met: {_returns(kinds, fields)}, and it compares {_words(accepted(tolerance))}{fix}"


def accepted(tolerance: Any) -> Kinds:
    """Return the kinds of values that can meet a tolerance without a ``target``."""
    if isinstance(tolerance, bool):
        return frozenset(("truth", "number"))
    if isinstance(tolerance, str):
        return frozenset(("text",))
    if isinstance(tolerance, int):
        return frozenset(("number", "truth", "mapping"))
    if isinstance(tolerance, Mapping):
        known = {"regex": ("text",), "range": ("number", "truth", "text"), "jsonpath": ("text", "list", "mapping")}
        return frozenset(known.get(str(tolerance.get("type")), ANY))
    members = frozenset(_KIND_OF.get(type(one), "") for one in tolerance)
    alike = {"truth", "number"} if members & {"truth", "number"} else set()
    return members | alike | ({"mapping"} if members & {"number", "truth"} else frozenset())


def _problems_of_list(tolerance: Sequence[Any]) -> Iterator[str]:
    if not tolerance:
        yield "can never be met: empty"
    if any(has_variable(one) for one in tolerance):
        yield "Chaos Toolkit does not resolve variables in a list: write the values"
    if len(tolerance) == 2:
        yield from _problems_of_range(tolerance)


def _problems_of_range(bounds: Sequence[Any]) -> Iterator[str]:
    least, most = bounds
    if any(isinstance(one, float) and math.isnan(one) for one in bounds):
        yield "can never be met: a bound is not a number"
        return
    try:
        if least > most:
            yield f"can never be met: its lower bound {least!r} is above its upper bound {most!r}"
    except TypeError:
        yield f"its two bounds {least!r} and {most!r} cannot be compared with each other"


def _problems_of_probe(tolerance: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of a tolerance that is a probe. Chaos Toolkit adds the value to its arguments as ``value``."""
    provider = tolerance["provider"]
    if not isinstance(provider.get("arguments"), Mapping):
        yield "add `arguments: {}` to its provider: Chaos Toolkit passes the value to compare in there, as `value`"
        return
    function = function_of(tolerance)
    if function is not None and not _takes_value(function):
        yield "can never be met: its function has no argument `value`, which Chaos Toolkit passes to it"


def _takes_value(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # some built-in functions have no signature
        return True
    return "value" in parameters or any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())


def _problems_of_target(target: str, wanted: Kinds, kinds: Kinds, fields: Mapping[str, Kinds]) -> Iterator[str]:
    if "mapping" not in kinds:
        yield f"can never be met: target {target!r} needs a mapping, and {_returns(kinds, fields)}"
    elif fields and target not in fields:
        yield f"can never be met: there is no {target!r}: {_returns(kinds, fields)}"
    elif fields and not fields[target] & wanted:
        yield f"can never be met: {target!r} is {_words(fields[target])}, and it compares {_words(wanted)}"


def _compares_status(tolerance: Any, fields: Mapping[str, Kinds]) -> bool:
    """Return whether a tolerance applies to a mapping: numbers are compared with its ``status``, which must exist if
    the fields are known.
    """
    return isinstance(tolerance, Mapping) or not fields or "status" in fields


def _returned(activity: Mapping[str, Any], function: Callable[..., Any] | None) -> tuple[Kinds, Mapping[str, Kinds]]:
    kind = str(provider_of(activity).get("type"))
    if kind in _FIELDS:
        return frozenset(("mapping",)), _FIELDS[kind]
    return (ANY, {}) if function is None else (_kinds_of_hint(_return_hint(function)), {})


def _return_hint(function: Callable[..., Any]) -> Any:
    try:
        return typing.get_type_hints(inspect.unwrap(function)).get("return", Any)
    except (NameError, TypeError):  # a foreign function whose hints cannot be read
        return Any


def _kinds_of_hint(hint: Any) -> Kinds:
    if typing.get_origin(hint) in (Union, types.UnionType):
        inner = [one for one in typing.get_args(hint) if one is not type(None)]
        return frozenset().union(*map(_kinds_of_hint, inner)) if inner else ANY
    base = typing.get_origin(hint) or hint
    known = [kind for of, kind in _KIND_OF.items() if base is of]
    return frozenset(known) or ANY


def _returns(kinds: Kinds, fields: Mapping[str, Kinds]) -> str:
    return "the activity returns " + (f"a mapping with {', '.join(fields)}" if fields else _words(kinds))


def _words(kinds: Kinds) -> str:
    words = {"truth": "true or false", "number": "a number", "text": "a text", "list": "a list", "mapping": "a mapping"}
    return " or ".join(words[one] for one in words if one in kinds) or "nothing"
