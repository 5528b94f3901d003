"""The drill that is open in this process, if any. Opened and closed by the drill control."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaosdrill.history.log import Event, History
from chaosdrill.history.owed import UNDO
from chaosdrill.history.publishing import PublishedUndos

TARGET_LOST = "target-lost"
OUTSIDE = "standalone"  # stands for the run where there is none
STEADY_STATE_AFTER = "steady-state-after-method"
_NOTHING_TOUCHED = ("BadInput", "Refused")  # errors that are raised before anything is changed


@dataclass(frozen=True)
class OpenDrill:
    """A drill that is going on: its run, the history it writes, and what it owes.

    ``undos`` publishes what it owes; nothing is published until it is given a publisher
    (:meth:`PublishedUndos.publish_with`).
    """

    run_id: str
    directory: Path
    history: History
    undos: PublishedUndos = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "undos", PublishedUndos(self.history))

    def may_have_done(self, step: str) -> bool:
        """Whether there may be something to undo of the step of that name.

        :returns: true when this run began it before the rollbacks, unless it ended saying that it changed nothing
            (``done: false``, or refused).
        """
        begun = [row for row in self.history.events("activity-started") if _is_step(row, step)]
        idle = [row for row in self.history.events("activity-ended") if _is_step(row, step) and _changed_nothing(row)]
        return len(begun) > len(idle)

    def steady_after(self) -> bool | None:
        """:returns: whether the steady state held after the method; None when that was not seen."""
        checks = self.history.events(STEADY_STATE_AFTER)
        return bool(checks[-1]["met"]) if checks else None


def _is_step(row: Event, step: str) -> bool:
    return row.get("activity") == step and row.get("phase") != "rollbacks"  # a rollback may bear the name of its step


def _changed_nothing(row: Event) -> bool:
    output = row.get("output")
    return row.get("error_kind") in _NOTHING_TOUCHED or (isinstance(output, Mapping) and output.get("done") is False)


_open: OpenDrill | None = None


def current() -> OpenDrill | None:
    """:returns: the drill that is open in this process, or None."""
    return _open


def run_id() -> str:
    """:returns: the open drill's run; outside of one a word that stands for nobody's in particular."""
    return OUTSIDE if _open is None else _open.run_id


def step() -> str:
    """Return the name of the step whose change this thread makes; empty where it makes none that is owed."""
    number = None if _open is None else _open.undos.number
    if _open is None or number is None:
        return ""
    begun = [row for row in _open.history.events("activity-started") if row.get("number") == number]
    return str(begun[-1].get("activity")) if begun else ""


def record(event: str, **facts: Any) -> None:
    """Append an event to the open drill's history (see :meth:`History.append`); outside a drill there is none.

    An ``undo`` (what an action records before its change) gets the number of its change, and is published.

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
    """:returns: whether a signal came to the open drill: somebody wants it to end, so nothing waits for polish."""
    return _open is not None and bool(_open.history.events("interrupted"))


def has_begun_steps() -> bool:
    """Tell whether the open drill has begun a step: from then on it may have changed something."""
    return _open is not None and bool(_open.history.events("activity-started"))


def rolling_back() -> bool:
    """Tell whether the open drill has come to its rollbacks: what changes from then on reverses what it did."""
    phases = _open.history.events("phase") if _open is not None else []
    return bool(phases) and phases[-1].get("phase") in ("rollbacks", "closing")


def hurried() -> bool:
    """:returns: whether the open drill was interrupted, and its target waits no longer than it must: all shall end."""
    return _open is not None and bool(_open.history.events("target-hurried"))


def target_lost() -> str:
    """:returns: why the open drill's target is there no more, so that nobody waits for it; empty while it is."""
    lost = _open.history.events(TARGET_LOST) if _open is not None else []
    return str(lost[-1]["why"]) if lost else ""


@contextmanager
def opened(drill: OpenDrill) -> Iterator[OpenDrill]:
    """Make ``drill`` the open one for the length of the block (the drill control enters and leaves it by hand).

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
