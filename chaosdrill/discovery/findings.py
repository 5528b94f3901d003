"""Results of a discovery: values, or the reason why a value was not found and how to find it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from chaosdrill.errors import CannotSee
from chaosdrill.topology.yaml_positions import Place

T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """A possible value, and a label that distinguishes it from the others."""

    value: Any
    label: str = ""


@dataclass(frozen=True)
class ToFillIn:
    """Placeholder for a value that is left to fill in.

    :param why: what was read and what was observed.
    :param how: how to find it.
    :param candidates: possible values.
    """

    why: str
    how: str
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Note:
    """Placeholder for an optional value, with the reason why it is left out."""

    text: str


@dataclass(frozen=True)
class TopologyFinding:
    """One top-level key of a topology.

    :param value: the value for the file; any part of it may be :class:`ToFillIn` or a :class:`Note`.
    :param looked_at: what the discovery read.
    :param comment: a comment for readers of the file.
    """

    value: Any
    looked_at: str
    comment: str = ""

    def unknown(self, key: str) -> list[tuple[Place, ToFillIn]]:
        """Return the values left to fill in below ``key``, with their places."""
        return list(_unknown((key,), self.value))


def _unknown(place: Place, value: Any) -> Iterator[tuple[Place, ToFillIn]]:
    if isinstance(value, ToFillIn):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _unknown((*place, key), inner)


def the_one(candidates: list[Candidate], what: str, how: str) -> Any:
    """Return the value of the only candidate; :class:`ToFillIn` when there is none, or several.

    :param what: such as ``state machine of ap-northeast-3 begins with 'Failover'``.
    """
    if len(candidates) == 1:
        return candidates[0].value
    number = f"{len(candidates)} candidates for this:" if candidates else "found no"
    return ToFillIn(f"{number} {what}", how, tuple(candidates))


def or_unknown(look: Callable[[], T], how: str) -> T | ToFillIn:
    """Return the result of ``look``; :class:`ToFillIn` when it cannot read."""
    try:
        return look()
    except CannotSee as error:
        return ToFillIn(str(error), how)
