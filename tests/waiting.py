"""Waiting in tests: for a condition, never for a time.

``LONG_S`` is no expectation. It only ends a test whose condition never comes true, so it is long: a busy machine takes
twenty times as long for everything.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONG_S = 180.0
EVERY_S = 0.02


def wait_for(poll: Callable[[], T], good: Callable[[T], object] = bool, what: str = "") -> T:
    """Poll until the answer is good.

    :returns: the good answer.
    :raises AssertionError: after ``LONG_S``, with the last answer.
    """
    give_up = time.monotonic() + LONG_S
    while not good(answer := poll()):
        assert time.monotonic() < give_up, f"waited {LONG_S:g} s for {what or poll}; last answer: {answer}"
        time.sleep(EVERY_S)
    return answer


async def until(condition: Callable[[], object]) -> None:
    """Wait in an event loop until the condition holds.

    :raises AssertionError: after ``LONG_S``.
    """
    give_up = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < give_up, f"waited {LONG_S:g} s for {condition}"
        await asyncio.sleep(EVERY_S)
