"""Shared readings of the facts, at most one a second: the region monitor, the safeguards and waiting probes read at
that rate. A single read takes the next reading: an older one is never used for it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from chaosdrill.aws.read_coalescing import ReadResult, leading, paced

Facts = dict[str, Any]
FRESH_S = 0.9  # a caller that reads each second gets each reading once
_since: ContextVar[float | None] = ContextVar("facts_read_since", default=None)


def watch() -> None:
    """Mark this thread as a monitor: a reading that is less than 0.9 s old replaces its own."""
    _since.set(0.0)


@contextmanager
def waiting() -> Iterator[None]:
    """Within the block, accept a reading of another caller that began within the block and is less than 0.9 s old."""
    token = _since.set(time.monotonic())
    try:
        yield
    finally:
        _since.reset(token)


def shared(system: str, read: Callable[[], Facts]) -> ReadResult:
    """Return the facts: another caller's recent reading if this thread accepts it, else the next reading.

    :param system: the key of the system that is read.
    """
    since_s, fresh_s = _since.get(), time.monotonic() - FRESH_S
    with leading():
        reading = paced(("region facts", system), read, None if since_s is None else max(since_s, fresh_s))
    if since_s is not None:
        _since.set(reading.began_s)  # no caller gets one reading twice: a safeguard counts consecutive failures
    return reading
