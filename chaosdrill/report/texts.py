"""The texts of a page in the reader's language, from one catalogue."""

from collections.abc import Mapping

from chaosdrill.languages import LANGUAGES
from chaosdrill.messages import Name, Sentence
from chaosdrill.report.messages import MESSAGES, SENTENCES
from chaosdrill.report.messages.titles import japanese_title

__all__ = ["LANGUAGES", "Words"]


class Words:
    """The catalogue in one language. Calling it with a key returns the text, with its ``{placeholders}`` filled in."""

    def __init__(self, language: str = LANGUAGES[0], messages: Mapping[str, tuple[str, str]] = MESSAGES) -> None:
        self.language = language
        self._number = LANGUAGES.index(language)
        self._messages = messages

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a message.

        :raises KeyError: when there is no such message.
        """
        text = self._messages[key][self._number]
        return text.format(**values) if values else text

    def of(self, kind: str, word: str, otherwise: str | None = None) -> str:
        """Return the message ``kind.word``; if there is none, ``otherwise`` (default: the word itself)."""
        known = self._messages.get(f"{kind}.{word}")
        return known[self._number] if known is not None else word if otherwise is None else otherwise

    def title(self, text: str) -> str:
        """Translate the title of one of chaosdrill's own experiments; any other is returned as it is."""
        return japanese_title(text) if self.language == "ja" else text

    def can_say(self, text: str) -> bool:
        """Return whether a text is available in the reader's language.

        English always is; another language is if the catalogue has the text.
        """
        return self.language == LANGUAGES[0] or not text or self._said(text) is not None

    def say(self, text: str) -> str:
        """Return a sentence of the judgement in the reader's language; any other text unchanged."""
        if self.language == LANGUAGES[0]:
            return str(text)
        said = self._said(text)
        return str(text) if said is None else said

    def _said(self, text: object) -> str | None:
        """Return a text in another language than English; None when the catalogue does not have it."""
        if isinstance(text, Name):
            return self.of(text.kind, str(text))
        if not isinstance(text, Sentence) or text.template not in SENTENCES:
            return None
        values = {name: self._filled_in(value) for name, value in text.values.items()}
        try:
            return SENTENCES[text.template].format(**values)
        except (LookupError, ValueError, TypeError, ArithmeticError):
            return None  # a summary from another source has other values

    def quoted(self, text: str) -> str:
        """Return a sentence of the judgement as part of another text; any other text in quotation marks."""
        return self.say(text) if self.can_say(text) else f"「{text}」"

    def _filled_in(self, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return ", ".join(str(self._filled_in(one)) for one in value)
        return self.quoted(value) if isinstance(value, (Sentence, Name)) else value
