"""Responses of AWS: as its documentation and public code show them, and as botocore's models allow them."""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from botocore.utils import parse_timestamp

from chaosdrill.aws.recorder import RecordedCall, Tape

FILES = Path(__file__).parent / "documented"
SESSION = botocore.session.Session()
MOMENT = datetime.datetime(2026, 5, 1, 9, 30, tzinfo=datetime.UTC)
Operation = tuple[str, str]
"""botocore's name of a service, and the name of an operation."""


def model_of(operation: Operation) -> OperationModel:
    """:returns: botocore's model of an operation."""
    service, name = operation
    return SESSION.get_service_model(service).operation_model(name)


def documented() -> dict[Operation, dict[str, Any]]:
    """:returns: by operation, the response of its documented example as boto3 gives it."""
    found = {}
    for path in sorted(FILES.glob("*.json")):
        for name, example in json.loads(path.read_text()).items():
            operation = (path.stem, name)
            found[operation] = _as_parsed(model_of(operation).output_shape, example["response"])
    return found


def _as_parsed(shape: Shape | None, value: Any) -> Any:
    if isinstance(shape, StringShape) and isinstance(value, Mapping):
        return quote(json.dumps(value))  # IAM's policies, which the CLI shows decoded
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return {name: _as_parsed(shape.members.get(name), member) for name, member in value.items()}
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {name: _as_parsed(shape.value, member) for name, member in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_as_parsed(shape.member, member) for member in value]
    if shape is not None and shape.type_name == "timestamp":
        return parse_timestamp(value)
    return value


def without_lists(operation: Operation) -> dict[str, Any]:
    """:returns: a response with every member but lists and maps: empty ones are left out by some protocols."""
    return _made(model_of(operation).output_shape, lists=False)


def with_everything(operation: Operation) -> dict[str, Any]:
    """:returns: a response with every member, and one item in each list and map."""
    return _made(model_of(operation).output_shape, lists=True)


def _made(shape: Shape | None, lists: bool, within: tuple[str, ...] = (), name: str = "") -> Any:
    if shape is None:
        return {}
    if isinstance(shape, StructureShape):
        return _structure(shape, lists, within)
    if isinstance(shape, ListShape):
        return [_made(shape.member, lists, within, name)] if lists else []
    if isinstance(shape, MapShape):
        return {"key": _made(shape.value, lists, within)} if lists else {}
    return _scalar(shape, name)


def _structure(shape: StructureShape, lists: bool, within: tuple[str, ...]) -> dict[str, Any]:
    if shape.name in within:  # it holds itself
        return {}
    names = [name for name in shape.members if name not in _PAGES]
    if not lists:
        names = [name for name in names if _is_there(shape, name)]
    return {name: _made(shape.members[name], lists, (*within, shape.name), name) for name in names}


def _is_there(shape: StructureShape, name: str) -> bool:
    return name in shape.required_members or not isinstance(shape.members[name], (ListShape, MapShape))


_PAGES = frozenset({"nextToken", "NextToken", "NextMarker", "NextRecordName", "Marker", "LastEvaluatedTableName"})
_SCALARS: Mapping[str, Any] = {
    **{"boolean": False, "integer": 1, "long": 1, "float": 1.0, "double": 1.0},
    **{"timestamp": MOMENT, "blob": b""},
}


def _scalar(shape: Shape, name: str) -> Any:
    if name.lower().rstrip("s").endswith("arn"):
        return "arn:aws:service:us-east-1:123456789012:kind:name"
    if isinstance(shape, StringShape):
        return shape.enum[0] if shape.enum else "string"
    return _SCALARS[shape.type_name]


class Responses(Tape):
    """Answers every call of an operation with one response, whatever its parameters."""

    def __init__(self, responses: Mapping[Operation, Mapping[str, Any]]) -> None:
        super().__init__()
        self._responses = responses
        self.asked: list[Operation] = []

    def answer(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> RecordedCall:
        """:returns: the response, as if it had been recorded."""
        self.asked.append((service, operation))
        return RecordedCall(service, region, operation, parameters, self._responses[service, operation])
