"""Files of JSON lines, in whatever state they are."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaosdrill.runs.documents import read_json


def json_lines(path: Path, kind: type = dict) -> tuple[list[Any], int, bool]:
    """:returns: the lines that are JSON values of that kind, how many are not, and whether the last one was cut off.

    :raises OSError: when the file cannot be read, or would take more memory than it may.
    """
    lines = read_json(path, most=sys.maxsize).split(b"\n")
    torn = bool(lines.pop())
    found = values(lines)
    good = [value for value in found if isinstance(value, kind)]
    return good, len(found) - len(good), torn


def values(lines: Sequence[bytes]) -> list[Any]:
    """:returns: each line as JSON, None for one that is none. All at once when all are well: that is far quicker."""
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
