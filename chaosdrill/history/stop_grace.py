"""The time left for a terminated drill, where the platform kills its process after a grace period.

An undo that does not fit into it is not begun: it stays owed, and `chaosdrill rescue --when-stale` pays it.

:source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html (``stopTimeout``:
    at most 120 s on Fargate)
"""

import math
import os
import time
from typing import Any

from chaosdrill.errors import problem
from chaosdrill.history.open_drill import current

VARIABLE = "CHAOSDRILL_STOP_GRACE_S"
BEGAN = "stop-grace-began"  # event: SIGTERM was received; ``rollbacks_s``: how long the rollbacks may take from then on
LEFT_TO_RESCUE = "left-to-rescue"  # event: an undo was not begun
CLOSING_S = 20.0  # to collect the records, judge the drill and write its report
LEAST_S, MOST_S = 10.0, 86_400.0
LONG = ("fail_over", "fail_back", "switch_over_database", "fail_over_database")  # actions that move the application


def grace_s() -> float | None:
    """Return how long the platform waits between SIGTERM and SIGKILL, in seconds; None when it is not configured."""
    written = os.environ.get(VARIABLE, "")
    try:
        return float(written) if written else None
    except ValueError:
        return None  # reported by problems_of_grace


def problems_of_grace() -> list[str]:
    """Return what is wrong with ``CHAOSDRILL_STOP_GRACE_S``."""
    written, seconds = os.environ.get(VARIABLE, ""), grace_s()
    if not written or (seconds is not None and LEAST_S <= seconds <= MOST_S):
        return []
    why = f"{VARIABLE}: {written!r} is not a number of seconds from {LEAST_S:g} to {MOST_S:g}: remove it, or correct it"
    return [problem("setting-invalid", why)]


def rollbacks_s(seconds: float) -> float:
    """Return how much of a grace period the rollbacks may take: half of a short one; the rest is for closing the
    drill.
    """
    return seconds - min(CLOSING_S, seconds / 2)


def left_s() -> float | None:
    """Return how long the open drill's rollbacks may still take, in seconds; negative: no time is left; None: no
    limit.
    """
    drill = current()
    began = drill.history.events(BEGAN) if drill is not None else []
    if not began:
        return None
    return float(began[0]["rollbacks_s"]) - (time.monotonic() - float(began[0]["monotonic_s"]))


def is_left_to_rescue() -> bool:
    """Return whether an undo of the open drill was left to a rescue, so that nothing has to be waited for."""
    drill = current()
    return drill is not None and bool(drill.history.events(LEFT_TO_RESCUE))


def too_long(function: str, undo_of: str | None, timeout_s: Any) -> str:
    """Return why an undo does not fit into the rest of the grace period; empty when it does.

    A move back is assumed to last up to twice as long as the step that it undoes; when that step did not end, as long
    as its own ``timeout_s``.
    """
    drill, left = current(), left_s()
    if drill is None or left is None or function not in LONG:
        return ""
    took = [row.get("duration_s") for row in drill.history.events("activity-ended") if _succeeded(row, undo_of)]
    needed_s = 2 * float(took[-1]) if took and took[-1] is not None else float(timeout_s or math.inf)
    if needed_s <= left:
        return ""
    return (
        f"it was not begun: it may take {needed_s:.0f} s, and this process is killed before that (by {VARIABLE} the "
        f"rollbacks have {left:.0f} s left): `chaosdrill rescue --when-stale` undoes {undo_of or 'what is owed'}"
    )


def _succeeded(row: Any, step: str | None) -> bool:
    return bool(row.get("activity") == step and row.get("status") == "succeeded" and row.get("phase") != "rollbacks")
