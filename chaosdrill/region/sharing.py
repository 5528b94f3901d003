"""One reading of the facts for all who watch: the region watch, the safeguards and waiting probes look each second, and
AWS should be asked once. A single look is always a reading of its own: what it saw before counts for nothing.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

Facts = dict[str, Any]
FRESH_S = 0.9  # who looks each second sees each reading once
_since: ContextVar[float | None] = ContextVar("facts_read_since", default=None)


@dataclass(frozen=True)
class Reading:
    """The facts, and when they were read: ``began_s`` on the steady clock, the others in ns since the epoch."""

    began_s: float
    began_ns: int
    ended_ns: int
    facts: Facts


_reading = threading.Lock()
_last: dict[str, Reading] = {}


def watch() -> None:
    """From now on this thread watches: a reading that is less than 0.9 s old is as good to it as its own."""
    _since.set(0.0)


@contextmanager
def waiting() -> Iterator[None]:
    """Within it a reading is good that began within it, and is less than 0.9 s old, whoever made it."""
    token = _since.set(time.monotonic())
    try:
        yield
    finally:
        _since.reset(token)


def shared(system: str, read: Callable[[], Facts]) -> Reading:
    """:returns: the facts: those that somebody else has just read, if they are good enough here, else read now.

    :param system: names what is read.
    """
    since_s = _since.get()
    if since_s is None:
        return _read(system, read)
    with _reading:  # who comes while somebody reads waits for that reading
        last = _last.get(system)
        if last is None or last.began_s <= max(since_s, time.monotonic() - FRESH_S):
            last = _read(system, read)
        _since.set(last.began_s)  # nobody sees one reading twice: a safeguard counts how often it misses
        return last


def _read(system: str, read: Callable[[], Facts]) -> Reading:
    began_s, began_ns = time.monotonic(), time.time_ns()
    facts = read()
    _last[system] = Reading(began_s, began_ns, time.time_ns(), facts)
    return _last[system]
