"""Sanitizing of untrusted text for a page: no invisible characters, cursor movements or changes of text direction."""

import html
import json
import unicodedata
from typing import Any

_KEPT = "\n\t"
# control, format (bidirectional marks among them), surrogate, private, line and paragraph separators
_WRITTEN_OUT = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def escape_invisible(text: str) -> str:
    """Return a text with every invisible character escaped, such as ``\\x1b``; line ends stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written_out(one) if unicodedata.category(one) in _WRITTEN_OUT else one for one in text)


def _written_out(one: str) -> str:
    return one if one in _KEPT else one.encode("unicode_escape").decode()


def in_figure(text: str, most: int = 200) -> str:
    """Return a text as a one-line label of a figure, escaped because Plotly interprets ``<b>``, ``<a>`` and ``&lt;``.

    :param most: the greatest length; longer labels are truncated.
    """
    line = " ".join(escape_invisible(text).split())
    return html.escape(line if len(line) <= most else f"{line[: most - 1]}…", quote=False)


def as_json(value: Any) -> str:
    """Return an argument or output of an activity for display: text unchanged, everything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)


def on_one_line(value: Any, most: int = 160) -> str:
    """Return a value for display on one line, truncated if it is longer than ``most``."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else f"{text[: most - 1]}…"
