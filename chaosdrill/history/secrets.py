"""Texts that must never be written down, whoever learns of them first: keys, tokens, passwords."""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
SHORTEST_SECRET = 4  # hiding "a" would blot out every text
_NAMES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_URL_PASSWORD = re.compile(r"://[^/\s@:]*:([^/\s@]+)@")
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


def url_passwords(value: Any) -> set[str]:
    """:returns: the password in every URL of a text or of JSON values, however deep, as it is written and decoded."""
    if isinstance(value, Mapping):
        return {text for one in value.values() for text in url_passwords(one)}
    if isinstance(value, (list, tuple, set)):
        return {text for one in value for text in url_passwords(one)}
    found = _URL_PASSWORD.findall(value) if isinstance(value, str) else []
    return {text for one in found for text in (one, unquote(one))}


def keep_secrets_of_environment() -> None:
    """Keep secret what the environment holds of AWS, and the passwords of proxies."""
    keep_secret(*(os.environ.get(name) for name in _NAMES))
    for name, value in os.environ.items():
        if name.lower().endswith("_proxy") and "@" in value:
            password = urlsplit(value).password
            keep_secret(password, unquote(password or ""))


def without_secrets(text: str, hide: Iterable[str] = ()) -> str:
    """:returns: the text with ``***`` where a secret stood; ``hide``: further ones."""
    for secret in sorted({*_known, *hide}, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return text


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
