"""Anything as JSON values, with secrets left out: what an activity returns can be anything."""

import base64
import math
from collections.abc import Iterable, Mapping
from typing import Any

from chaosdrill.history.secrets import SHORTEST_SECRET, known_secrets
from chaosdrill.secret_text import HIDDEN, hide_secrets_in, names_a_secret

DEEPEST = 40


def plain(value: Any, hide: Iterable[str] = ()) -> Any:
    """A value made of dict with text keys, list, text, number, bool and None only.

    :param value: anything, circular structures too.
    :param hide: texts that must not stand in the result; they become ``***``, and so does every text that
        ``keep_secret`` was told.
    :returns: the value, with bytes as text, sets as sorted lists, not-a-number as text, and everything else as its
        ``str()``; what stands under a key that names a secret becomes ``***``, and so does what a text itself shows to
        be one (:func:`chaosdrill.secret_text.hide_secrets_in`).
    """
    secrets = {text for text in hide if len(text) >= SHORTEST_SECRET} | known_secrets()
    return _plain(value, tuple(sorted(secrets, key=len, reverse=True)), 0)


def _plain(value: Any, hide: tuple[str, ...], depth: int) -> Any:
    if depth > DEEPEST:
        return "…"
    if value is None or isinstance(value, (bool, int, float)):
        return _plain_number(value, hide)
    if isinstance(value, (bytes, bytearray)):
        return _without(_decoded(bytes(value)), hide)
    if isinstance(value, Mapping):
        return {_without(str(key), hide): _hidden_or_plain(str(key), item, hide, depth) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item, hide, depth + 1) for item in value), key=str)
    if isinstance(value, (list, tuple)):
        return [_plain(item, hide, depth + 1) for item in value]
    return _without(str(value), hide)


def _plain_number(value: float | None, hide: tuple[str, ...]) -> Any:
    if str(value) in hide:
        return HIDDEN
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _hidden_or_plain(key: str, value: Any, hide: tuple[str, ...], depth: int) -> Any:
    if names_a_secret(key) and isinstance(value, (str, bytes)) and value:
        return HIDDEN
    return _plain(value, hide, depth + 1)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def _without(text: str, hide: tuple[str, ...]) -> str:
    for secret in hide:
        text = text.replace(secret, HIDDEN)
    return hide_secrets_in(text)
