"""The drill that is open in this process, if any. Opened and closed by the drill control."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.history.log import History


@dataclass(frozen=True)
class OpenDrill:
    """A drill that is going on: its run and the record it writes."""

    run_id: str
    directory: Path
    history: History

    def was_started(self, activity: str) -> bool:
        """:returns: whether this run's history says that the activity of that name was begun (finished or not)."""
        return any(row.get("activity") == activity for row in self.history.events("activity-started"))


_open: OpenDrill | None = None


def current() -> OpenDrill | None:
    """:returns: the drill that is open in this process, or None."""
    return _open


def record(event: str, **facts: Any) -> None:
    """Append an event to the open drill's history (see :meth:`History.append`); outside a drill there is none."""
    if _open is not None:
        _open.history.append(event, **facts)


@contextmanager
def opened(drill: OpenDrill) -> Iterator[OpenDrill]:
    """Make ``drill`` the open one for the length of the block (the drill control enters and leaves it by hand)."""
    global _open
    if _open is not None:
        raise RuntimeError(f"drill {_open.run_id} is open already")
    _open = drill
    try:
        yield drill
    finally:
        _open = None
