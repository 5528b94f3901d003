"""What an approval is of: the plan of a game day, and its digest. Any edit of the plan gives another digest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosdrill.errors import BadInput, problem
from chaosdrill.gamedays.calendar import GameDay
from chaosdrill.gamedays.named_files import named_files

DIGEST_PREFIX = "sha256:"


def plan_of(game_day: GameDay) -> dict[str, Any]:
    """Read what a drill of a game day would do: experiment, topology, and named files as bytes, variables and window.

    Paths of experiment and topology are no part of it, so that the same files have the same plan on every machine. A
    secret is in it by its reference only.

    :returns: JSON values; without ``files`` when the experiment names none.
    :raises BadInput: ``plan-unreadable``: a file cannot be read, or a variable is no JSON value.
    """
    window, experiment = game_day.window, _read(game_day.experiment)
    files = [{"path": name, "digest": _digest(_read(file))} for name, file in named_files(game_day, experiment)]
    return {
        "experiment": _digest(experiment),
        "topology": None if game_day.topology is None else _digest(_read(game_day.topology)),
        "variables": _as_json_values(game_day.variables),
        "window": {
            "zone": str(game_day.schedule.zone),
            "earliest": window.earliest.isoformat(),
            "latest_end": window.latest_end.isoformat(),
        },
        **({"files": files} if files else {}),
    }


def plan_digest(game_day: GameDay) -> str:
    """Return the digest of a game day's plan as it is now: ``sha256:`` and 64 hexadecimal digits.

    :raises BadInput: ``plan-unreadable``: a file cannot be read, or a variable is no JSON value.
    """
    return digest_of(plan_of(game_day))


def definition_of(game_day: GameDay, schedule: str) -> str:
    """Return a digest of a game day by which two calendars that share a ledger are told apart.

    A file that cannot be read is a part of it, too: nothing is raised.

    :param schedule: as JSON (:func:`chaosdrill.gamedays.decisions.schedule_text`).
    """
    try:
        plan: Any = plan_of(game_day)
    except BadInput as error:
        plan = error.codes
    return digest_of({"plan": plan, "schedule": schedule, "owner": game_day.owner})


def digest_of(plan: Mapping[str, Any]) -> str:
    """Return the digest of a plan: that of its canonical JSON."""
    return _digest(canonical(plan))


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the one form in which a document is written: JSON with sorted keys, without spaces, in ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _digest(data: bytes) -> str:
    return DIGEST_PREFIX + hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = f"{path} cannot be read ({error.strerror}), so no plan can be approved: check the path in the calendar"
        raise BadInput([problem("plan-unreadable", why)]) from error


def _as_json_values(variables: Mapping[str, Any]) -> Any:
    try:
        return json.loads(canonical(dict(variables)))
    except (TypeError, ValueError) as error:
        why = f"a variable is no JSON value ({error}): write a text, a number, true, false, a list or a mapping"
        raise BadInput([problem("plan-unreadable", why)]) from error
