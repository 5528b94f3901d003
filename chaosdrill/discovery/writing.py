"""Output of a topology file as YAML with comments, in which every value that was not found is a line to fill in."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from chaosdrill.discovery.findings import Note, ToFillIn, TopologyFinding

WIDTH = 120
_COMMAND = "aws "


class _Plain(yaml.SafeDumper):
    """YAML output without anchors, so that each line of the file is complete."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def one_line(self, text: str) -> yaml.ScalarNode:
        """Represent a text on one line: in single quotes, a line break would be written as one."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Plain.add_representer(str, _Plain.one_line)


def written(head: str, findings: Mapping[str, TopologyFinding]) -> str:
    """Return the file's text, which is always valid YAML.

    :param head: a comment at its beginning.
    :param findings: by top-level key, in the order of the file.
    """
    lines = [*_comment(head, 0)]
    for key, finding in findings.items():
        lines += ["", *_comment(finding.comment, 0)] if finding.comment else []
        lines += _entry(key, finding.value, 0)
    return "\n".join(lines) + "\n"


def _entry(key: str, value: Any, depth: int) -> Iterator[str]:
    pad = "  " * depth
    if isinstance(value, ToFillIn):
        yield from _to_fill_in(key, value, depth)
    elif isinstance(value, Note):
        yield from _comment(value.text, depth)
    elif isinstance(value, Mapping):
        yield f"{pad}{_scalar(key)}:"
        for inner, part in value.items():
            yield from _entry(inner, part, depth + 1)
    elif isinstance(value, list):
        yield f"{pad}{_scalar(key)}:"
        yield from (f"{pad}  - {_scalar(item)}" for item in value)
    else:
        yield f"{pad}{_scalar(key)}: {_scalar(value)}"


def _to_fill_in(key: str, unknown: ToFillIn, depth: int) -> Iterator[str]:
    """Yield a TODO, then each candidate as a line that only needs its ``#`` removed."""
    yield from _comment(f"TODO {key}: {unknown.why}", depth)
    yield f"{'  ' * depth}# To find it: {_one_line(unknown.how)}"
    for candidate in unknown.candidates:
        label = f"  # {_one_line(candidate.label)}" if candidate.label else ""
        yield f"{'  ' * depth}# {_scalar(key)}: {_scalar(candidate.value)}{label}"


def _comment(text: str, depth: int) -> list[str]:
    pad = "  " * depth + "# "
    return [line for paragraph in text.splitlines() for line in _wrapped(paragraph, pad)]


def _wrapped(paragraph: str, pad: str) -> list[str]:
    if paragraph.startswith(_COMMAND):
        return [pad + paragraph]  # not wrapped, so that it can be copied
    return textwrap.wrap(
        _one_line(paragraph),
        WIDTH,
        initial_indent=pad,
        subsequent_indent=pad,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _scalar(value: Any) -> str:
    """Return a value on one line, quoted where YAML would otherwise read another value."""
    text: str = yaml.dump(value, Dumper=_Plain, default_flow_style=True, width=float("inf"), sort_keys=False)
    return text.removesuffix("...\n").rstrip("\n")
