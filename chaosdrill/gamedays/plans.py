"""What an approval is of: the plan of a game day, and its digest. Any edit of the plan gives another digest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosdrill.errors import BadInput, problem
from chaosdrill.gamedays.calendar import GameDay

DIGEST_PREFIX = "sha256:"


def plan_of(game_day: GameDay) -> dict[str, Any]:
    """Read what a drill of a game day would do: the bytes of its experiment and topology, its variables and window.

    Paths are no part of it, so that the same files have the same plan on every machine. A secret is in it by its
    reference only.

    :returns: JSON values.
    :raises BadInput: ``plan-unreadable``: a file cannot be read, or a variable is no JSON value.
    """
    window = game_day.window
    return {
        "experiment": _digest_of_file(game_day.experiment),
        "topology": None if game_day.topology is None else _digest_of_file(game_day.topology),
        "variables": _as_json_values(game_day.variables),
        "window": {
            "zone": str(game_day.schedule.zone),
            "earliest": window.earliest.isoformat(),
            "latest_end": window.latest_end.isoformat(),
        },
    }


def plan_digest(game_day: GameDay) -> str:
    """Return the digest of a game day's plan as it is now: ``sha256:`` and 64 hexadecimal digits.

    :raises BadInput: ``plan-unreadable``: a file cannot be read, or a variable is no JSON value.
    """
    return digest_of(plan_of(game_day))


def digest_of(plan: Mapping[str, Any]) -> str:
    """Return the digest of a plan: that of its canonical JSON."""
    return DIGEST_PREFIX + hashlib.sha256(canonical(plan)).hexdigest()


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the one form in which a document is written: JSON with sorted keys, without spaces, in ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _digest_of_file(path: Path) -> str:
    try:
        return DIGEST_PREFIX + hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        why = f"{path} cannot be read ({error.strerror}), so no plan can be approved: check the path in the calendar"
        raise BadInput([problem("plan-unreadable", why)]) from error


def _as_json_values(variables: Mapping[str, Any]) -> Any:
    try:
        return json.loads(canonical(dict(variables)))
    except (TypeError, ValueError) as error:
        why = f"a variable is no JSON value ({error}): write a text, a number, true, false, a list or a mapping"
        raise BadInput([problem("plan-unreadable", why)]) from error
