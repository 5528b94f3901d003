"""What tests plant in a system, and what was found of it: for the table of `python -m benchmarks.planted`."""

import json
from collections.abc import Callable, Iterable


def note_planted(
    record_property: Callable[[str, object], None], name: str, expected: Iterable[str], found: Iterable[str]
) -> None:
    """Keep with a test's result what it planted, by which names that must be found, and which names were."""
    record_property("planted", json.dumps({"name": name, "expected": sorted(expected), "found": sorted(found)}))
