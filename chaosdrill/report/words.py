"""What a page says in its own words, in the reader's language, from one catalogue."""

from collections.abc import Mapping

from chaosdrill.report.messages import MESSAGES

LANGUAGES = ("en", "ja")


class Words:
    """The catalogue in one language. Calling it with a key gives the text, with what is in ``{braces}`` filled in."""

    def __init__(self, language: str = LANGUAGES[0], messages: Mapping[str, tuple[str, str]] = MESSAGES) -> None:
        self.language = language
        self._number = LANGUAGES.index(language)
        self._messages = messages

    def __call__(self, key: str, **values: object) -> str:
        """:raises KeyError: when there is no such message."""
        text = self._messages[key][self._number]
        return text.format(**values) if values else text

    def of(self, kind: str, word: str, otherwise: str | None = None) -> str:
        """:returns: the message ``kind.word``; where there is none, ``otherwise`` (default: the word as it is)."""
        known = self._messages.get(f"{kind}.{word}")
        return known[self._number] if known is not None else word if otherwise is None else otherwise
