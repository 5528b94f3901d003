"""Registry of texts that must never be written anywhere: keys, tokens, passwords."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from chaosdrill.history.whole_files import draft_of
from chaosdrill.secret_text import HIDDEN, forms_of, hide_secrets_in, is_about_a_secret, names_a_secret, secrets_in

SHORTEST_SECRET = 4  # hiding "a" would make every text unreadable
SHORTEST_NUMBER = 6  # digits of a number under the name of a secret
_PLAIN_WORDS = frozenset({"basic", "bearer", "false", "none", "null", "true"})
_NAMES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_known: frozenset[str] = frozenset()


def register_secret(*texts: str | None) -> None:
    """Register texts that are hidden from now on: in the history, the journal, the log and on the screen."""
    global _known
    new = {text for text in texts if text and len(text) >= SHORTEST_SECRET}
    if not new <= _known:
        _known |= new


def known_secrets() -> frozenset[str]:
    """Return every registered text."""
    return _known


def secret_texts(secrets: Any) -> set[str]:
    """Return every text in Chaos Toolkit's ``secrets``, at any depth."""
    if isinstance(secrets, Mapping):
        return {text for value in secrets.values() for text in secret_texts(value)}
    if isinstance(secrets, (list, tuple, set)):
        return {text for value in secrets for text in secret_texts(value)}
    return {str(secrets)} if secrets is not None and not isinstance(secrets, bool) else set()


def secrets_within(value: Any) -> set[str]:
    """Return every secret in JSON values, at any depth: the values of keys that name a secret, and secrets that
    texts reveal by their form, such as the password and the signature in a URL.
    """
    if isinstance(value, Mapping):
        named = (one for name, one in value.items() if _holds_a_secret(str(name), one))
        texts = {text for one in named for text in values_of_secret(one) if not _is_a_plain_word(text)}
        return texts.union(*map(secrets_within, value.values()))
    if isinstance(value, (list, tuple, set)):
        return set().union(*map(secrets_within, value))
    return secrets_in(value) if isinstance(value, str) else set()


def _is_a_plain_word(text: str) -> bool:
    """Return whether a text is too common to hide: hiding ``3600`` or ``basic`` everywhere would spoil a run and
    protect nothing.
    """
    return (text.isdigit() and len(text) < SHORTEST_NUMBER) or text.lower() in _PLAIN_WORDS


def values_of_secret(value: Any) -> set[str]:
    """Return the texts of a declared secret, or of a mapping of them: for one that Chaos Toolkit reads from
    elsewhere, its default, and the environment variable if that is set here.
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
    """Return whether the value of a key is a secret. ``secrets: [bank]`` of an activity lists names only."""
    return names_a_secret(name) and not is_about_a_secret(name) and not (name == "secrets" and isinstance(value, list))


def keep_secrets_of_environment() -> None:
    """Register the AWS keys in the environment, and the passwords of proxies."""
    register_secret(*(os.environ.get(name) for name in _NAMES))
    for name, value in os.environ.items():
        if name.lower().endswith("_proxy") and "@" in value:
            password = urlsplit(value).password
            register_secret(password, unquote(password or ""))


def without_secrets(text: str, hide: Iterable[str] = ()) -> str:
    """Replace secrets in a text by ``***``: registered ones, and those that the text reveals by its form.

    :param hide: further texts to replace.
    """
    for secret in sorted({*_known, *hide}, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return hide_secrets_in(text)


def hide_secrets_in_file(path: Path) -> None:
    """Rewrite the log of another process, if it exists, without the secrets in it.

    A reader sees either the complete old text or the complete new one, also after a crash.

    :raises OSError: when it cannot be written; it is unchanged then.
    """
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return
    if (cleaned := without_secrets(text)) != text:
        with draft_of(path) as draft:
            draft.write(cleaned.encode(errors="surrogateescape"))


class _Discreet(logging.Filter):
    """A filter that passes every record, without the secrets in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = without_secrets(record.exc_text)
        return True


_discreet = _Discreet()


def keep_secrets_out_of(logger: logging.Logger) -> None:
    """Make the handlers of ``logger`` write without secrets, including those that are registered later."""
    for handler in logger.handlers:
        handler.addFilter(_discreet)
