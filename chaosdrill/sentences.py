"""What the judgement says: in English, with what it was made of, so that it can be said in another language, too.

A sentence is a text like any other, and is compared, stored and printed as such. Beside that it knows its template and
what was filled in. The report's catalogue has every template in the other language; a test keeps the two together.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SAID = "said"  # under this a document tells what its sentences are made of
DEEPEST = 8  # sentences within sentences: a summary with more of them was not written by chaosdrill


class Sentence(str):
    """A text in English.

    :param template: as the catalogue knows it; empty for a text of others, which is shown as it is.
    :param values: by name what stands in the template's braces: numbers, texts of others, sentences, names.
    """

    template: str
    values: Mapping[str, Any]

    def __new__(cls, words: str = "", template: str = "", values: Mapping[str, Any] | None = None) -> "Sentence":
        """Make one; :func:`sentence` is how to say something."""
        made = super().__new__(cls, words)
        made.template, made.values = template, values or {}
        return made

    def as_json(self) -> dict[str, Any]:
        """:returns: it as JSON values, with how it was made."""
        values = {name: _plain(one) for name, one in self.values.items()}
        return {"text": str(self), "template": self.template, "values": values}


class Name(str):
    """A word of chaosdrill's own that has a name in every language.

    :param kind: which: ``movement``, ``moment`` (a phase), ``stage``, ``read-back``, ``unit``, ``verdict``.
    """

    kind: str

    def __new__(cls, kind: str, word: str) -> "Name":
        """Make one."""
        made = super().__new__(cls, word)
        made.kind = kind
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """What a copy is made of."""
        return self.kind, str(self)


NOTHING = Sentence()


def sentence(template: str, **values: Any) -> Sentence:
    """:returns: a sentence.

    :param template: in English, with ``{name}`` for each value; a literal, so that the catalogue can be checked.
    :param values: what stands there; of a list its parts with commas between them.
    """
    return Sentence(template.format(**{name: _in_words(one) for name, one in values.items()}), template, values)


def as_it_is(words: object) -> Sentence:
    """:returns: a text of others, in whatever language it is."""
    return words if isinstance(words, Sentence) else Sentence(str(words))


def together(parts: Iterable[Sentence]) -> Sentence:
    """:returns: several sentences as one; an empty one of none."""
    found = NOTHING
    for part in parts:
        found = sentence("{one}; {other}", one=found, other=part) if found else part
    return found


def said_in(document: Any) -> list[Any]:
    """:returns: of every sentence in a document, once, how it was made."""
    return list({str(one): one.as_json() for one in _sentences(document) if one.template}.values())


def made_of(said: Any) -> dict[str, Sentence]:
    """:returns: the sentences of :func:`said_in` by their texts, of a document that anybody may have written."""
    known = (_read(one, 0) for one in (said if isinstance(said, list) else ()))
    return {str(one): one for one in known if isinstance(one, Sentence)}


def said_by(document: Mapping[str, Any], name: str) -> Sentence:
    """:returns: what a document, such as an event, says under a name: a sentence where it tells how that was made."""
    words = document.get(name)
    return words if isinstance(words, Sentence) else made_of(document.get(SAID)).get(str(words)) or as_it_is(words)


def _sentences(document: Any) -> Iterator[Sentence]:
    """Each value once: a document may contain itself."""
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
    """What :func:`_plain` has made; anything else is a text."""
    known = value if isinstance(value, Mapping) else {}
    if depth < DEEPEST and isinstance(known.get("template"), str) and isinstance(known.get("values"), Mapping):
        values = {str(name): _read(one, depth + 1) for name, one in known["values"].items()}
        return Sentence(str(known.get("text")), known["template"], values)
    if isinstance(known.get("kind"), str):
        return Name(known["kind"], str(known.get("word")))
    if isinstance(value, list):
        return [str(one) for one in value if isinstance(one, (str, int, float))]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
