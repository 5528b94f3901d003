"""Reading of JSON Lines files in any state."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaosdrill.runs.documents import read_json


def json_lines(path: Path, kind: type = dict) -> tuple[list[Any], int, bool]:
    """Return the values of that type in a JSON Lines file.

    :returns: the values, the number of other lines, and whether the last line is incomplete.
    :raises OSError: when the file cannot be read, or would take too much memory.
    """
    lines = read_json(path, most=sys.maxsize).split(b"\n")
    torn = bool(lines.pop())
    found = values(lines)
    good = [value for value in found if isinstance(value, kind)]
    return good, len(found) - len(good), torn


def values(lines: Sequence[bytes]) -> list[Any]:
    """Return each line as JSON, None for an invalid one. Valid lines are parsed at once, which is far faster."""
    try:
        found: list[Any] = json.loads(b"[" + b",".join(lines) + b"]")
        if len(found) == len(lines):
            return found
    except (ValueError, RecursionError):
        pass
    return [_value(line) for line in lines]


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
