"""The record of a drill: in memory until there is a run directory, then on disk before it is acted on."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.errors import DrillError
from chaosdrill.history import Event, History
from chaosdrill.messages import Sentence

logger = logging.getLogger("chaostoolkit")


class DrillRecord:
    """The drill's events, from its first moment on. ``hide``: texts that are never written (secrets)."""

    def __init__(self) -> None:
        self.hide: frozenset[str] = frozenset()
        self._lock = threading.RLock()
        self._early: list[Event] = []
        self._history: History | None = None
        self._ended = False

    def open(self, path: Path, hide: Iterable[str]) -> History:
        """Begin the history.

        :param path: its file.
        :param hide: texts that are never written.
        :returns: the history; the caller closes it.
        """
        self.hide = frozenset(hide)
        self._history = History(path, self.hide)
        return self._history

    @property
    def events(self) -> Sequence[Event]:
        """Everything recorded so far."""
        return self._history.events() if self._history is not None else self._early

    def note(self, event: str, **facts: Any) -> None:
        """Write an event to the history; before it exists, keep the event in memory. See :meth:`History.append`.

        Events from memory are written after the history's first event.
        """
        with self._lock:
            if self._history is None:
                self._early.append({"event": event, "monotonic_s": time.monotonic(), **facts})
                return
            self._history.append(event, **facts)
            self._ended |= event == "drill-closed"
            early, self._early = self._early, []
            for row in early:
                self._history.append(
                    row["event"], **{key: row[key] for key in row if key not in ("event", "monotonic_s")}
                )

    def remember(self, event: str, **facts: Any) -> None:
        """Like :meth:`note`, but keep an event in memory that cannot be written. See :meth:`History.remember`."""
        with self._lock:
            if self._history is None:
                self.note(event, **facts)
            else:
                self._history.remember(event, **facts)

    def go_on_in_memory(self) -> None:
        """Keep later events in memory if they cannot be written: a full disk must not prevent an undo."""
        if self._history is not None:
            self._history.go_on_in_memory()

    @property
    def unwritten(self) -> str:
        """Why some of the events are in memory only; empty when all are on disk."""
        return self._history.unwritten if self._history is not None else ""

    def note_of_others(self, event: str, **facts: Any) -> None:
        """Like :meth:`note`, for events that can come at any time: after the drill was closed nothing is recorded."""
        with self._lock:
            if not self._ended:
                self.note(event, **facts)

    def end(self) -> None:
        """Stop recording the events of :meth:`note_of_others`."""
        with self._lock:
            self._ended = True

    def refused(self, error: Exception) -> None:
        """Record that the drill does not start, with the reason."""
        event = "refused" if isinstance(error, DrillError) else "crashed"
        self.note(event, where="opening", why=in_words(error), codes=codes_in(error))

    def crashed(self, where: str, error: Exception) -> None:
        """Record that chaosdrill itself failed; the log has the traceback of an unexpected error."""
        expected = isinstance(error, DrillError) or (isinstance(error, OSError) and error.filename is not None)
        logger.error(f"chaosdrill failed in {where}: {in_words(error)}", exc_info=not expected)
        self.remember("crashed", where=where, why=in_words(error), codes=codes_in(error))


def in_words(error: BaseException) -> str:
    """Return an error as a message; an unexpected one with its type."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.strerror}: {error.filename}"
    if not isinstance(error, DrillError):
        return f"{type(error).__name__}: {error}"
    return error.args[0] if error.args and isinstance(error.args[0], Sentence) else str(error)


def codes_in(error: BaseException) -> tuple[str, ...]:
    """Return the codes of an error; none when it is not chaosdrill's."""
    return error.codes if isinstance(error, DrillError) else ()
