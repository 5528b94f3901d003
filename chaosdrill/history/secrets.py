"""Texts that must never be written down, whoever learns of them first: keys, tokens, passwords."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from chaosdrill.history.whole_files import draft_of
from chaosdrill.secret_text import HIDDEN, forms_of, hide_secrets_in, is_about_a_secret, names_a_secret, secrets_in

SHORTEST_SECRET = 4  # hiding "a" would blot out every text
SHORTEST_NUMBER = 6  # digits of a number that stands under a name of a secret
_PLAIN_WORDS = frozenset({"basic", "bearer", "false", "none", "null", "true"})
_NAMES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_known: frozenset[str] = frozenset()


def keep_secret(*texts: str | None) -> None:
    """From now on these texts are written nowhere: not in the history, the journal, the log or on the screen."""
    global _known
    new = {text for text in texts if text and len(text) >= SHORTEST_SECRET}
    if not new <= _known:
        _known |= new


def known_secrets() -> frozenset[str]:
    """:returns: every text that is kept secret."""
    return _known


def secret_texts(secrets: Any) -> set[str]:
    """:returns: every text in Chaos Toolkit's ``secrets``, however deep."""
    if isinstance(secrets, Mapping):
        return {text for value in secrets.values() for text in secret_texts(value)}
    if isinstance(secrets, (list, tuple, set)):
        return {text for value in secrets for text in secret_texts(value)}
    return {str(secrets)} if secrets is not None and not isinstance(secrets, bool) else set()


def secrets_within(value: Any) -> set[str]:
    """:returns: every secret in JSON values, however deep: what stands under a name of a secret, and what texts
    themselves show to be one, such as the password and the signature in a URL.
    """
    if isinstance(value, Mapping):
        named = (one for name, one in value.items() if _holds_a_secret(str(name), one))
        texts = {text for one in named for text in values_of_secret(one) if not _is_a_plain_word(text)}
        return texts.union(*map(secrets_within, value.values()))
    if isinstance(value, (list, tuple, set)):
        return set().union(*map(secrets_within, value))
    return secrets_in(value) if isinstance(value, str) else set()


def _is_a_plain_word(text: str) -> bool:
    """To hide ``3600`` or ``basic`` wherever it stands would spoil a run, and hide nothing."""
    return (text.isdigit() and len(text) < SHORTEST_NUMBER) or text.lower() in _PLAIN_WORDS


def values_of_secret(value: Any) -> set[str]:
    """:returns: the texts that a declared secret, or a mapping of them, has: of one that Chaos Toolkit reads from
    elsewhere its default, and the environment's variable where it is set here.
    """
    if isinstance(value, Mapping):
        if not isinstance(value.get("type"), str):
            return set().union(*map(values_of_secret, value.values()))
        elsewhere = os.environ.get(str(value.get("key"))) if value["type"] == "env" else None
        return secret_texts([value.get("default"), elsewhere])
    if isinstance(value, (list, tuple, set)):
        return set().union(*map(values_of_secret, value))
    return {form for text in secret_texts(value) for form in forms_of(text) if not form.startswith("${")}


def _holds_a_secret(name: str, value: Any) -> bool:
    """``secrets: [bank]`` of an activity lists names."""
    return names_a_secret(name) and not is_about_a_secret(name) and not (name == "secrets" and isinstance(value, list))


def keep_secrets_of_environment() -> None:
    """Keep secret what the environment holds of AWS, and the passwords of proxies."""
    keep_secret(*(os.environ.get(name) for name in _NAMES))
    for name, value in os.environ.items():
        if name.lower().endswith("_proxy") and "@" in value:
            password = urlsplit(value).password
            keep_secret(password, unquote(password or ""))


def without_secrets(text: str, hide: Iterable[str] = ()) -> str:
    """:returns: the text with ``***`` where a secret stood that is known, or that the text itself shows to be one;
    ``hide``: further ones.
    """
    for secret in sorted({*_known, *hide}, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return hide_secrets_in(text)


def hide_secrets_in_file(path: Path) -> None:
    """Write a log of another process anew without the secrets in it, if there is such a file.

    A reader sees the old text or the new one, whole, and so it is after a crash.

    :raises OSError: when it cannot be written; it is as it was then.
    """
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return
    if (cleaned := without_secrets(text)) != text:
        with draft_of(path) as draft:
            draft.write(cleaned.encode(errors="surrogateescape"))


class _Discreet(logging.Filter):
    """Lets every record pass, without the secrets in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = without_secrets(record.exc_text)
        return True


_discreet = _Discreet()


def keep_secrets_out_of(logger: logging.Logger) -> None:
    """Whatever is written by the handlers of ``logger`` is written without secrets; they learn of later ones, too."""
    for handler in logger.handlers:
        handler.addFilter(_discreet)
