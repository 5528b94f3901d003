"""YAML with the line of every key and value, so that an error can say where it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A YAML document: its value, the line (from 1) of every place in it, and keys that stand there twice."""

    value: Any
    lines: dict[Place, int]
    repeated: tuple[tuple[Place, int], ...]

    def line(self, place: Place) -> int:
        """:returns: the line of ``place``, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(text: str) -> Document:
    """Parse ``text``.

    :raises yaml.YAMLError: when it is not YAML.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is None:
        return Document(None, {}, ())
    lines: dict[Place, int] = {}
    repeated = []
    for place, line in _places(node, ()):
        if place in lines and place:
            repeated.append((place, line))
        lines[place] = line
    return Document(yaml.safe_load(text), lines, tuple(repeated))


def _places(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    if not place:
        yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*place, key.value), key.start_mark.line + 1
            yield from _places(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _places(item, (*place, index))
