"""English messages that keep their template and values, so that they can be translated.

A sentence is a text: it is compared, stored and printed as one. It also has its template and the values that were
filled in. The report's catalogue has every template in the other language; a test compares the two.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SAID = "said"  # the key under which a document stores the templates and values of its sentences
DEEPEST = 8  # limit of nested sentences: a deeper summary was not written by chaosdrill


class Sentence(str):
    """A text in English.

    :param template: as in the catalogue; empty for a text of another program, which is shown unchanged.
    :param values: by name, what stands in the template's braces: numbers, foreign texts, sentences, names.
    """

    template: str
    values: Mapping[str, Any]

    def __new__(cls, words: str = "", template: str = "", values: Mapping[str, Any] | None = None) -> "Sentence":
        """Create one; callers use :func:`sentence`."""
        made = super().__new__(cls, words)
        made.template, made.values = template, values or {}
        return made

    def as_json(self) -> dict[str, Any]:
        """Return the sentence as JSON values, with its template."""
        values = {name: _plain(one) for name, one in self.values.items()}
        return {"text": str(self), "template": self.template, "values": values}


class Name(str):
    """A word of chaosdrill that has a name in every language.

    :param kind: one of ``movement``, ``moment`` (a phase), ``stage``, ``read-back``, ``unit``, ``verdict``.
    """

    kind: str

    def __new__(cls, kind: str, word: str) -> "Name":
        """Create one."""
        made = super().__new__(cls, word)
        made.kind = kind
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """Return the arguments from which a copy is made."""
        return self.kind, str(self)


NOTHING = Sentence()


def sentence(template: str, **values: Any) -> Sentence:
    """Create a sentence from a template.

    :param template: in English, with ``{name}`` for each value; a literal, so that the catalogue can be checked.
    :param values: what replaces the names; the parts of a list are joined by commas.
    """
    return Sentence(template.format(**{name: _in_words(one) for name, one in values.items()}), template, values)


def as_it_is(words: object) -> Sentence:
    """Return a foreign text as a sentence that is not translated."""
    return words if isinstance(words, Sentence) else Sentence(str(words))


def together(parts: Iterable[Sentence]) -> Sentence:
    """Join several sentences into one; an empty one if there are none."""
    found = NOTHING
    for part in parts:
        found = sentence("{one}; {other}", one=found, other=part) if found else part
    return found


def sentences_to_json(document: Any) -> list[Any]:
    """Return the template and values of every sentence in a document, each once."""
    return list({str(one): one.as_json() for one in _sentences(document) if one.template}.values())


def sentences_from_json(said: Any) -> dict[str, Sentence]:
    """Return the sentences of :func:`sentences_to_json` by their texts, from an untrusted document."""
    known = (_read(one, 0) for one in (said if isinstance(said, list) else ()))
    return {str(one): one for one in known if isinstance(one, Sentence)}


def sentence_at(document: Mapping[str, Any], name: str) -> Sentence:
    """Return the text under a key of a document, such as an event, as a sentence where the document has its
    template.
    """
    words = document.get(name)
    return (
        words
        if isinstance(words, Sentence)
        else sentences_from_json(document.get(SAID)).get(str(words)) or as_it_is(words)
    )


def _sentences(document: Any) -> Iterator[Sentence]:
    """Yield each sentence of a document. Each value is visited once: a document may contain itself."""
    left, known = [document], set()
    while left:
        value = left.pop()
        if isinstance(value, Sentence):
            yield value
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in known:
            known.add(id(value))
            inner = value.values() if isinstance(value, Mapping) else value
            left += reversed(list(inner))


def _in_words(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Sentence):
        return value.as_json()
    if isinstance(value, Name):
        return {"kind": value.kind, "word": str(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _read(value: Any, depth: int) -> Any:
    """Read what :func:`_plain` wrote; anything else is a text."""
    known = value if isinstance(value, Mapping) else {}
    if depth < DEEPEST and isinstance(known.get("template"), str) and isinstance(known.get("values"), Mapping):
        values = {str(name): _read(one, depth + 1) for name, one in known["values"].items()}
        return Sentence(str(known.get("text")), known["template"], values)
    if isinstance(known.get("kind"), str):
        return Name(known["kind"], str(known.get("word")))
    if isinstance(value, list):
        return [str(one) for one in value if isinstance(one, (str, int, float))]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
