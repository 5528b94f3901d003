"""Conversion of any value to JSON values without secrets: an activity may return anything."""

import base64
import math
from collections.abc import Iterable, Mapping
from typing import Any

from chaosdrill.history.secrets import SHORTEST_SECRET, known_secrets
from chaosdrill.secret_text import HIDDEN, hide_secrets_in, names_a_secret

DEEPEST = 40
MOST_VALUES = 1_000_000
MOST_BITS = 1_024


def to_json_safe(value: Any, hide: Iterable[str] = ()) -> Any:
    """Convert a value to dicts with text keys, lists, texts, numbers, bools and None.

    :param value: anything, also circular structures.
    :param hide: texts that must not be in the result; they become ``***``, and so does every text registered with
        ``keep_secret``.
    :returns: the value, with bytes as text, sets as sorted lists, not-a-number as text, and everything else as its
        ``str()``. The value of a key that names a secret becomes ``***``, and so does a secret that a text reveals by
        its form (:func:`chaosdrill.secret_text.hide_secrets_in`). Values that are nested more than 40 deep, and those
        after the first million, become ``…``.
    """
    secrets = {text for text in hide if len(text) >= SHORTEST_SECRET} | known_secrets()
    return _Plain(tuple(sorted(secrets, key=len, reverse=True))).plain(value, 0)


class _Plain:
    """One conversion.

    :param hide: texts that must not be in the result, the longest first.
    """

    def __init__(self, hide: tuple[str, ...]) -> None:
        self._hide = hide
        self._left = MOST_VALUES  # a list that contains itself twice has two to the power of 40 values in 40 levels

    def plain(self, value: Any, depth: int) -> Any:
        """Convert a nested value."""
        self._left -= 1
        if depth > DEEPEST or self._left < 0:
            return "…"
        if value is None or isinstance(value, (bool, int, float)):
            return self._number(value)
        if isinstance(value, (bytes, bytearray)):
            return self._without(_decoded(bytes(value)))
        if isinstance(value, Mapping):
            items = ((_text(key), item) for key, item in value.items())
            return {self._without(key): self._hidden_or_plain(key, item, depth) for key, item in items}
        if isinstance(value, (set, frozenset)):
            return sorted((self.plain(item, depth + 1) for item in value), key=str)
        if isinstance(value, (list, tuple)):
            return [self.plain(item, depth + 1) for item in value]
        return self._without(_text(value))

    def _number(self, value: float | None) -> Any:
        text = _text(value)
        if text in self._hide:
            return HIDDEN
        strange = isinstance(value, float) and not math.isfinite(value)
        return text if strange or _is_huge(value) else value

    def _hidden_or_plain(self, key: str, value: Any, depth: int) -> Any:
        if names_a_secret(key) and isinstance(value, (str, bytes)) and value:
            return HIDDEN
        return self.plain(value, depth + 1)

    def _without(self, text: str) -> str:
        for secret in self._hide:
            text = text.replace(secret, HIDDEN)
        return hide_secrets_in(text)


def _is_huge(value: Any) -> bool:
    """Return whether a whole number is too large to store: Python reads and writes at most 4,300 digits, other
    programs far fewer.
    """
    return isinstance(value, int) and value.bit_length() > MOST_BITS


def _text(value: Any) -> str:
    if _is_huge(value):
        return f"a whole number of {value.bit_length()} bits"
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - raised by the code of the value's author
        return f"{type(value).__name__} without a text ({type(error).__name__})"


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()
