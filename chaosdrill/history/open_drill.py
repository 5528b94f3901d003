"""The drill that is open in this process, if any. The drill control opens and closes it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaosdrill.history.log import Event, History
from chaosdrill.history.owed_undos import UNDO
from chaosdrill.history.publication import PublishedUndos

TARGET_LOST = "target-lost"
OUTSIDE = "standalone"  # used as the run id outside a drill
STEADY_STATE_AFTER = "steady-state-after-method"
_NOTHING_TOUCHED = ("BadInput", "Refused")  # errors that are raised before anything is changed


@dataclass(frozen=True)
class OpenDrill:
    """A drill in progress: its run, the history that it writes, and what it owes.

    ``undos`` publishes what it owes; nothing is published before it has a publisher
    (:meth:`PublishedUndos.publish_with`).
    """

    run_id: str
    directory: Path
    history: History
    undos: PublishedUndos = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "undos", PublishedUndos(self.history))

    def may_have_done(self, step: str) -> bool:
        """Return whether the step of that name may have to be undone.

        :returns: true when this run began it before the rollbacks, unless its end recorded that it changed nothing
            (``done: false``, or refused).
        """
        begun = [row for row in self.history.events("activity-started") if _is_step(row, step)]
        idle = [row for row in self.history.events("activity-ended") if _is_step(row, step) and _changed_nothing(row)]
        return len(begun) > len(idle)

    def steady_after(self) -> bool | None:
        """Return whether the steady state held after the method; None when it was not observed."""
        checks = self.history.events(STEADY_STATE_AFTER)
        return bool(checks[-1]["met"]) if checks else None


def _is_step(row: Event, step: str) -> bool:
    return row.get("activity") == step and row.get("phase") != "rollbacks"  # a rollback may have the name of its step


def _changed_nothing(row: Event) -> bool:
    output = row.get("output")
    return row.get("error_kind") in _NOTHING_TOUCHED or (isinstance(output, Mapping) and output.get("done") is False)


_open: OpenDrill | None = None


def current() -> OpenDrill | None:
    """Return the drill that is open in this process, or None."""
    return _open


def run_id() -> str:
    """Return the open drill's run id; outside a drill a fixed word."""
    return OUTSIDE if _open is None else _open.run_id


def step() -> str:
    """Return the name of the step whose change this thread makes; empty when it makes no change that is owed."""
    number = None if _open is None else _open.undos.number
    if _open is None or number is None:
        return ""
    begun = [row for row in _open.history.events("activity-started") if row.get("number") == number]
    return str(begun[-1].get("activity")) if begun else ""


def record(event: str, **facts: Any) -> None:
    """Append an event to the open drill's history (see :meth:`History.append`); outside a drill do nothing.

    An ``undo`` (the state that an action records before its change) gets the number of its change, and is published.

    :raises Refused: when that undo could not be published (see :meth:`PublishedUndos.record`).
    """
    if _open is None:
        return
    if event != UNDO:
        _open.history.append(event, **facts)
        return
    number = _open.undos.number
    _open.history.append(event, **facts, **({} if number is None else {"number": number}))
    _open.undos.record()


def interrupted() -> bool:
    """Return whether the open drill received a signal: a person wants it to end, so optional waits are skipped."""
    return _open is not None and bool(_open.history.events("interrupted"))


def has_begun_steps() -> bool:
    """Return whether the open drill has begun a step: from then on it may have changed something."""
    return _open is not None and bool(_open.history.events("activity-started"))


def rolling_back() -> bool:
    """Return whether the open drill has come to its rollbacks: changes from then on reverse earlier ones."""
    phases = _open.history.events("phase") if _open is not None else []
    return bool(phases) and phases[-1].get("phase") in ("rollbacks", "closing")


def hurried() -> bool:
    """Return whether the open drill was interrupted and its target now skips all waits that it can."""
    return _open is not None and bool(_open.history.events("target-hurried"))


def target_lost() -> str:
    """Return why the open drill's target no longer exists, so that nothing waits for it; empty while it exists."""
    lost = _open.history.events(TARGET_LOST) if _open is not None else []
    return str(lost[-1]["why"]) if lost else ""


@contextmanager
def opened(drill: OpenDrill) -> Iterator[OpenDrill]:
    """Make ``drill`` the open one during the block (the drill control enters and exits it by hand).

    :raises RuntimeError: when another one is open.
    """
    global _open
    if _open is not None:
        raise RuntimeError(f"drill {_open.run_id} is open already")
    _open = drill
    try:
        yield drill
    finally:
        _open = None
