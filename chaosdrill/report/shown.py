"""Text of others on a page: nothing that is invisible, moves the cursor, or turns the direction of reading."""

import html
import json
import unicodedata
from typing import Any

_KEPT = "\n\t"
# control, format (bidirectional marks among them), surrogate, private, line and paragraph separators
_WRITTEN_OUT = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def shown(text: str) -> str:
    """:returns: it with every character that cannot be seen written out, such as ``\\x1b``; line ends stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written_out(one) if unicodedata.category(one) in _WRITTEN_OUT else one for one in text)


def _written_out(one: str) -> str:
    return one if one in _KEPT else one.encode("unicode_escape").decode()


def in_figure(text: str, most: int = 200) -> str:
    """:returns: it as a label of a figure, on one line: Plotly takes ``<b>``, ``<a>`` and ``&lt;`` for markup.

    :param most: longer ones are cut.
    """
    line = " ".join(shown(text).split())
    return html.escape(line if len(line) <= most else f"{line[: most - 1]}…", quote=False)


def as_json(value: Any) -> str:
    """:returns: what an activity took or gave, for people: text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)


def on_one_line(value: Any, most: int = 160) -> str:
    """:returns: the same on one line; longer ones are cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else f"{text[: most - 1]}…"
