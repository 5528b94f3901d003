"""Executions as this process knows them, beyond what DescribeExecution and ListExecutions show so far.

Both are eventually consistent: an execution that was just started may be missing, and one that has ended may still be
shown as RUNNING. A fact stays true once observed, unless the execution was redriven.

:source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
"""

import threading
import time
from collections.abc import Iterable

CONSISTENT_WITHIN_S = 10.0  # AWS documents no bound; delays of seconds were observed
_lock = threading.Lock()
_started_s: dict[str, float] = {}  # execution -> when it was last known to run, on the monotonic clock
_ended: set[tuple[str, int]] = set()  # execution, and how often it had been redriven by then


def note_running(arn: str) -> None:
    """Remember that an execution runs now."""
    with _lock:
        _started_s[arn] = time.monotonic()


def note_ended(arn: str, redriven: int = 0) -> None:
    """Remember that an execution has ended.

    :param redriven: how often it had been redriven.
    """
    with _lock:
        _ended.add((arn, redriven))
        _started_s.pop(arn, None)


def has_ended(arn: str, redriven: int = 0) -> bool:
    """Return whether an execution is known to have ended, even if a later response shows it running."""
    with _lock:
        return (arn, redriven) in _ended


def recent(machine: str, within_s: float) -> list[str]:
    """Return the executions of a state machine that were known to run within the last seconds, latest first."""
    begin, since_s = machine.replace(":stateMachine:", ":execution:") + ":", time.monotonic() - within_s
    with _lock:
        known = [(seen_s, arn) for arn, seen_s in _started_s.items() if arn.startswith(begin) and seen_s >= since_s]
    return [arn for _, arn in sorted(known, reverse=True)]


def still_running(listed: Iterable[tuple[str, int]], machine: str, within_s: float) -> list[str]:
    """Correct a list of running executions.

    :param listed: the ARN of each, and how often it was redriven.
    :param machine: the state machine that was listed.
    :param within_s: how long a running execution may be missing from a list, in seconds.
    :returns: those that are not known to have ended, and those that are known to run and are not listed yet.
    """
    shown = [arn for arn, redriven in listed if not has_ended(arn, redriven)]
    return [*shown, *(arn for arn in recent(machine, within_s) if arn not in shown)]
