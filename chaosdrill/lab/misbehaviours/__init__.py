"""Breaks of the lab: each module makes the lab report one state while the actual state is another.

A break works on real parts wherever possible: SQL in the real servers, real nftables rules, the real state machine's
definition, signals to real processes. To add one, write a module here with ``BREAK`` (or ``BREAKS``), whose ``begin``
applies the break and returns how to undo it; add a row to ``tests/lying``, and a test that fails without the break.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from chaosdrill.errors import BadInput
from chaosdrill.lab.misbehaviours.model import Break, Option


@cache
def all_breaks() -> Mapping[str, Break]:
    """Return every break by name, in alphabetical order."""
    found: list[Break] = []
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        found += getattr(loaded, "BREAKS", ())
        found += [loaded.BREAK] if hasattr(loaded, "BREAK") else []
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def parse_breaks(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Parse the names and options of breaks.

    :param texts: each ``NAME`` or ``NAME:option=value:option=value``.
    :returns: each as ``{"name": ..., "options": {...}}``, with all options.
    :raises BadInput: with all problems of the texts.
    """
    problems: list[str] = []
    read = [_read(text.strip(), problems) for text in texts if text.strip()]
    if problems:
        raise BadInput(problems)
    return read


def _read(text: str, problems: list[str]) -> dict[str, Any]:
    name, *parts = text.split(":")
    given = {key: value for key, _, value in (part.partition("=") for part in parts)}
    return {"name": name, "options": options_of(name, given, problems)}


def options_of(name: str, given: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return a break's options, with defaults for missing ones. Problems are added to ``problems``."""
    known = all_breaks()
    if name not in known:
        problems.append(f"break {name!r}: unknown name; `chaosdrill lab break --list` shows all names")
        return {}
    options = {option.name: option for option in known[name].options}
    problems += [
        f"break {name}: it has no option {key!r}, only {', '.join(options) or 'none'}"
        for key in given
        if key not in options
    ]
    return {key: _value(name, option, given.get(key, option.default), problems) for key, option in options.items()}


def _value(name: str, option: Option, given: Any, problems: list[str]) -> Any:
    if option.choices and given not in option.choices:
        problems.append(f"break {name}: {option.name} {given!r}: write one of {', '.join(option.choices)}")
    if not isinstance(option.default, float):
        return str(given)
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = 0.0
    if not 0 < value <= 3600:
        problems.append(f"break {name}: {option.name} {given!r}: write a number of seconds above 0, at most 3600")
    return value
