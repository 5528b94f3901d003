"""YAML parsing that records the line of every key and value, for error messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from chaosdrill.bounded_yaml import ENDLESS, compose

Place = tuple[str | int, ...]
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Document:
    """A YAML document: its value, the line (from 1) of every place in it, and its invalid keys.

    :param repeated: keys that occur twice, with the line of the second occurrence.
    :param not_text: keys that YAML does not read as text, such as ``on:`` or ``1:``.
    """

    value: Any
    lines: dict[Place, int]
    repeated: tuple[tuple[Place, int], ...] = ()
    not_text: tuple[tuple[Place, int], ...] = ()

    def line(self, place: Place) -> int:
        """Return the line of ``place``, or of its nearest enclosing place."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(text: str) -> Document:
    """Parse ``text``.

    :raises yaml.YAMLError: when it is not YAML, is nested too deeply, expands too far, or contains itself.
    """
    try:
        return _read(text)
    except RecursionError as error:
        raise yaml.YAMLError(ENDLESS) from error
    except ValueError as error:  # for example, for the date 2026-13-45
        raise yaml.YAMLError(f"a value cannot be read ({error}): put it in quotes") from error


def _read(text: str) -> Document:
    node = compose(text)
    if node is None:
        return Document(None, {})
    _merge(node)
    lines: dict[Place, int] = {}
    repeated, not_text = [], []
    for place, mark, key in _places(node, ()):
        line = mark.line + 1
        if key is not None and key.tag != _TEXT:
            not_text.append((place, line))
        elif place in lines and place:
            repeated.append((place, line))
        lines[place] = line
    value = yaml.SafeLoader("").construct_document(_with_text_keys(node))
    return Document(value, lines, tuple(repeated), tuple(not_text))


def _merge(node: yaml.Node) -> None:
    """Replace each merge key (``<<: *base``) by the entries of its base; other keys of the mapping take precedence.

    :raises yaml.YAMLError: when the base is not a mapping.
    :source: https://yaml.org/type/merge.html
    """
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _merge(item)
    elif isinstance(node, yaml.MappingNode):
        own = [pair for pair in node.value if pair[0].tag != _MERGE]
        bases = [base for key, value in node.value if key.tag == _MERGE for base in _bases(value)]
        for inner in (*(value for _, value in own), *bases):
            _merge(inner)
        taken = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
        for key, value in (pair for base in bases for pair in base.value):
            if key.value not in taken:
                taken.add(key.value)
                own.append((key, value))
        node.value = own


def _bases(value: yaml.Node) -> list[yaml.MappingNode]:
    found = value.value if isinstance(value, yaml.SequenceNode) else [value]
    for base in found:
        if not isinstance(base, yaml.MappingNode):
            what = "`<<` merges mappings only: write an alias of a mapping, such as `<<: *base`"
            raise yaml.constructor.ConstructorError(None, None, what, base.start_mark)
    return list(found)


def _with_text_keys(node: yaml.Node) -> yaml.Node:
    """Remove the keys that are already reported: a list as a key, for example, could not even be loaded."""
    if isinstance(node, yaml.MappingNode):
        node.value = [(key, _with_text_keys(value)) for key, value in node.value if key.tag == _TEXT]
    elif isinstance(node, yaml.SequenceNode):
        node.value = [_with_text_keys(item) for item in node.value]
    return node


def _places(node: yaml.Node, place: Place) -> Iterator[tuple[Place, yaml.Mark, yaml.Node | None]]:
    """Yield every place of a node, with its key in a mapping."""
    if not place:
        yield place, node.start_mark, None
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, key.value if isinstance(key, yaml.ScalarNode) else "?")
            yield here, key.start_mark, key
            yield from _places(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark, None
            yield from _places(item, (*place, index))
