"""How what happens is shown: a screen that is drawn again and again, plain lines, or JSON lines."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from chaosdrill.watch.progress import Change, Progress
from chaosdrill.watch.screen import lines

if TYPE_CHECKING:
    from rich.console import Console


class Show(Protocol):
    """Is told what happened, and how the drill stands, several times a second."""

    def __call__(self, progress: Progress, changes: Sequence[Change]) -> None:
        """Show it."""


def plain(progress: Progress, changes: Sequence[Change]) -> None:
    """One line a change, on standard output."""
    for change in changes:
        sys.stdout.write(f"{progress.clock(change.at_s)} {change.words}\n")
    sys.stdout.flush()


def as_json(progress: Progress, changes: Sequence[Change]) -> None:
    """One JSON object a change, on standard output."""
    for change in changes:
        standing = {"phase": progress.phase, "region": progress.region, "error_ratio": progress.error_ratio}
        row = {"run": progress.run, "at_s": round(change.at_s, 3), **change.facts, "words": change.words, **standing}
        sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


@contextmanager
def screen(now: Callable[[], float] = time.time) -> Iterator[Show]:
    """A terminal, drawn anew each time; it is left as it was."""
    from rich.console import Console, Group
    from rich.live import Live

    console = Console()

    def show(progress: Progress, changes: Sequence[Change]) -> None:
        console.size = _size()
        live.update(Group(*lines(progress, now(), console.width, console.height - 1)), refresh=True)

    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        yield show


def _size() -> tuple[int, int]:
    """As it is now: ``COLUMNS``, which rich believes, was exported before the terminal was made larger or smaller."""
    try:
        return tuple(os.get_terminal_size(sys.stdout.fileno()))  # type: ignore[return-value]
    except OSError:
        return shutil.get_terminal_size()


def leave_standing(progress: Progress, console: "Console | None" = None) -> None:
    """After the screen: how the drill stood in the end, to stay on the terminal."""
    from rich.console import Console

    console = console or Console()
    for line in lines(progress, progress.ended_s or progress.last_s or 0.0, console.width, 16):
        console.print(line, highlight=False, soft_wrap=True)
