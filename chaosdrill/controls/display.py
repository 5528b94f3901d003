"""What a drill shows while it goes on: one line that is rewritten on a terminal, plain lines elsewhere."""

import logging
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, TextIO

PLAIN_EVERY_S = 5.0
REDRAW_EVERY_S = 0.5
CLEAR = "\r\x1b[2K"


@dataclass
class Status:
    """What is going on, for the display. Written by the drill's threads, read by the display's."""

    phase: str = "starting"
    activity: str = ""
    region: str = "?"
    error_ratio: float | None = None
    scale: float | None = None
    started: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """:returns: one line: seconds, phase, step, region state, error ratio, scale."""
        errors = "no requests" if self.error_ratio is None else f"errors {self.error_ratio:.1%} (5 s)"
        parts = [f"{time.monotonic() - self.started:6.1f} s", self.phase, self.activity, self.region, errors]
        if self.scale is not None and self.scale != 1:
            parts.append(f"scale {self.scale:g}")
        return " | ".join(part for part in parts if part)

    def essence(self) -> tuple[Any, ...]:
        """:returns: what makes a new plain line when it changes."""
        return (self.phase, self.activity, self.region, self.error_ratio is None)


class Display:
    """Shows a status on standard error. Chaos Toolkit's log lines go the same way and stay whole."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._terminal = sys.stderr.isatty()
        self._line = _RewrittenLine(sys.stderr)
        self._lent: list[tuple[logging.StreamHandler[Any], Any]] = []
        self._last: tuple[Any, ...] = ()
        self._last_at = 0.0
        self.every_s = REDRAW_EVERY_S if self._terminal else REDRAW_EVERY_S / 2

    def start(self) -> None:
        """Put the line under the log lines of every handler that writes to this terminal."""
        if self._terminal:
            for handler in logging.getLogger("chaostoolkit").handlers:
                if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
                    self._lent.append((handler, handler.setStream(self._line)))

    def stop(self) -> None:
        """Remove the line and give the handlers their stream back."""
        for handler, stream in self._lent:
            handler.setStream(stream)
        self._lent = []
        if self._terminal:
            self._line.show("")

    def show(self) -> None:
        """Show the status as it is now."""
        if self._terminal:
            self._line.show(self._status.line())
        elif self._due():
            self._line.put(f"chaosdrill {self._status.line()}\n")

    def _due(self) -> bool:
        essence, now = self._status.essence(), time.monotonic()
        if essence == self._last and now - self._last_at < PLAIN_EVERY_S:
            return False
        self._last, self._last_at = essence, now
        return True


class _RewrittenLine:
    """A text stream with one line at its end that is taken away before a text and put back after it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._shown = ""
        self._gone = False  # the terminal was closed: the drill goes on, and its history has everything

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
        width = shutil.get_terminal_size().columns
        with self._lock:
            self._shown = line[: max(0, width - 1)]
            self.put(CLEAR + self._shown)

    def write(self, text: str) -> int:
        with self._lock:
            self.put(CLEAR + text + (self._shown if text.endswith("\n") else ""))
            return len(text)

    def flush(self) -> None:
        """Every text is flushed as it is put."""

    def isatty(self) -> bool:
        return self._stream.isatty()
