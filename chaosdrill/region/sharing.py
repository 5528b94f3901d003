"""One reading of the facts a second for all who want them: the region watch, the safeguards and waiting probes look so
often. A single look takes the next reading: what was read before it counts for nothing.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from chaosdrill.aws.pacing import Answer, leading, paced

Facts = dict[str, Any]
FRESH_S = 0.9  # who looks each second sees each reading once
_since: ContextVar[float | None] = ContextVar("facts_read_since", default=None)


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


def shared(system: str, read: Callable[[], Facts]) -> Answer:
    """:returns: the facts: those that somebody else has just read, if they are good enough here, else the next reading.

    :param system: names what is read.
    """
    since_s, fresh_s = _since.get(), time.monotonic() - FRESH_S
    with leading():
        reading = paced(("region facts", system), read, None if since_s is None else max(since_s, fresh_s))
    if since_s is not None:
        _since.set(reading.began_s)  # nobody sees one reading twice: a safeguard counts how often it misses
    return reading
