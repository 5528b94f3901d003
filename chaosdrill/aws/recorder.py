"""Recordings of AWS's responses: made with a real account, and replayed without one.

They use botocore's event system, so that a replayed response passes through the same code as a real one.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from chaosdrill.errors import CannotSee

_PARAMETERS = "chaosdrill_parameters"  # key of a call's parameters in botocore's context


@dataclass(frozen=True)
class RecordedCall:
    """One call and its response.

    :param answer: the response as boto3 returns it, without ``ResponseMetadata``; for an error, its ``Error``.
    """

    service: str
    region: str
    operation: str
    parameters: Mapping[str, Any]
    answer: Mapping[str, Any]
    status: int = 200

    def asks(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> bool:
        """Return whether a request is the same as this call's, apart from values that depend on the time."""
        asked = (self.service, self.region, self.operation, _at_any_time(self.parameters))
        return asked == (service, region, operation, _at_any_time(parameters))


_OF_THE_MOMENT = frozenset({"clientToken", "StartTime", "EndTime", "Comment"})


def _at_any_time(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Remove parameters that differ between equal requests: the idempotency token, a time range up to now, and a
    comment.
    """
    return {name: value for name, value in parameters.items() if name not in _OF_THE_MOMENT}


@dataclass
class Tape:
    """Calls in the order of their responses."""

    calls: list[RecordedCall] = field(default_factory=list)
    _played: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> RecordedCall:
        """Return the next recorded response to a request; after the last one, the last one again.

        :raises CannotSee: when the request was never recorded.
        """
        found = [at for at, call in enumerate(self.calls) if call.asks(service, region, operation, parameters)]
        if not found:
            why = f"the recording has no response to {service} {operation} {dict(parameters)} in {region}"
            raise CannotSee(why, code="recording-incomplete")
        with self._lock:
            played = self._played.get(found[0], 0)
            self._played[found[0]] = played + 1
        return self.calls[found[min(played, len(found) - 1)]]


_lock = threading.Lock()
_recorder: Tape | None = None
_player: Tape | None = None


@contextmanager
def recording() -> Iterator[Tape]:
    """Record every AWS call of this process, in all threads, during the block."""
    with _used_as("_recorder", Tape()) as tape:
        yield tape


@contextmanager
def playing(calls: Sequence[RecordedCall]) -> Iterator[None]:
    """Answer every AWS call of this process from ``calls`` during the block; nothing is sent."""
    with _used_as("_player", Tape(list(calls))):
        yield


@contextmanager
def _used_as(place: str, tape: Tape) -> Iterator[Tape]:
    with _lock:
        if globals()[place] is not None:
            raise RuntimeError("a tape runs already")
        globals()[place] = tape
    try:
        yield tape
    finally:
        globals()[place] = None


def attach(client: Any, region: str) -> None:
    """Connect a client to the active recording or replay."""
    service = client.meta.service_model.service_name
    events = client.meta.events
    events.register("before-parameter-build", _keep_parameters)
    events.register("before-call", _play(service, region))
    # before botocore's own handlers, which change a response, and do so again at the replay
    events.register_first(f"after-call.{client.meta.service_model.service_id.hyphenize()}", _record(service, region))


def _keep_parameters(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_PARAMETERS] = dict(params)


def _play(service: str, region: str) -> Callable[..., Any]:
    def play(model: Any, context: Mapping[str, Any], **_: Any) -> Any:
        if _player is None:
            return None
        call = _player.answer(service, region, model.name, context[_PARAMETERS])
        return SimpleNamespace(status_code=call.status), _copied(call.answer)

    return play


def _record(service: str, region: str) -> Callable[..., None]:
    def record(http_response: Any, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
        tape = _recorder
        if tape is not None:
            answer = {name: _copied(value) for name, value in parsed.items() if name != "ResponseMetadata"}
            status = int(http_response.status_code)
            tape.calls.append(RecordedCall(service, region, model.name, context[_PARAMETERS], answer, status))

    return record


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
