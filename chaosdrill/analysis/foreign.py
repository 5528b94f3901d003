"""JSON that anybody may have written, as what is asked for; anything else counts as not there."""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def mapping(value: Any) -> Mapping[str, Any]:
    """:returns: it when it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """:returns: it when it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: Any) -> str:
    """:returns: it when it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """:returns: it when it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        known = float(value)
    except OverflowError:
        return None
    return known if math.isfinite(known) else None


def answer(value: Any) -> bool | None:
    """:returns: it when it is true or false, else None."""
    return value if isinstance(value, bool) else None
