"""The drill that is open in this process, if any. Opened and closed by the drill control."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.history.log import Event, History

TARGET_LOST = "target-lost"
OUTSIDE = "standalone"  # stands for the run where there is none
STEADY_STATE_AFTER = "steady-state-after-method"
_NOTHING_TOUCHED = ("BadInput", "Refused")  # errors that are raised before anything is changed


@dataclass(frozen=True)
class OpenDrill:
    """A drill that is going on: its run and the history it writes."""

    run_id: str
    directory: Path
    history: History

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


def record(event: str, **facts: Any) -> None:
    """Append an event to the open drill's history (see :meth:`History.append`); outside a drill there is none."""
    if _open is not None:
        _open.history.append(event, **facts)


def interrupted() -> bool:
    """:returns: whether a signal came to the open drill: somebody wants it to end, so nothing waits for polish."""
    return _open is not None and bool(_open.history.events("interrupted"))


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
