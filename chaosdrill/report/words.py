"""What a page says in its own words, in the reader's language, from one catalogue."""

from collections.abc import Mapping

from chaosdrill.languages import LANGUAGES
from chaosdrill.report.messages import MESSAGES, SENTENCES
from chaosdrill.report.messages.titles import japanese_title
from chaosdrill.sentences import Name, Sentence

__all__ = ["LANGUAGES", "Words"]


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

    def title(self, text: str) -> str:
        """Translate the title of one of chaosdrill's own experiments; any other is returned as it is."""
        return japanese_title(text) if self.language == "ja" else text

    def can_say(self, text: str) -> bool:
        """:returns: whether a text is in the reader's language: English is, and what the catalogue has."""
        return self.language == LANGUAGES[0] or not text or self._said(text) is not None

    def say(self, text: str) -> str:
        """:returns: what the judgement says, in the reader's language; a text of others as it is."""
        if self.language == LANGUAGES[0]:
            return str(text)
        said = self._said(text)
        return str(text) if said is None else said

    def _said(self, text: object) -> str | None:
        """In another language than English; None when the catalogue does not have it."""
        if isinstance(text, Name):
            return self.of(text.kind, str(text))
        if not isinstance(text, Sentence) or text.template not in SENTENCES:
            return None
        values = {name: self._filled_in(value) for name, value in text.values.items()}
        try:
            return SENTENCES[text.template].format(**values)
        except (LookupError, ValueError, TypeError, ArithmeticError):
            return None  # a summary that somebody else has written tells of other values

    def quoted(self, text: str) -> str:
        """:returns: what the judgement says as a part of another text: a text of others as a quotation."""
        return self.say(text) if self.can_say(text) else f"「{text}」"

    def _filled_in(self, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return ", ".join(str(self._filled_in(one)) for one in value)
        return self.quoted(value) if isinstance(value, (Sentence, Name)) else value
