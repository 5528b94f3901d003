"""The files that an experiment names, such as its load script: what they say is a part of what its drill does."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from chaosdrill.bounded_yaml import load_yaml
from chaosdrill.gamedays.calendar import GameDay

UNREAD = ("title", "description", "tags", "secrets")  # parts of an experiment that name no file, or a secret
LONGEST = 4096  # characters of a path
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def named_files(game_day: GameDay, experiment: bytes) -> list[tuple[str, Path]]:
    """List the files that the values of an experiment and the variables of its game day name by their paths.

    A value counts, and each of its words, when there is a file at that path: a relative one begins at the directory of
    the calendar, where the drill runs, or at that of the experiment; an absolute one counts within these.

    :param experiment: its bytes. One that is no experiment names nothing.
    :returns: each path as it is the same on every machine, with the file, in order.
    """
    document = _document(experiment)
    parts = {name: part for name, part in document.items() if name not in UNREAD}
    values = {**_mapping(document.get("configuration")), **game_day.variables}
    places = dict.fromkeys([game_day.directory or game_day.experiment.parent, game_day.experiment.parent])
    found: set[tuple[str, Path]] = set()
    for text in _texts([parts, dict(game_day.variables)]):
        written = _VARIABLE.sub(lambda match: str(values.get(match[1], match[0])), text)
        for word in {written, *written.split()}:
            found |= {
                (name, file) for place in places if (name := _relative(word, place)) and _is(file := place / name)
            }
    return sorted(found)


@lru_cache(maxsize=64)
def _document(experiment: bytes) -> Mapping[str, Any]:
    """Read an experiment; empty when it is none, which its preflight refuses."""
    with suppress(ValueError, yaml.YAMLError):
        return _mapping(load_yaml(experiment.decode()))
    return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _relative(word: str, place: Path) -> str:
    """Return a path as seen from a directory; empty when it is none, or an absolute one that leads out of it."""
    if len(word) > LONGEST:
        return ""
    if not Path(word).is_absolute():
        return word
    with suppress(ValueError):
        return str(Path(word).relative_to(place))
    return ""


def _is(file: Path) -> bool:
    with suppress(OSError, ValueError):  # a name that is too long, or with a null character
        return file.is_file()
    return False
