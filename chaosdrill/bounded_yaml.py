"""YAML from others, with bounds that are checked before anything is made of it.

Aliases let ten lines stand for more values than there is memory, and merge keys (``<<``) copy what they name. So the
tree of nodes, in which an alias takes no room yet, is measured as it would be written out.

See: https://yaml.org/spec/1.2.2/#71-alias-nodes
"""

from pathlib import Path
from typing import Any

import yaml

LONGEST_TEXT = 1_000_000  # characters; a topology or an experiment has some 10,000
MOST_VALUES = 100_000  # written out, without aliases
ENDLESS = "it is nested too deeply, or a part of it contains itself"


class TooLarge(yaml.YAMLError):
    """A YAML document stands for more values than it may, or for itself."""


def load_yaml(text: str) -> Any:
    """Read a YAML document, or JSON, with plain values only.

    :raises yaml.YAMLError: when it is not YAML, or stands for too much, or for itself.
    """
    try:
        node = compose(text)
        return None if node is None else yaml.SafeLoader("").construct_document(node)
    except RecursionError as error:
        raise yaml.YAMLError(ENDLESS) from error
    except ValueError as error:  # such as the date 2026-13-45
        raise yaml.YAMLError(f"a value cannot be read ({error}): put it in quotes") from error


def compose(text: str) -> yaml.Node | None:
    """:returns: the tree of a YAML document, which may be walked: it is finite, and not large. None: it is empty.

    :raises yaml.YAMLError: when it is not YAML, or stands for too much, or for itself.
    :raises RecursionError: when it is nested too deeply.
    """
    if len(text) > LONGEST_TEXT:
        raise TooLarge(f"it has {len(text):,} characters, more than {LONGEST_TEXT:,}")
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is not None and _values(node, {}) > MOST_VALUES:
        raise TooLarge(f"its aliases stand for more than {MOST_VALUES:,} values: write fewer of them")
    return node


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node has written out; each node is counted once, however many aliases lead to it."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        if not known[id(node)]:
            raise TooLarge(ENDLESS)
        return known[id(node)]
    known[id(node)] = 0  # until it is counted
    mapping = isinstance(node, yaml.MappingNode)
    parts = [part for pair in node.value for part in pair] if mapping else node.value
    known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]


def problem_of_file(path: Path) -> str:
    """:returns: why what a YAML file stands for is too large; empty when it is not, or is no YAML at all."""
    try:
        if path.suffix in (".yaml", ".yml"):
            with open(path, encoding="utf-8") as file:
                compose(file.read(LONGEST_TEXT + 1))
    except RecursionError:
        return ENDLESS
    except TooLarge as error:
        return str(error)
    except (OSError, ValueError, yaml.YAMLError):
        return ""  # whoever reads it says what it is
    return ""
