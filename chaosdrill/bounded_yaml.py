"""A YAML loader for untrusted files, with limits that are checked before any value is built.

Aliases let ten lines stand for more values than fit into memory, and merge keys (``<<``) copy what they name. So the
size is computed from the tree of nodes, in which an alias takes no room yet, as if every alias were written out.
See: https://yaml.org/spec/1.2.2/#71-alias-nodes
"""

from pathlib import Path
from typing import Any

import yaml

LONGEST_TEXT = 1_000_000  # characters; a topology or an experiment has some 10,000
MOST_VALUES = 100_000  # written out, without aliases
ENDLESS = "it is nested too deeply, or contains itself"


class TooLarge(yaml.YAMLError):
    """A YAML document that stands for too many values, or contains itself."""


def load_yaml(text: str) -> Any:
    """Read a YAML or JSON document with plain values only.

    :raises yaml.YAMLError: when it is not YAML, is too large, or contains itself.
    """
    try:
        node = compose(text)
        return None if node is None else yaml.SafeLoader("").construct_document(node)
    except RecursionError as error:
        raise yaml.YAMLError(ENDLESS) from error
    except ValueError as error:  # such as the date 2026-13-45
        raise yaml.YAMLError(f"a value cannot be read ({error}): put it in quotes") from error


def compose(text: str) -> yaml.Node | None:
    """Parse a YAML document into a finite tree of nodes of limited size, which is safe to walk.

    :returns: None for an empty document.
    :raises yaml.YAMLError: when it is not YAML, is too large, or contains itself.
    :raises RecursionError: when it is nested too deeply.
    """
    if len(text) > LONGEST_TEXT:
        raise TooLarge(f"it has {len(text):,} characters, more than {LONGEST_TEXT:,}")
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is not None and _values(node, {}) > MOST_VALUES:
        raise TooLarge(f"its aliases stand for more than {MOST_VALUES:,} values: write fewer of them")
    return node


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values of a node with its aliases written out. Each node is counted once, and its count is reused."""
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
    """Return why a YAML file is too large; empty when it is not, or when it is not YAML."""
    try:
        if path.suffix in (".yaml", ".yml"):
            with open(path, encoding="utf-8") as file:
                compose(file.read(LONGEST_TEXT + 1))
    except RecursionError:
        return ENDLESS
    except TooLarge as error:
        return str(error)
    except (OSError, ValueError, yaml.YAMLError):
        return ""  # the reader of the file reports these
    return ""
