"""What is recorded of a drill: in memory until there is a run directory, then on disk before anyone acts on it."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.errors import DrillError
from chaosdrill.history import Event, History
from chaosdrill.sentences import Sentence

logger = logging.getLogger("chaostoolkit")


class Record:
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
        :returns: it; whoever opened it closes it.
        """
        self.hide = frozenset(hide)
        self._history = History(path, self.hide)
        return self._history

    @property
    def events(self) -> Sequence[Event]:
        """Everything recorded so far."""
        return self._history.events() if self._history is not None else self._early

    def note(self, event: str, **facts: Any) -> None:
        """Write an event to the history; before there is one, remember it. See :meth:`History.append`.

        What was remembered is written after the history's first event.
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
        """Like :meth:`note`; what the disk does not take is remembered. See :meth:`History.remember`."""
        with self._lock:
            if self._history is None:
                self.note(event, **facts)
            else:
                self._history.remember(event, **facts)

    def go_on_in_memory(self) -> None:
        """From here on a disk that takes nothing more keeps nothing from being undone."""
        if self._history is not None:
            self._history.go_on_in_memory()

    @property
    def unwritten(self) -> str:
        """Why some of the events are in memory only; empty when all are on disk."""
        return self._history.unwritten if self._history is not None else ""

    def note_of_others(self, event: str, **facts: Any) -> None:
        """Like :meth:`note`, for what may happen at any time: after the drill was closed nothing is recorded."""
        with self._lock:
            if not self._ended:
                self.note(event, **facts)

    def end(self) -> None:
        """From here on nothing of others is recorded."""
        with self._lock:
            self._ended = True

    def refused(self, error: Exception) -> None:
        """The drill does not start; ``error`` says why."""
        event = "refused" if isinstance(error, DrillError) else "crashed"
        self.note(event, where="opening", why=in_words(error), codes=codes_in(error))

    def crashed(self, where: str, error: Exception) -> None:
        """chaosdrill itself failed; of an error that nobody expected the log has the traceback."""
        expected = isinstance(error, DrillError) or (isinstance(error, OSError) and error.filename is not None)
        logger.error(f"chaosdrill failed in {where}: {in_words(error)}", exc_info=not expected)
        self.remember("crashed", where=where, why=in_words(error), codes=codes_in(error))


def in_words(error: BaseException) -> str:
    """:returns: an error for people; one that nobody expected with its type."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.strerror}: {error.filename}"
    if not isinstance(error, DrillError):
        return f"{type(error).__name__}: {error}"
    return error.args[0] if error.args and isinstance(error.args[0], Sentence) else str(error)


def codes_in(error: BaseException) -> tuple[str, ...]:
    """:returns: the codes of an error; none when it is not chaosdrill's."""
    return error.codes if isinstance(error, DrillError) else ()
