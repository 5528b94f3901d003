"""Terminal output of comparisons: lines and tables, safe for untrusted text, as wide as the terminal."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from chaosdrill.cli.text import one_line

WIDTH_IN_FILES = 160
SHORT = 60


class Screen:
    """Standard output; in a file or a pipe its lines have 160 characters."""

    def __init__(self) -> None:
        from rich.console import Console

        console = Console()
        self._console = console if console.is_terminal else Console(width=WIDTH_IN_FILES)

    @property
    def width(self) -> int:
        """Width in characters."""
        return self._console.width

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self._console.print(one_line(text), style=style or None, highlight=False, markup=False)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print a table; without rows, print nothing."""
        from rich.table import Table
        from rich.text import Text

        found = list(rows)
        if not found:
            return
        table = Table()
        for heading in headings:
            table.add_column(Text(one_line(heading)), overflow="fold")
        for row in found:
            table.add_row(*(cell if isinstance(cell, Text) else Text(one_line(short(cell))) for cell in row))
        self._console.print(table)


def short(value: Any, longest: int = 0) -> str:
    """Return a text unchanged; any other value as JSON, truncated to 60 characters; all truncated to ``longest`` if
    given.
    """
    if not isinstance(value, str):
        value, longest = json.dumps(value, default=str), longest or SHORT
    return value if not longest or len(value) <= longest else f"{value[: longest - 1]}…"


def say_json(value: Any) -> None:
    """Print a value as JSON that every parser accepts: numbers that JSON cannot represent are text."""
    import click

    from chaosdrill.history import to_json_safe

    click.echo(json.dumps(to_json_safe(value), indent=1))
