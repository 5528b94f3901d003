"""A tape of AWS's answers: recorded from a real account, and played again where there is none.

It hangs in botocore's own event chain, so that what is played goes through the same code as what was recorded.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from chaosdrill.errors import CannotSee

_PARAMETERS = "chaosdrill_parameters"  # under which a call's parameters are kept in botocore's context


@dataclass(frozen=True)
class Call:
    """One call and its answer.

    :param answer: as boto3 gives it, without ``ResponseMetadata``; of an error its ``Error``.
    """

    service: str
    region: str
    operation: str
    parameters: Mapping[str, Any]
    answer: Mapping[str, Any]
    status: int = 200

    def asks(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> bool:
        """:returns: whether it is the same question, whenever it is asked."""
        asked = (self.service, self.region, self.operation, _at_any_time(self.parameters))
        return asked == (service, region, operation, _at_any_time(parameters))


_OF_THE_MOMENT = frozenset({"clientToken", "StartTime", "EndTime", "Comment"})


def _at_any_time(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Without the token that makes a second try the same request, a span up to now, and what a command is called."""
    return {name: value for name, value in parameters.items() if name not in _OF_THE_MOMENT}


@dataclass
class Tape:
    """Calls in the order in which they were answered."""

    calls: list[Call] = field(default_factory=list)
    _played: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> Call:
        """:returns: the next recorded answer to that question; after the last of them that one again.

        :raises CannotSee: when it was never asked.
        """
        found = [at for at, call in enumerate(self.calls) if call.asks(service, region, operation, parameters)]
        if not found:
            why = f"the recording has no answer to {service} {operation} {dict(parameters)} in {region}"
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
    """Record every AWS call of this process, of all threads, for the length of the block."""
    with _used_as("_recorder", Tape()) as tape:
        yield tape


@contextmanager
def playing(calls: Sequence[Call]) -> Iterator[None]:
    """Answer every AWS call of this process from ``calls`` for the length of the block; nothing is sent."""
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
    """Let the tape hear a client's calls, or answer them."""
    service = client.meta.service_model.service_name
    events = client.meta.events
    events.register("before-parameter-build", _keep_parameters)
    events.register("before-call", _play(service, region))
    # before botocore's own handlers, which change an answer, and will do so again when it is played
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
            tape.calls.append(Call(service, region, model.name, context[_PARAMETERS], answer, status))

    return record


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
