"""Output of a drill's progress: a screen that is redrawn, plain lines, or JSON Lines."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from chaosdrill.watch.progress import DrillProgress, ProgressEvent
from chaosdrill.watch.screen import lines

if TYPE_CHECKING:
    from rich.console import Console


class Show(Protocol):
    """An output of the progress, called several times a second."""

    def __call__(self, progress: DrillProgress, changes: Sequence[ProgressEvent]) -> None:
        """Output the changes, and the progress."""


def plain(progress: DrillProgress, changes: Sequence[ProgressEvent]) -> None:
    """Write one line for each change to standard output."""
    for change in changes:
        sys.stdout.write(f"{progress.clock(change.at_s)} {change.words}\n")
    sys.stdout.flush()


def as_json(progress: DrillProgress, changes: Sequence[ProgressEvent]) -> None:
    """Write one JSON object for each change to standard output."""
    for change in changes:
        standing = {"phase": progress.phase, "region": progress.region, "error_ratio": progress.error_ratio}
        row = {"run": progress.run, "at_s": round(change.at_s, 3), **change.facts, "words": change.words, **standing}
        sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


@contextmanager
def screen(now: Callable[[], float] = time.time) -> Iterator[Show]:
    """Yield an output that redraws the terminal's alternate screen; the terminal is restored at the end."""
    from rich.console import Console, Group
    from rich.live import Live

    console = Console()

    def show(progress: DrillProgress, changes: Sequence[ProgressEvent]) -> None:
        console.size = _size()
        live.update(Group(*lines(progress, now(), console.width, console.height - 1)), refresh=True)

    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        yield show


def _size() -> tuple[int, int]:
    """Return the current size: ``COLUMNS``, which rich prefers, is outdated when the terminal was resized."""
    try:
        return tuple(os.get_terminal_size(sys.stdout.fileno()))  # type: ignore[return-value]
    except OSError:
        return shutil.get_terminal_size()


def leave_standing(progress: DrillProgress, console: "Console | None" = None) -> None:
    """Print the final state of the drill after the screen, so that it stays on the terminal."""
    from rich.console import Console

    console = console or Console()
    for line in lines(progress, progress.ended_s or progress.last_s or 0.0, console.width, 16):
        console.print(line, highlight=False, soft_wrap=True)
