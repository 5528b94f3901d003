"""Validation of activities before a drill: whether each can run, and its tolerance can be compared."""

import math
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from chaoslib.activity import ensure_activity_is_valid
from chaoslib.exceptions import ChaosException

from chaosdrill.arguments import is_checked, problems_of_call
from chaosdrill.controls.activities import Resolve, arguments_of, function_of, has_variable, provider_of
from chaosdrill.controls.confirm import problems_of_confirm
from chaosdrill.controls.tolerance import problems_of_tolerance
from chaosdrill.errors import problem

_LONGEST_PAUSE_S = 86_400.0


def problems_of_activity(activity: Any, phase: str, resolve: Resolve = lambda value: value) -> list[str]:
    """Return everything that keeps an activity from running: in its form, its arguments, its waits and its tolerance.

    :param resolve: substitutes the variables in a value. A value that still contains ``${`` is not checked.
    """
    name = activity.get("name", "?") if isinstance(activity, Mapping) else repr(activity)
    found: list[str] = [problem(code, f"{phase}: {name}: {text}") for code, text in _problems(activity, resolve)]
    confirm = problems_of_confirm(activity, phase, resolve)
    return found + [problem("confirm-invalid", f"{phase}: {name}: confirm: {text}") for text in confirm]


def _problems(activity: Any, resolve: Resolve) -> Iterator[tuple[str, str]]:
    function = function_of(activity)
    if function is not None and is_checked(function) and _mapping_or_none(provider_of(activity)):
        call = problems_of_call(function, resolve(dict(arguments_of(activity))))
        yield from ((one.code, str(one)) for one in call)
        if any(one.code in ("argument-unknown", "argument-missing") for one in call):
            return  # Chaos Toolkit would report the same
    try:
        ensure_activity_is_valid(activity)
    except (ChaosException, TypeError, AttributeError) as error:
        yield "activity-invalid", str(error)
        return
    if "ref" in activity:
        return
    yield from (("activity-invalid", text) for text in _problems_of_provider(provider_of(activity), resolve))
    yield from (("activity-invalid", text) for text in _problems_of_pauses(activity.get("pauses") or {}, resolve))
    if "tolerance" in activity:
        tolerance = problems_of_tolerance(activity["tolerance"], activity, function, resolve)
        yield from ((one.code, str(one)) for one in tolerance)


def _mapping_or_none(provider: Mapping[str, Any]) -> bool:
    return "arguments" not in provider or isinstance(provider["arguments"], Mapping)


def _problems_of_provider(provider: Mapping[str, Any], resolve: Resolve) -> Iterator[str]:
    """Yield settings that would make Chaos Toolkit end with a traceback when the activity runs: no rollbacks, no
    journal.
    """
    kind, arguments = provider["type"], provider.get("arguments", ())
    shapes = {"python": (Mapping,), "process": (str, list, tuple, Mapping), "http": (str, list, Mapping, type(None))}
    if "arguments" in provider and not isinstance(arguments, shapes[kind]):
        yield f"arguments: {arguments!r} cannot be given to a {kind} provider: remove the key, or write a mapping"
    if "timeout" in provider and kind != "python":
        # Chaos Toolkit does not resolve variables in the timeout of a process
        timeout = resolve(provider["timeout"]) if kind == "http" else provider["timeout"]
        pair = kind == "http" and isinstance(timeout, (list, tuple)) and len(timeout) == 2
        values = list(timeout) if pair else [timeout]
        if not all(value is None or _is_time(value) or (kind == "http" and has_variable(value)) for value in values):
            yield f"timeout: {timeout!r}: must be a number of seconds above 0"
    if kind == "http":
        yield from _problems_of_request(provider, resolve)


def _problems_of_request(provider: Mapping[str, Any], resolve: Resolve) -> Iterator[str]:
    url = resolve(provider["url"])
    if not has_variable(url) and not _is_url(url):
        yield f"url: {url!r}: must be an address such as http://api.example.com/health"
    headers = resolve(provider.get("headers") or {})
    for name, value in headers.items():
        if not isinstance(value, (str, bytes)):
            yield f"headers: {name}: {value!r}: must be a text: put it in quotes"
    if not isinstance(provider.get("method", "GET"), str):
        yield f"method: {provider['method']!r}: must be a text such as POST"
    retries = provider.get("max_retries", 0)
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        yield f"max_retries: {retries!r}: must be a whole number from 0"


def _is_url(url: Any) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _problems_of_pauses(pauses: Any, resolve: Resolve) -> Iterator[str]:
    if not isinstance(pauses, Mapping):
        yield f"pauses: {pauses!r}: must be a mapping such as {{after: 5}}"
        return
    for name in ("before", "after"):
        value = resolve(pauses.get(name))
        if value and not has_variable(value) and not _is_time(value, _LONGEST_PAUSE_S):
            fix = f"must be a number of seconds from 0 to {_LONGEST_PAUSE_S:g}; `--var NAME:float=5` gives a number"
            yield f"pauses: {name}: {value!r}: {fix}"


def _is_time(value: Any, most: float = math.inf) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= most and math.isfinite(value)
    )
