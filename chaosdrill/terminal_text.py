"""Safe output of untrusted text on a terminal, and terminals that cannot show every character."""

import codecs
import io
import sys
from typing import Final

REPLACE: Final = "chaosdrill-replace"  # the error handler of an encoding, such as ASCII, that lacks a character
_IN_ASCII: Final = {
    "±": "+/-",
    "×": "x",
    "→": "->",
    "…": "...",
    "\u2013": "-",
    "\u2014": "-",
    "✓": "ok",
    "✗": "x",
    "█": "#",
    "■": "#",
    "▇": "#",
    "\u201c": '"',
    "\u201d": '"',
    "\u2019": "'",
}


def one_line(text: str) -> str:
    """Escape every character that is not printable: a terminal interprets some of them as commands."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def keep_streams_writable() -> None:
    """Make standard output and error replace characters that their encoding lacks by ASCII, such as ``+/-`` for ``±``.

    Without it, one ``±`` on a terminal with ``PYTHONIOENCODING=ascii`` ends the program with a UnicodeEncodeError.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != REPLACE:
            stream.reconfigure(errors=REPLACE)


def _replacement(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    shown = (_IN_ASCII.get(one) or one.encode("ascii", "backslashreplace").decode() for one in found)
    return "".join(shown), error.end


codecs.register_error(REPLACE, _replacement)
