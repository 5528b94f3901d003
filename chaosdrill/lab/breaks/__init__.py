"""Labs that lie: each file here is one way in which the lab says one thing while the world is another.

A break is made of real means wherever there are any: SQL in the real servers, real nftables rules, the real state
machine's definition, signals to real processes. To add one: a module here with ``BREAK`` (or ``BREAKS``), whose
``begin`` does it and answers with how it is mended; a line in ``tests/lying``; a test that shows that the lie is told.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from chaosdrill.errors import BadInput
from chaosdrill.lab.breaks.model import Break, Option


@cache
def all_breaks() -> Mapping[str, Break]:
    """:returns: every break by its name, in alphabetical order."""
    found: list[Break] = []
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        found += getattr(loaded, "BREAKS", ())
        found += [loaded.BREAK] if hasattr(loaded, "BREAK") else []
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def asked_for(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Read what is to be broken.

    :param texts: each ``NAME`` or ``NAME:option=value:option=value``.
    :returns: each as ``{"name": ..., "options": {...}}``, every option there.
    :raises BadInput: with everything that cannot be.
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
    """:returns: a break's options, those not given with their defaults. What is wrong is added to ``problems``."""
    known = all_breaks()
    if name not in known:
        problems.append(f"break {name!r}: there is none of that name; `chaosdrill lab break --list` shows them all")
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
