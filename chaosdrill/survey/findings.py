"""What a search brings: values, and in the place of a value that was not found, why, and how to find it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from chaosdrill.errors import CannotSee
from chaosdrill.topology.lines import Place

T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """What could stand in a place, and what tells it from the others."""

    value: Any
    label: str = ""


@dataclass(frozen=True)
class Unknown:
    """Stands for a value that is left to fill in.

    :param why: what was looked at and what was seen.
    :param how: how to find it.
    :param candidates: what it may be.
    """

    why: str
    how: str
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Note:
    """Stands for a value that may be left out, and says why it was."""

    text: str


@dataclass(frozen=True)
class Finding:
    """One top-level key of a topology.

    :param value: as it stands in the file; anything in it may be :class:`Unknown` or a :class:`Note`.
    :param looked_at: what the search read.
    :param comment: what a reader of the file should know.
    """

    value: Any
    looked_at: str
    comment: str = ""

    def unknown(self, key: str) -> list[tuple[Place, Unknown]]:
        """:returns: what is left to fill in below ``key``, with its place."""
        return list(_unknown((key,), self.value))


def _unknown(place: Place, value: Any) -> Iterator[tuple[Place, Unknown]]:
    if isinstance(value, Unknown):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _unknown((*place, key), inner)


def the_one(candidates: list[Candidate], what: str, how: str) -> Any:
    """:returns: the value of the only candidate; :class:`Unknown` when there is none, or several.

    :param what: such as ``state machine of ap-northeast-3 begins with 'Failover'``.
    """
    if len(candidates) == 1:
        return candidates[0].value
    number = f"{len(candidates)} candidates for this:" if candidates else "found no"
    return Unknown(f"{number} {what}", how, tuple(candidates))


def or_unknown(look: Callable[[], T], how: str) -> T | Unknown:
    """:returns: what ``look`` sees, or why it cannot see."""
    try:
        return look()
    except CannotSee as error:
        return Unknown(str(error), how)
