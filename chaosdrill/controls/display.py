"""The display of a drill in progress: one line that is rewritten on a terminal, plain lines elsewhere."""

import logging
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

from chaosdrill.controls.progress import RemainingTime

PLAIN_EVERY_S = 5.0
REDRAW_EVERY_S = 0.5
SHORTEST_NAME = 8  # characters of a step's name
MOST_WANTED = 4  # parts of the line that are always shown: seconds, step, outage or time left, region
CLEAR = "\r\x1b[2K"
# the class in chaoslib.log, by name: importing the module gives a deprecation warning
CHAOSLIB_FORMATTER = "LogFormatter"
COLOUR, COLOUR_OFF = re.compile(r"\x1b\[\d+m"), "\x1b[39m"


class _WithoutColours(logging.Formatter):
    """Chaos Toolkit's log format without its colours."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        return COLOUR.sub("", self._formatter.format(record))


def take_colours_out_of_logs() -> None:
    """Remove colours from Chaos Toolkit's log if standard error is no terminal: it begins them there and does not end
    them.

    The colour of the lines before is ended.
    """
    if sys.stderr.isatty():
        return
    for handler in logging.getLogger("chaostoolkit").handlers:
        if isinstance(handler, logging.StreamHandler) and type(handler.formatter).__name__ == CHAOSLIB_FORMATTER:
            handler.setFormatter(_WithoutColours(handler.formatter or logging.Formatter()))
            handler.stream.write(COLOUR_OFF)


@dataclass
class Status:
    """The state of the drill for the display. The drill's threads write it, the display's thread reads it.

    :ivar step: number of the present step, from 1 on; 0 before the first.
    :ivar steps: number of planned steps.
    :ivar outage_s: how long the present outage has lasted at the newest beat; None while clients are served.
    :ivar left: estimated remaining time of the drill; None when that is not known.
    :ivar is_asking: whether a question to a person is open on the terminal.
    """

    phase: str = "starting"
    activity: str = ""
    region: str = "?"
    error_ratio: float | None = None
    scale: float | None = None
    started: float = field(default_factory=time.monotonic)
    step: int = 0
    steps: int = 0
    outage_s: float | None = None
    left: RemainingTime | None = None
    is_asking: bool = False

    @contextmanager
    def asking(self) -> Iterator[None]:
        """During the block a question is open on the terminal, so the line is not rewritten over the answer."""
        self.is_asking = True
        try:
            yield
        finally:
            self.is_asking = False

    def line(self, width: int = 200) -> str:
        """Return the state of the drill as one line: seconds, step n of m, outage, time left, region state, errors.

        :param width: available characters: the last parts are left out first, then the step's name is shortened.
        """
        parts = [part for part in self._parts(self.activity) if part]
        while len(parts) > MOST_WANTED and len(" | ".join(parts)) > width:
            parts.pop()
        over = len(" | ".join(parts)) - width
        if over > 0 and len(self.activity) > SHORTEST_NAME:
            name = f"{self.activity[: max(SHORTEST_NAME, len(self.activity) - over) - 1]}…"
            parts = [part for part in self._parts(name) if part][: len(parts)]
        return " | ".join(parts)[:width]

    def _parts(self, activity: str) -> Iterator[str]:
        yield f"{time.monotonic() - self.started:4.0f} s"
        step = f"step {self.step} of {self.steps}" if self.step and activity else self.phase
        yield f"{step}: {activity}" if activity else step
        yield "" if self.outage_s is None else f"OUTAGE {self.outage_s:.0f} s"
        yield "" if self.left is None else self.left.in_words()
        yield self.region
        yield "no requests" if self.error_ratio is None else f"errors {self.error_ratio:.1%}"
        yield "" if self.scale in (None, 1) else f"lab, waits × {self.scale:g}"

    def essence(self) -> tuple[Any, ...]:
        """Return the values whose change starts a new plain line."""
        return (self.phase, self.activity, self.region, self.error_ratio is None, self.outage_s is None)


class Display:
    """Shows a status on standard error. Chaos Toolkit's log lines use the same stream and stay complete."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._terminal = sys.stderr.isatty()
        self._line = _RewrittenLine(sys.stderr)
        self._lent: list[tuple[logging.StreamHandler[Any], Any]] = []
        self._last: tuple[Any, ...] = ()
        self._last_at = 0.0
        self.every_s = REDRAW_EVERY_S if self._terminal else REDRAW_EVERY_S / 2

    def start(self) -> None:
        """Show the line below the log lines of every handler that writes to this terminal."""
        if self._terminal:
            for handler in logging.getLogger("chaostoolkit").handlers:
                if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
                    self._lent.append((handler, handler.setStream(self._line)))

    def stop(self) -> None:
        """Remove the line and return the handlers' own stream to them."""
        for handler, stream in self._lent:
            handler.setStream(stream)
        self._lent = []
        if self._terminal:
            self._line.show("")

    def show(self) -> None:
        """Show the present status."""
        if self._terminal and self._status.is_asking:
            self._line.hide()
        elif self._terminal:
            self._line.show(self._status.line(max(1, shutil.get_terminal_size().columns - 1)))
        elif self._due():
            self._line.put(f"chaosdrill {self._status.line()}\n")

    def _due(self) -> bool:
        essence, now = self._status.essence(), time.monotonic()
        if essence == self._last and now - self._last_at < PLAIN_EVERY_S:
            return False
        self._last, self._last_at = essence, now
        return True


class _RewrittenLine:
    """A text stream with one line at its end, which is removed before a text and shown again after it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._shown = ""
        self._gone = False  # the terminal was closed; the drill continues, and its history is complete

    def put(self, text: str) -> None:
        with self._lock:
            if self._gone:
                return
            try:
                self._stream.write(text)
                self._stream.flush()
            except OSError:
                self._gone = True

    def show(self, line: str) -> None:
        with self._lock:
            self._shown = line
            self.put(CLEAR + self._shown)

    def hide(self) -> None:
        """Remove the line, once: text that is typed then stays on the terminal."""
        with self._lock:
            if self._shown:
                self.show("")

    def write(self, text: str) -> int:
        with self._lock:
            self.put(CLEAR + text + (self._shown if text.endswith("\n") else ""))
            return len(text)

    def flush(self) -> None:
        """Do nothing: every text is flushed when it is written."""

    def isatty(self) -> bool:
        return self._stream.isatty()
