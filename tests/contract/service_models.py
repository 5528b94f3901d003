"""AWS's API as botocore's service models document it, with the constraints that botocore itself does not check.

botocore checks a request's members, types, minimal lengths and minimal values. The models also have patterns, enums,
maximal lengths and values, and all of it for responses, too.

:source: https://github.com/boto/botocore/tree/develop/botocore/data
"""

import datetime
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "character": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (datetime.datetime, str, int, float),
    "blob": (bytes, bytearray, str),
}


def violations(shape: Shape | None, value: Any, path: str = "") -> Iterator[str]:
    """Compare a value with its shape.

    :param shape: of an operation's input or output, or of a member of it; None: there is none.
    :param path: of the value, for what is told.
    :returns: an iterator of what is wrong, each with the path of the member.
    """
    if shape is None or shape.metadata.get("document"):
        return
    if isinstance(shape, StructureShape):
        yield from _of_structure(shape, value, path)
    elif isinstance(shape, MapShape):
        yield from _of_map(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _of_list(shape, value, path)
    else:
        yield from _of_scalar(shape, value, path)


def _of_structure(shape: StructureShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: is {type(value).__name__}, not a structure"
        return
    for name in shape.required_members:
        if name not in value:
            yield f"{path}.{name}: is missing"
    for name, member in value.items():
        if name in shape.members:
            yield from violations(shape.members[name], member, f"{path}.{name}")
        elif name not in ("ResponseMetadata", "SDK_UNKNOWN_MEMBER"):
            yield f"{path}.{name}: is unknown"


def _of_map(shape: MapShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: is {type(value).__name__}, not a map"
        return
    yield from _of_size(shape, len(value), path)
    for name, member in value.items():
        yield from violations(shape.key, name, f"{path}.*key")
        yield from violations(shape.value, member, f"{path}.*")


def _of_list(shape: ListShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        yield f"{path}: is {type(value).__name__}, not a list"
        return
    yield from _of_size(shape, len(value), path)
    for member in value:
        yield from violations(shape.member, member, f"{path}[]")


def _of_scalar(shape: Shape, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "blob" and hasattr(value, "read"):
        return
    if shape.name == "policyDocumentType" and isinstance(value, Mapping):
        return  # botocore has decoded it
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path}: is {type(value).__name__}, not a {kind}"
        return
    if kind in ("string", "character", "blob"):
        yield from _of_size(shape, len(value), path)
    elif kind in ("integer", "long", "float", "double"):
        yield from _of_size(shape, value, path)
    if isinstance(shape, StringShape):
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value!r} is none of {', '.join(shape.enum)}"
        pattern = _compiled(shape.metadata.get("pattern", ""))
        if pattern is not None and not pattern.search(value):
            yield f"{path}: {value!r} does not match {pattern.pattern}"


def _of_size(shape: Shape, size: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"{path}: {size:g} is less than {least}"
    if most is not None and size > most:
        yield f"{path}: {size:g} is more than {most}"


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    r"""A pattern of a model is matched from end to end; one of Java's that Python does not know is left out."""
    if not pattern:
        return None
    try:
        return re.compile(rf"\A(?:{pattern})\Z", re.DOTALL)
    except re.error:
        return None


def unknown_members(shape: Shape | None, value: Any, path: str = "") -> Iterator[str]:
    """Find members of a JSON body that the shape does not have: botocore leaves them out.

    :param value: the body, as JSON.
    """
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        if shape.metadata.get("document"):
            return
        names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, member in value.items():
            if name not in names:
                yield f"{path}.{name}: is unknown"
            else:
                yield from unknown_members(names[name], member, f"{path}.{name}")
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        for member in value.values():
            yield from unknown_members(shape.value, member, f"{path}.*")
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for member in value:
            yield from unknown_members(shape.member, member, f"{path}[]")
