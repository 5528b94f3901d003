"""JSON files of a run that are written as a whole, in whatever state they are."""

import json
from pathlib import Path
from typing import Any


def json_document(path: Path) -> dict[str, Any]:
    """:returns: the object in a file; an empty one when it is not there, cannot be read, or holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
